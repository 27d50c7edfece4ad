// The official clients sign a person in: they are refused, find the authorization server, register,
// send the person's browser through the pages, get tokens and call a tool, refresh four times at once,
// are told that writing was not given and get it by asking again, and are told to sign in again once the
// sign-in has ended. A client of 2026-07-28 is led to asking again; to others the tool says it.
//
//   node signin.mjs <url> 1|2 [2026-07-28]
import { browse } from './browser.mjs';

const [url, major, revision] = process.argv.slice(2);
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
  const client = new sdk.Client({ name: 'signin', version: '1' }, { capabilities: {}, versionNegotiation: { mode: revision ? { pin: revision } : 'legacy' } });
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

// signIn lets the person answer what they were asked.
async function signIn(write, scope) {
  const back = await browse(provider.asked, { write });
  if (!back.searchParams.get('code')) fail('no code', back.search);
  await (major === '1' ? transport().finishAuth(back.searchParams.get('code')) : transport().finishAuth(back.searchParams));
  if (provider.saved.scope !== scope) fail('scope', provider.saved.scope);
}
const say = (client) => client.callTool({ name: 'slack_post_message', arguments: { channel: '#general', text: 'hello from a client' } });

await refused('without a token');
await signIn(false, 'read');
const { client } = await connect();
const { tools } = await client.listTools();
if (!tools.some((t) => t.name === 'slack_list_channels') || tools.some((t) => t.name === 'slack_post_message')) fail('tools', tools.map((t) => t.name));
async function call() {
  const listed = await client.callTool({ name: 'slack_list_channels', arguments: {} });
  if (listed.isError) fail('a tool', JSON.stringify(listed));
}
await call();
console.log('tools', tools.length);

// The access token is no good any more: four calls refresh at once, and none is signed out.
provider.saved = { ...provider.saved, access_token: 'swa.expired' };
provider.refreshes = 0;
provider.asked = undefined;
await Promise.all(Array.from({ length: 4 }, call));
if (provider.asked || provider.refreshes === 0) fail('four calls at once', provider.refreshes, provider.asked);
console.log('refreshes', provider.refreshes);

// Writing was not given.
provider.asked = undefined;
if (revision) {
  await say(client).then(() => fail('writing that was not given'), () => {});
  if (!provider.asked) fail('nobody is asked for writing');
} else {
  const { isError, content } = await say(client);
  if (!isError || !content[0].text.startsWith('insufficient_scope: ')) fail('writing that was not given', JSON.stringify(content));
  provider.saved = undefined;
  await refused('anew');
}
await signIn(true, 'read write');
const posted = await say((await connect()).client);
if (posted.isError) fail('writing', JSON.stringify(posted));

const revoke = await fetch(new URL('/revoke', url), { method: 'POST', body: new URLSearchParams({ token: provider.saved.refresh_token, client_id: provider.client.client_id }) });
if (!revoke.ok) fail('revoke', revoke.status);
await refused('after signing out');
console.log('OK');
process.exit(0);
