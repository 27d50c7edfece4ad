# The official Python SDK signs a person in: it is refused, finds the authorization server,
# registers, sends the person's browser (browser.mjs) through the pages, and calls a tool. Four
# clients that share what was stored refresh at once; writing, which was not given, is asked for when
# it is needed; and one that has signed out is asked again.
#
#   python signin.py <url>
import asyncio
import contextlib
import os
import pathlib
import sys
import time
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

url = sys.argv[1]
redirect = "http://127.0.0.1:41998/callback"
browser = pathlib.Path(__file__).with_name("browser.mjs")


class Storage:
    def __init__(self, tokens=None, client=None):
        self.tokens, self.client, self.given = tokens, client, 0

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.given += 1

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class SignIn:
    """What one client has stored, and how often it has asked the person."""

    def __init__(self, storage, asks=True):
        self.storage, self.asks, self.asked = storage, asks, 0
        metadata = OAuthClientMetadata(client_name="app", redirect_uris=[redirect], token_endpoint_auth_method="none")
        self.provider = OAuthClientProvider(url, metadata, storage, self.redirect, self.callback)

    async def redirect(self, address):
        self.asked += 1
        if not self.asks:
            raise RuntimeError("the person is asked")
        environment = os.environ | {"WRITE": "no" if self.asked == 1 else "yes"}
        node = await asyncio.create_subprocess_exec("node", browser, "--print", address, stdout=asyncio.subprocess.PIPE, env=environment)
        said, _ = await node.communicate()
        self.back = parse_qs(urlsplit(said.decode().strip()).query)

    async def callback(self):
        return AuthorizationCodeResult(**{k: self.back[k][0] for k in ("code", "state", "iss")})

    @contextlib.asynccontextmanager
    async def client(self):
        async with create_mcp_http_client(auth=self.provider) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                yield client

    def expire(self):
        self.provider.context.token_expiry_time = time.time() - 1


async def call(client, name, **arguments):
    result = await client.call_tool(name, arguments)
    if result.is_error:
        raise RuntimeError(f"{name}: {result.content}")


async def main():
    first = SignIn(Storage())
    async with first.client() as client:
        tools = await client.list_tools()
        print("tools", len(tools.tools))
        await call(client, "slack_list_channels")
        assert first.asked == 1 and first.storage.tokens.scope == "read", first.storage.tokens.scope

        # One client with four calls, and then four clients with what is stored.
        first.expire()
        await asyncio.gather(*(client.list_tools(cache_mode="refresh") for _ in range(4)))
        assert first.asked == 1 and first.storage.given == 2, (first.asked, first.storage.given)
        others = [SignIn(Storage(first.storage.tokens, first.storage.client), asks=False) for _ in range(4)]

        async def again(other):
            await other.provider._initialize()
            other.expire()
            async with other.client() as client:
                await client.list_tools()

        await asyncio.gather(*map(again, others))
        assert all(o.storage.given == 1 for o in others), [o.storage.given for o in others]
        assert len({o.storage.tokens.refresh_token for o in others}) == 1

        await call(client, "slack_post_message", channel="#general", text="hello from a client")
        assert first.asked == 2 and first.storage.tokens.scope == "read write", first.storage.tokens.scope
    print("refreshes", sum(o.storage.given for o in others) + 1)

    last = others[0]
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/revoke", data={
            "token": last.storage.tokens.refresh_token, "client_id": last.storage.client.client_id,
        })
        answer.raise_for_status()
    last.asked = 0
    with contextlib.suppress(BaseExceptionGroup, RuntimeError):
        async with last.client():
            raise SystemExit("it connects after signing out")
    assert last.asked == 1, "it was not asked again after signing out"
    print("OK")


asyncio.run(asyncio.wait_for(main(), 60))
