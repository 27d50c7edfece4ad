// The 1.x SDK against a server that wants OAuth: it is refused, finds the
// authorization server through the metadata, gets a token and calls a tool.
//
//   node oauth.mjs <url> machine    client credentials
//   node oauth.mjs <url> app        authorization code with PKCE
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [url, mode] = process.argv.slice(2);
setTimeout(() => { console.error('FAIL nothing happened for too long'); process.exit(1); }, 60_000).unref();

// A person's browser: it follows the authorization server until that sends the code.
async function browse(address) {
  const cookies = new Map();
  for (let next = address, hops = 0; hops < 10; hops++) {
    const res = await fetch(next, { redirect: 'manual', headers: { cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
    for (const c of res.headers.getSetCookie()) {
      const [, name, value] = c.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    const to = res.headers.get('location');
    if (!to) throw new Error(`authorization stopped at ${res.status}: ${await res.text()}`);
    next = new URL(to, next);
    if (next.pathname === '/callback') {
      const code = next.searchParams.get('code');
      if (!code) throw new Error('no code: ' + next.search);
      return code;
    }
  }
  throw new Error('authorization goes in circles');
}

class AppProvider {
  redirectUrl = 'http://127.0.0.1/callback';
  clientMetadata = { client_name: 'app', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none' };
  clientInformation() { return { client_id: 'app' }; }
  tokens() { return this.saved; }
  saveTokens(tokens) { this.saved = tokens; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
  redirectToAuthorization(address) { this.asked = address; }
}

const provider = mode === 'machine'
  ? new ClientCredentialsProvider({ clientId: 'machine', clientSecret: 'machine-secret-0123456789', clientName: 'machine', scope: 'read events' })
  : new AppProvider();
const connect = async () => {
  const client = new Client({ name: 'oauth-smoke', version: '1' }, { capabilities: {} });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  await client.connect(transport);
  return { client, transport };
};

let session;
try {
  session = await connect();
} catch (e) {
  if (!(e instanceof UnauthorizedError) || !provider.asked) throw e;
  if (!provider.asked.searchParams.get('code_challenge')) throw new Error('no PKCE');
  const code = await browse(provider.asked);
  await new StreamableHTTPClientTransport(new URL(url), { authProvider: provider }).finishAuth(code);
  session = await connect();
}
const who = await session.client.callTool({ name: 'whoami', arguments: {} });
console.log('principal', who.content[0].text);
await session.transport.terminateSession();
await session.client.close();
process.exit(0);
