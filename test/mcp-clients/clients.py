# Python's clients connect over streamable HTTP and over SSE, list, call, read, and follow a
# resource where they can: what a tool posts comes back as an event, of which they are notified.
#
#   SLACK_MCP_TOKEN=<bearer> python clients.py <client> <base url>
import asyncio
import os
import sys

which, base = sys.argv[1], sys.argv[2]
headers = {"Authorization": "Bearer " + os.environ["SLACK_MCP_TOKEN"]}
uri = "slack://events"
post = ("slack_post_message", {"channel": "#general", "text": "hello from " + which})


class Heard:
    """Waits for resources/updated among what a session is told."""

    def __init__(self):
        self.updated = asyncio.Event()

    async def __call__(self, message):
        if getattr(getattr(message, "root", message), "method", "") == "notifications/resources/updated":
            self.updated.set()

    async def wait(self):
        await asyncio.wait_for(self.updated.wait(), 20)


def enough(tools):
    names = {t.name for t in tools}
    assert len(names) >= 19 and "slack_post_message" in names, names


def channels(said):
    assert "general" in str(said), said


async def python_sdk(url, transport):
    import httpx2
    from mcp import Client
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client

    async def try_it(client, heard):
        enough((await client.list_tools()).tools)
        channels((await client.call_tool("slack_list_channels", {})).structured_content)
        assert any(str(r.uri) == uri for r in (await client.list_resources()).resources)
        assert (await client.read_resource(uri)).contents[0].text
        if client.protocol_version >= "2026":
            async with client.listen(resource_subscriptions=[uri]) as updates:
                assert not (await client.call_tool(*post)).is_error
                async for update in updates:
                    assert str(update.uri) == uri, update
                    return
        await client.subscribe_resource(uri)
        assert not (await client.call_tool(*post)).is_error
        await heard.wait()

    if transport == "sse":
        heard = Heard()
        async with Client(sse_client(url, headers=headers), mode="legacy", message_handler=heard) as client:
            await try_it(client, heard)
        return
    for mode in ("legacy", "2026-07-28"):
        heard = Heard()
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            async with Client(streamable_http_client(url, http_client=http), mode=mode, message_handler=heard) as client:
                await try_it(client, heard)


async def fastmcp(url, transport):
    from fastmcp import Client
    from fastmcp.client.transports import SSETransport, StreamableHttpTransport

    heard = Heard()
    kind = SSETransport if transport == "sse" else StreamableHttpTransport
    async with Client(kind(url, headers=headers), message_handler=heard, mode="legacy") as client:
        enough(await client.list_tools())
        channels((await client.call_tool("slack_list_channels", {})).structured_content)
        assert any(str(r.uri) == uri for r in await client.list_resources())
        assert (await client.read_resource(uri))[0].text
        await client.session.subscribe_resource(uri)
        await client.call_tool(*post)
        await heard.wait()


async def openai_agents(url, transport):
    from agents.mcp import MCPServerSse, MCPServerStreamableHttp

    kind = MCPServerSse if transport == "sse" else MCPServerStreamableHttp
    async with kind(params={"url": url, "headers": headers}, client_session_timeout_seconds=60) as server:
        enough(await server.list_tools())
        channels(await server.call_tool("slack_list_channels", {}))
        assert any(str(r.uri) == uri for r in (await server.list_resources()).resources)
        assert (await server.read_resource(uri)).contents[0].text
        await server.call_tool(*post)


async def langchain(url, transport):
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.resources import load_mcp_resources
    from langchain_mcp_adapters.tools import load_mcp_tools

    heard = Heard()
    kind = "sse" if transport == "sse" else "streamable_http"
    connection = {"transport": kind, "url": url, "headers": headers, "session_kwargs": {"message_handler": heard}}
    async with MultiServerMCPClient({"slack": connection}).session("slack") as session:
        tools = {t.name: t for t in await load_mcp_tools(session)}
        enough(tools.values())
        channels(await tools["slack_list_channels"].ainvoke({}))
        [events] = await load_mcp_resources(session, uris=[uri])
        assert events.as_string()
        await session.subscribe_resource(uri)
        await tools[post[0]].ainvoke(post[1])
        await heard.wait()


async def pydantic_ai(url, transport):
    from fastmcp.client.transports import SSETransport, StreamableHttpTransport
    from pydantic_ai.mcp import MCPToolset

    kind = SSETransport if transport == "sse" else StreamableHttpTransport
    async with MCPToolset(kind(url, headers=headers)) as slack:
        enough(await slack.list_tools())
        channels(await slack.direct_call_tool("slack_list_channels", {}))
        assert any(str(r.uri) == uri for r in await slack.list_resources())
        assert await slack.read_resource(uri)
        await slack.direct_call_tool(*post)


async def main():
    for transport, path in (("streamable http", "/mcp"), ("sse", "/mcp/sse")):
        await globals()[which.replace("-", "_")](base + path, transport)
        print("OK", which, transport)


asyncio.run(asyncio.wait_for(main(), 90))
