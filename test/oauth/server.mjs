// A real OAuth authorization server (oidc-provider) on a free loopback port, which
// agrees to everything at once. It prints its issuer URL and serves until killed.
//
//   client "machine" with the secret below: client credentials
//   client "app", public: authorization code with PKCE; user U123 is always logged in
//   POST /rotate?alg=RS256|ES256: a new signing key; the old ones stay published
import { createServer } from 'node:http';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const scopes = 'read write events';
let alg = 'ES256';
const keys = [];

function newKey(kind) {
  alg = kind;
  const { privateKey } = kind === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  keys.unshift({ ...privateKey.export({ format: 'jwk' }), kid: `key-${keys.length + 1}`, use: 'sig', alg: kind });
}

function newProvider(issuer) {
  const provider = new Provider(issuer, {
    clients: [
      { client_id: 'machine', client_secret: 'machine-secret-0123456789', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
      { client_id: 'app', token_endpoint_auth_method: 'none', grant_types: ['authorization_code'], redirect_uris: ['http://127.0.0.1/callback'], response_types: ['code'] },
    ],
    // A client may name an algorithm of its own only where the server has a key for it.
    clientDefaults: { id_token_signed_response_alg: alg },
    jwks: { keys },
    cookies: { keys: ['only for a test'] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/agree/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({ scope: scopes, audience: resource, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg } } }),
      },
    },
  });
  return { provider, serve: provider.callback() };
}

// agree logs the user in and grants what was asked for.
async function agree(provider, req, res) {
  const { params } = await provider.interactionDetails(req, res);
  const grant = new provider.Grant({ accountId: 'U123', clientId: params.client_id });
  grant.addOIDCScope('openid');
  for (const resource of [params.resource].flat()) grant.addResourceScope(resource, params.scope);
  await provider.interactionFinished(req, res, { login: { accountId: 'U123' }, consent: { grantId: await grant.save() } });
}

let current;
const server = createServer(async (req, res) => {
  try {
    const url = new URL(req.url, 'http://127.0.0.1');
    if (req.method === 'POST' && url.pathname === '/rotate') {
      newKey(url.searchParams.get('alg') ?? 'ES256');
      current = newProvider(issuer);
      res.end(keys[0].kid);
    } else if (url.pathname.startsWith('/agree/')) {
      await agree(current.provider, req, res);
    } else {
      current.serve(req, res);
    }
  } catch (e) {
    console.error(e);
    res.writeHead(500).end();
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
newKey('ES256');
current = newProvider(issuer);
console.log(issuer);
