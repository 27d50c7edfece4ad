// The official clients sign a person in: they are refused, find the authorization server, register,
// send the person's browser through the pages, get tokens, refresh them four times at once, and are
// told to sign in again once the sign-in has ended.
//
//   node signin.mjs <url> 1|2
import { browse } from './browser.mjs';

const [url, major] = process.argv.slice(2);
setTimeout(() => fail('nothing happened for too long'), 60_000).unref();

const sdk = major === '1'
  ? {
    ...await import('@modelcontextprotocol/sdk/client/index.js'),
    ...await import('@modelcontextprotocol/sdk/client/auth.js'),
    ...await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
  }
  : await import('@modelcontextprotocol/client');

function fail(...why) {
  console.error('FAIL', ...why);
  process.exit(1);
}

class Provider {
  redirectUrl = 'http://127.0.0.1:41999/callback';
  clientMetadata = { client_name: 'app', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
  refreshes = 0;
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.saved; }
  saveTokens(tokens) {
    this.saved = tokens;
    this.refreshes++;
  }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
  invalidateCredentials(what) {
    if (what === 'all' || what === 'tokens') this.saved = undefined;
    if (what === 'all' || what === 'client') this.client = undefined;
  }
  redirectToAuthorization(address) { this.asked = address; }
}

const provider = new Provider();
const transport = () => new sdk.StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
async function connect() {
  const client = new sdk.Client({ name: 'signin', version: '1' }, { capabilities: {} });
  const t = transport();
  await client.connect(t);
  return { client, t };
}

// refused waits until a connection asks the person.
async function refused(what) {
  provider.asked = undefined;
  try {
    await connect();
  } catch (e) {
    if (!provider.asked) fail(what, e);
    return;
  }
  fail(what, 'it connects');
}

await refused('without a token');
const back = await browse(provider.asked);
if (!back.searchParams.get('code')) fail('no code', back.search);
await (major === '1' ? transport().finishAuth(back.searchParams.get('code')) : transport().finishAuth(back.searchParams));
if (provider.saved.scope !== 'read write') fail('scope', provider.saved.scope);

const { client } = await connect();
const { tools } = await client.listTools();
console.log('tools', tools.length);

// The access token is no good any more: four calls refresh at once, and none is signed out.
provider.saved = { ...provider.saved, access_token: 'swa.expired' };
provider.refreshes = 0;
provider.asked = undefined;
await Promise.all(Array.from({ length: 4 }, () => client.ping()));
if (provider.asked || provider.refreshes === 0) fail('four calls at once', provider.refreshes, provider.asked);
console.log('refreshes', provider.refreshes);

const revoke = await fetch(new URL('/revoke', url), { method: 'POST', body: new URLSearchParams({ token: provider.saved.refresh_token, client_id: provider.client.client_id }) });
if (!revoke.ok) fail('revoke', revoke.status);
await refused('after signing out');
console.log('OK');
process.exit(0);
