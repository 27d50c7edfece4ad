// Makes the fixtures of webhook/testdata/senders: one delivery of each provider, with its clock.
//
// Where the provider's own library signs, it signs here ("signs"). Where it only verifies, the
// delivery is signed as the documentation says, and written only when the library accepts it and
// refuses another body ("accepts"). A provider without a library is signed as its documentation
// says ("documented"), which proves no more than that two readers understood it alike.
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

const require = createRequire(path.join(process.cwd(), 'package.json')); // run beside its node_modules
const out = process.argv[2];
const AT = 1800000000; // the clock of every fixture, in Unix seconds
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...a) { a.length ? super(...a) : super(AT * 1000); }
  static now() { return AT * 1000; }
};

const hmac = (key, text, as = 'hex', hash = 'sha256') => crypto.createHmac(hash, key).update(text).digest(as);
const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const iso = new RealDate(AT * 1000).toISOString().replace('.000', '');
const base = 'https://events.example.com/events/';
const whsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const made = [];
const failed = [];

async function make(provider, o) {
  const secret = o.secret ?? `${provider}-secret-0123456789abcdef`;
  const body = typeof o.body === 'string' ? o.body : JSON.stringify(o.body);
  const url = base + provider;
  try {
    const headers = await o.headers({ body, secret, url });
    if (o.accepts) {
      if (!(await ok(() => o.accepts({ body, secret, url, headers })))) throw new Error('its library refuses the fixture');
      if (!o.unsignedBody && (await ok(() => o.accepts({ body: body.replace('0', '1').replace('a', 'b'), secret, url, headers })))) throw new Error('its library accepts another body');
    }
    const version = o.lib ? require(path.join(process.cwd(), 'node_modules', o.lib, 'package.json')).version : '';
    const f = {
      provider, how: o.lib ? (o.accepts && !o.signer ? 'accepts' : 'signs') : 'documented', library: o.lib ? `${o.lib} ${version}` : undefined,
      at: AT, secret: o.keep?.secret ?? secret, url: o.url ? url : undefined, query: o.query,
      audience: o.audience, subject: o.subject, documents: o.documents,
      headers: { 'Content-Type': o.type ?? 'application/json', ...headers }, body, id: o.id ?? '', kind: o.kind,
    };
    fs.writeFileSync(path.join(out, provider + '.json'), JSON.stringify(f, null, 2) + '\n');
    made.push(`${provider}: ${f.how} ${f.library ?? ''}`);
  } catch (e) {
    failed.push(`${provider}: ${e.stack}`);
  }
}

async function ok(f) {
  try {
    const r = await f();
    return r !== false;
  } catch (e) {
    if (process.env.DEBUG) console.error(e);
    return false;
  }
}

const lower = (h) => Object.fromEntries(Object.entries(h).map(([k, v]) => [k.toLowerCase(), v]));

// Signed by their own libraries.

await make('stripe', {
  lib: 'stripe', secret: 'whsec_test_secret', body: { id: 'evt_1', object: 'event', type: 'invoice.paid', data: { object: { id: 'in_1' } } }, id: 'evt_1', kind: 'invoice.paid',
  headers: ({ body, secret }) => ({ 'Stripe-Signature': require('stripe').webhooks?.generateTestHeaderString({ payload: body, secret, timestamp: AT }) ?? new (require('stripe'))('sk_test_x').webhooks.generateTestHeaderString({ payload: body, secret, timestamp: AT }) }),
});
await make('github', {
  lib: '@octokit/webhooks-methods', body: { action: 'opened', number: 1 }, id: '72d3162e-cc78-11e3-81ab-4c9367dc0958', kind: 'pull_request/opened',
  headers: async ({ body, secret }) => ({ 'X-Hub-Signature-256': await (await import('@octokit/webhooks-methods')).sign(secret, body), 'X-GitHub-Event': 'pull_request', 'X-GitHub-Delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958' }),
});
const svix = (id, body, secret) => ({ 'svix-id': id, 'svix-timestamp': String(AT), 'svix-signature': new (require('svix').Webhook)(secret).sign(id, new RealDate(AT * 1000), body) });
await make('svix', { lib: 'svix', secret: whsec, body: { type: 'invoice.paid', data: { id: 1 } }, id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', kind: 'invoice.paid', headers: ({ body, secret }) => svix('msg_p5jXN8AQM9LWM0D4loKWxJek', body, secret) });
await make('clerk', {
  lib: '@clerk/backend', secret: whsec, body: { type: 'user.created', object: 'event', data: { id: 'user_29w83sxmDNGwOuEthce5gg56FcC' } }, id: 'msg_clerk1', kind: 'user.created',
  headers: ({ body, secret }) => svix('msg_clerk1', body, secret),
  accepts: async ({ body, secret, url, headers }) => !!(await (await import('@clerk/backend/webhooks')).verifyWebhook(new Request(url, { method: 'POST', body, headers: { ...headers, 'content-type': 'application/json' } }), { signingSecret: secret })),
});
await make('resend', {
  lib: 'resend', secret: whsec, body: { type: 'email.sent', created_at: iso, data: { email_id: '56761188-7520-42d8-8898-ff6fc54ce618' } }, id: 'msg_resend1', kind: 'email.sent',
  headers: ({ body, secret }) => svix('msg_resend1', body, secret),
  accepts: ({ body, secret, headers }) => !!new (require('resend').Resend)('re_x').webhooks.verify({ payload: body, headers: { id: headers['svix-id'], timestamp: headers['svix-timestamp'], signature: headers['svix-signature'] }, webhookSecret: secret }),
});
const standard = (id, body, secret) => ({ 'webhook-id': id, 'webhook-timestamp': String(AT), 'webhook-signature': new (require('standardwebhooks').Webhook)(secret).sign(id, new RealDate(AT * 1000), body) });
await make('openai', {
  lib: 'openai', secret: whsec, body: { object: 'event', id: 'evt_685343a1381c819085d44c354e1b330e', type: 'response.completed', created_at: AT, data: { id: 'resp_1' } }, id: 'wh_685342e6c53c8190a1be43f081506c52', kind: 'response.completed',
  headers: ({ body, secret }) => standard('wh_685342e6c53c8190a1be43f081506c52', body, secret),
  accepts: async ({ body, secret, headers }) => { await new (require('openai').OpenAI)({ apiKey: 'x' }).webhooks.verifySignature(body, headers, secret); return true; },
});
await make('replicate', { lib: 'standardwebhooks', secret: whsec, body: { id: 'ufawqhfynnddngldkgtslldrkq', status: 'succeeded' }, id: 'msg_replicate1', kind: 'succeeded', headers: ({ body, secret }) => standard('msg_replicate1', body, secret) });
await make('supabase', {
  lib: 'standardwebhooks', secret: 'v1,' + whsec, body: { metadata: { uuid: '8b34dcdd-9df1-4c10-850a-b3277c653040', name: 'before-user-created' }, user: { id: 'u1' } }, id: 'msg_supabase1', kind: 'before-user-created',
  headers: ({ body, secret }) => standard('msg_supabase1', body, secret.replace('v1,', '')),
});
await make('polar', {
  lib: 'standardwebhooks', secret: 'polar_whs_aVeryLongSecretOfPolar', body: { type: 'order.paid', data: { id: 'o1' } }, id: 'msg_polar1', kind: 'order.paid',
  headers: ({ body, secret }) => standard('msg_polar1', body, Buffer.from(secret).toString('base64')),
});
await make('twilio', {
  lib: 'twilio', type: 'application/x-www-form-urlencoded', url: true, secret: '12345678901234567890123456789012', body: new URLSearchParams({ MessageSid: 'SM1', MessageStatus: 'delivered', To: '+15558675310', Body: 'Grüße & 100%' }).toString(),
  id: 'c4a2-11', kind: 'delivered',
  headers: ({ body, secret, url }) => ({ 'X-Twilio-Signature': require('twilio').getExpectedTwilioSignature?.(secret, url, Object.fromEntries(new URLSearchParams(body))) ?? require('twilio/lib/webhooks/webhooks').getExpectedTwilioSignature(secret, url, Object.fromEntries(new URLSearchParams(body))), 'I-Twilio-Idempotency-Token': 'c4a2-11' }),
});
await make('hubspot', {
  lib: '@hubspot/api-client', url: true, body: [{ eventId: 100, subscriptionType: 'contact.creation', objectId: 123, attemptNumber: 0 }], kind: 'contact.creation',
  headers: ({ body, secret, url }) => ({ 'X-HubSpot-Request-Timestamp': String(AT * 1000), 'X-HubSpot-Signature-v3': hmac(secret, 'POST' + url + body + AT * 1000, 'base64') }),
  accepts: ({ body, secret, url, headers }) => require('@hubspot/api-client').Signature.isValid({ signature: headers['X-HubSpot-Signature-v3'], clientSecret: secret, requestBody: body, url, signatureVersion: 'v3', method: 'POST', timestamp: AT * 1000 }),
});
await make('sanity', {
  lib: '@sanity/webhook', body: { _id: 'drafts.1', _type: 'post', title: 'a0' }, id: 'sanity-key-1', kind: 'update',
  headers: async ({ body, secret }) => ({ 'sanity-webhook-signature': await (await import('@sanity/webhook')).encodeSignatureHeader(body, AT * 1000, secret), 'idempotency-key': 'sanity-key-1', 'sanity-operation': 'update' }),
});
await make('notion', {
  lib: '@notionhq/client', secret: 'secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl', body: { id: '367cba44-b6f3-4c92-81e7-6a2e9659efd4', type: 'page.created', attempt_number: 1 }, id: '367cba44-b6f3-4c92-81e7-6a2e9659efd4', kind: 'page.created',
  headers: async ({ body, secret }) => ({ 'X-Notion-Signature': await require('@notionhq/client').signWebhookPayload({ body, verificationToken: secret }) }),
});

// Accepted by their own libraries.

await make('slack', {
  lib: '@slack/bolt', body: { type: 'event_callback', event_id: 'Ev0PV52K21', event: { type: 'reaction_added' }, team_id: 'T061EG9R6' }, id: 'Ev0PV52K21', kind: 'reaction_added',
  headers: ({ body, secret }) => ({ 'X-Slack-Request-Timestamp': String(AT), 'X-Slack-Signature': 'v0=' + hmac(secret, `v0:${AT}:${body}`) }),
  accepts: ({ body, secret, headers }) => { require(path.join(process.cwd(), 'node_modules/@slack/bolt/dist/receivers/verify-request.js')).verifySlackRequest({ signingSecret: secret, body, headers: lower({ 'x-slack-signature': headers['X-Slack-Signature'], 'x-slack-request-timestamp': AT }), nowMilliseconds: AT * 1000 }); return true; },
});
await make('line', {
  lib: '@line/bot-sdk', body: { destination: 'U1', events: [{ type: 'message', webhookEventId: '01FZ74A0TDDPYRVKNK77XKC3ZR', deliveryContext: { isRedelivery: false } }] }, id: '01FZ74A0TDDPYRVKNK77XKC3ZR', kind: 'message',
  headers: ({ body, secret }) => ({ 'X-Line-Signature': hmac(secret, body, 'base64') }),
  accepts: async ({ body, secret, headers }) => (await import('@line/bot-sdk')).validateSignature(body, secret, headers['X-Line-Signature']),
});
await make('paddle', {
  lib: '@paddle/paddle-node-sdk', secret: 'pdl_ntfset_01hsdn8d43dt7mezr1ef2jtbaw_hKkRiCGyyRhbFwUUuqTBgPZKw4DMCZGH', body: { event_id: 'evt_01', event_type: 'transaction.completed', occurred_at: iso, notification_id: 'ntf_01', data: { id: 'txn_01' } }, id: 'evt_01', kind: 'transaction.completed',
  headers: ({ body, secret }) => ({ 'Paddle-Signature': `ts=${AT};h1=${hmac(secret, `${AT}:${body}`)}` }),
  accepts: async ({ body, secret, headers }) => { const { Paddle } = require('@paddle/paddle-node-sdk'); return new Paddle('x').webhooks.isSignatureValid(body, secret, headers['Paddle-Signature']); },
});
await make('square', {
  lib: 'square', url: true, body: { merchant_id: 'M0', type: 'payment.updated', event_id: '6a8f5f28-54a1-4eb0-a98a-3111513fd4fc' }, id: '6a8f5f28-54a1-4eb0-a98a-3111513fd4fc', kind: 'payment.updated',
  headers: ({ body, secret, url }) => ({ 'x-square-hmacsha256-signature': hmac(secret, url + body, 'base64') }),
  accepts: async ({ body, secret, url, headers }) => require('square').WebhooksHelper.verifySignature({ requestBody: body, signatureHeader: headers['x-square-hmacsha256-signature'], signatureKey: secret, notificationUrl: url }),
});
const b64url = (x) => Buffer.from(x).toString('base64url');
const hs256 = (claims, secret) => { const t = b64url(JSON.stringify({ alg: 'HS256', typ: 'JWT' })) + '.' + b64url(JSON.stringify(claims)); return t + '.' + hmac(secret, t, 'base64url'); };
await make('vonage', {
  lib: '@vonage/jwt', unsignedBody: true, secret: 'shortVonageSecret', body: { message_uuid: 'aaaaaaaa-bbbb-cccc-dddd-0123456789ab', status: 'delivered', timestamp: iso }, kind: 'delivered',
  headers: ({ body, secret }) => ({ Authorization: 'Bearer ' + hs256({ iat: AT, jti: 'j-1', iss: 'Vonage', payload_hash: sha256(body), api_key: 'abcd1234', application_id: 'app' }, secret) }),
  accepts: ({ secret, headers }) => require('@vonage/jwt').verifySignature(headers.Authorization.slice(7), secret),
});
await make('messagebird', {
  lib: 'messagebird', url: true, body: { type: 'message.updated', message: { id: 'm0', status: 'delivered' } }, kind: 'message.updated',
  headers: ({ body, secret, url }) => ({ 'MessageBird-Signature-JWT': hs256({ iss: 'MessageBird', nbf: AT, exp: AT + 60, jti: 'j-2', url_hash: sha256(url), payload_hash: sha256(body) }, secret) }),
  accepts: async ({ body, secret, url, headers }) => { await require('messagebird/lib/webhook-signature-jwt').verify(url, Buffer.from(body), headers['MessageBird-Signature-JWT'], crypto.createSecretKey(Buffer.from(secret))); return true; },
});
{
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pub = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  await make('sendgrid', {
    lib: '@sendgrid/eventwebhook', secret: pub, body: [{ email: 'a@example.com', event: 'delivered', sg_event_id: 'ZGVsaXZlcmVkLTA' }], kind: 'delivered',
    headers: ({ body }) => ({ 'X-Twilio-Email-Event-Webhook-Timestamp': String(AT), 'X-Twilio-Email-Event-Webhook-Signature': crypto.sign('sha256', Buffer.from(AT + body), privateKey).toString('base64') }),
    accepts: ({ body, secret, headers }) => { const w = new (require('@sendgrid/eventwebhook').EventWebhook)(); return w.verifySignature(w.convertPublicKeyToECDSA(secret), body, headers['X-Twilio-Email-Event-Webhook-Signature'], String(AT)); },
  });
}
{
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
  const pub = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
  await make('discord', {
    lib: 'discord-interactions', secret: pub, body: { version: 1, application_id: '1234560123453231555', type: 1, event: { type: 'APPLICATION_AUTHORIZED', timestamp: iso } }, kind: 'APPLICATION_AUTHORIZED',
    headers: ({ body }) => ({ 'X-Signature-Timestamp': String(AT), 'X-Signature-Ed25519': crypto.sign(null, Buffer.from(AT + body), privateKey).toString('hex') }),
    accepts: ({ body, secret, headers }) => require('discord-interactions').verifyKey(body, headers['X-Signature-Ed25519'], String(AT), secret),
  });
}
await make('razorpay', {
  lib: 'razorpay', body: { entity: 'event', event: 'payment.captured', payload: { payment: { entity: { id: 'pay_0', token: 'kept' } } } }, id: 'Nx0', kind: 'payment.captured',
  headers: ({ body, secret }) => ({ 'X-Razorpay-Signature': hmac(secret, body), 'x-razorpay-event-id': 'Nx0' }),
  accepts: ({ body, secret, headers }) => require('razorpay').validateWebhookSignature(body, headers['X-Razorpay-Signature'], secret),
});
await make('workos', {
  lib: '@workos-inc/node', body: { id: 'wh_0', event: 'dsync.user.created', data: { id: 'directory_user_0' } }, id: 'wh_0', kind: 'dsync.user.created',
  headers: ({ body, secret }) => ({ 'WorkOS-Signature': `t=${AT * 1000}, v1=${hmac(secret, `${AT * 1000}.${body}`)}` }),
  accepts: async ({ body, secret, headers }) => new (require('@workos-inc/node').WorkOS)('sk_x', { clientId: 'c' }).webhooks.verifyHeader({ payload: JSON.parse(body), sigHeader: headers['WorkOS-Signature'], secret }),
});
await make('shopify', {
  lib: '@shopify/shopify-api', body: { id: 820982911946154500, cart_token: 'kept', token: '0a' }, id: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043', kind: 'orders/create',
  headers: ({ body, secret }) => ({ 'X-Shopify-Hmac-Sha256': hmac(secret, body, 'base64'), 'X-Shopify-Topic': 'orders/create', 'X-Shopify-Webhook-Id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043', 'X-Shopify-Shop-Domain': 'x.myshopify.com', 'X-Shopify-API-Version': '2026-07' }),
  accepts: async ({ body, secret, url, headers }) => {
    require('@shopify/shopify-api/adapters/node');
    const { shopifyApi } = require('@shopify/shopify-api');
    const s = shopifyApi({ apiKey: 'k', apiSecretKey: secret, scopes: ['read_orders'], hostName: 'x.example', apiVersion: '2026-07', isEmbeddedApp: false, logger: { level: 0 } });
    const res = {};
    return (await s.webhooks.validate({ rawBody: body, rawRequest: { method: 'POST', url: '/x', headers: lower(headers) }, rawResponse: res })).valid;
  },
});
await make('linear', {
  lib: '@linear/sdk', body: { action: 'create', type: 'Issue', webhookTimestamp: AT * 1000, webhookId: '000042e3', data: { id: 'a' } }, id: '234d1a4e-b617-4388-90fe-adc3633d6b72', kind: 'Issue/create',
  headers: ({ body, secret }) => ({ 'Linear-Signature': hmac(secret, body), 'Linear-Delivery': '234d1a4e-b617-4388-90fe-adc3633d6b72', 'Linear-Event': 'Issue' }),
  accepts: async ({ body, secret, headers }) => new (require('@linear/sdk/webhooks').LinearWebhookClient)(secret).verify(Buffer.from(body), headers['Linear-Signature'], AT * 1000),
});
await make('mux', {
  lib: '@mux/mux-node', body: { id: '3a56ac3d-33da-4366-855b-f592d898409d', type: 'video.asset.ready', data: {} }, id: '3a56ac3d-33da-4366-855b-f592d898409d', kind: 'video.asset.ready',
  headers: ({ body, secret }) => ({ 'Mux-Signature': `t=${AT},v1=${hmac(secret, `${AT}.${body}`)}` }),
  accepts: async ({ body, secret, headers }) => { const M = require('@mux/mux-node'); await new (M.default ?? M)({ tokenId: 'a', tokenSecret: 'b', webhookSecret: secret }).webhooks.verifySignature(body, lower(headers), secret); return true; },
});
await make('gocardless', {
  lib: 'gocardless-nodejs', body: { events: [{ id: 'EV123', action: 'confirmed', resource_type: 'payments' }], meta: { webhook_id: 'WB0' } }, id: 'WB0', kind: 'payments/confirmed',
  headers: ({ body, secret }) => ({ 'Webhook-Signature': hmac(secret, body) }),
  accepts: ({ body, secret, headers }) => { require('gocardless-nodejs/webhooks').parse(body, secret, headers['Webhook-Signature']); return true; },
});
await make('elevenlabs', {
  lib: '@elevenlabs/elevenlabs-js', secret: 'wsec_0123456789', body: { type: 'post_call_transcription', event_timestamp: AT, data: { agent_id: 'a' } }, kind: 'post_call_transcription',
  headers: ({ body, secret }) => ({ 'ElevenLabs-Signature': `t=${AT},v0=${hmac(secret, `${AT}.${body}`)}` }),
  accepts: async ({ body, secret, headers }) => !!(await new (require('@elevenlabs/elevenlabs-js').ElevenLabsClient)({ apiKey: 'x' }).webhooks.constructEvent(body, headers['ElevenLabs-Signature'], secret)),
});
{
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' };
  const claims = { aud: base + 'pubsub', azp: '1', email: 'push@project.iam.gserviceaccount.com', email_verified: true, exp: AT + 3600, iat: AT, iss: 'https://accounts.google.com', sub: '113774264463038321964' };
  const t = b64url(JSON.stringify({ alg: 'RS256', kid: 'k1', typ: 'JWT' })) + '.' + b64url(JSON.stringify(claims));
  const token = t + '.' + crypto.sign('sha256', Buffer.from(t), privateKey).toString('base64url');
  await make('pubsub', {
    lib: 'google-auth-library', unsignedBody: true, secret: '', audience: claims.aud, subject: claims.email,
    documents: { 'https://www.googleapis.com/oauth2/v3/certs': JSON.stringify({ keys: [jwk] }) },
    body: { message: { attributes: { eventType: 'OBJECT_FINALIZE' }, data: 'SGVsbG8=', messageId: '136969346945' }, subscription: 'projects/p/subscriptions/s' }, id: '136969346945', kind: 'OBJECT_FINALIZE',
    headers: () => ({ Authorization: 'Bearer ' + token }),
    accepts: async () => !!(await new (require('google-auth-library').OAuth2Client)().verifySignedJwtWithCertsAsync(token, { k1: publicKey.export({ type: 'spki', format: 'pem' }) }, claims.aud, ['https://accounts.google.com'])),
  });
}
await make('zoom', {
  lib: '@zoom/rivet', body: { event: 'meeting.started', event_ts: AT * 1000, payload: { object: { id: '0a' } } }, kind: 'meeting.started',
  headers: ({ body, secret }) => ({ 'x-zm-request-timestamp': String(AT), 'x-zm-signature': 'v0=' + hmac(secret, `v0:${AT}:${body}`) }),
  accepts: async ({ body, secret, headers }) => zoomRivet(body, secret, headers),
});

// zoomRivet has the receiver of Zoom's own library verify a delivery.
async function zoomRivet(body, secret, headers) {
  const { AwsLambdaReceiver } = await import('@zoom/rivet/meetings');
  const receiver = new AwsLambdaReceiver({ webhooksSecretToken: secret });
  let handled = false;
  receiver.init({ eventEmitter: { emit: async () => { handled = true; } } });
  const debug = console.debug;
  console.debug = () => {};
  const res = await receiver.start()({ body, headers: { ...headers, 'content-type': 'application/json' }, isBase64Encoded: false }, {});
  console.debug = debug;
  return res.statusCode < 300 && handled;
}

// Amazon SNS: its library gets the certificate, which is this one.
{
  const dir = fs.mkdtempSync('/tmp/sns-');
  const { execFileSync } = await import('node:child_process');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', dir + '/k.pem', '-out', dir + '/c.pem', '-subj', '/CN=sns.amazonaws.com', '-days', '3650'], { stdio: 'ignore' });
  const key = fs.readFileSync(dir + '/k.pem'), cert = fs.readFileSync(dir + '/c.pem', 'utf8');
  fs.rmSync(dir, { recursive: true });
  const m = { Type: 'Notification', MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324', TopicArn: 'arn:aws:sns:us-west-2:123456789012:MyTopic', Subject: 'My First Message', Message: 'Hello world 0a!', Timestamp: iso.replace('Z', '.000Z'), SignatureVersion: '1', SigningCertURL: 'https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem' };
  m.Signature = crypto.sign('sha1', Buffer.from(['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'].map((n) => `${n}\n${m[n]}\n`).join('')), key).toString('base64');
  const get = https.get;
  https.get = (_u, cb) => { const res = new EventEmitter(); res.statusCode = 200; cb(res); process.nextTick(() => { res.emit('data', cert); res.emit('end'); }); return new EventEmitter(); };
  await make('sns', {
    lib: 'sns-validator', secret: m.TopicArn, type: 'text/plain; charset=UTF-8', documents: { [m.SigningCertURL]: cert }, body: m, id: m.MessageId, kind: 'Notification',
    headers: () => ({ 'x-amz-sns-message-type': 'Notification', 'x-amz-sns-message-id': m.MessageId, 'x-amz-sns-topic-arn': m.TopicArn }),
    accepts: ({ body }) => new Promise((yes, no) => new (require('sns-validator'))().validate(body, (e) => (e ? no(e) : yes(true)))),
  });
  https.get = get;
}

// Without a library: as the documentation says.

const plain = (provider, o) => make(provider, { ...o, headers: (x) => ({ ...o.more, ...o.sign(x) }) });
const hex = (name, prefix = '', hash = 'sha256') => ({ body, secret }) => ({ [name]: prefix + hmac(secret, body, 'hex', hash) });
const b64 = (name, prefix = '') => ({ body, secret }) => ({ [name]: prefix + hmac(secret, body, 'base64') });
const bearer = ({ secret }) => ({ Authorization: 'Bearer ' + secret });
const basic = ({ secret }) => ({ Authorization: 'Basic ' + Buffer.from(secret).toString('base64') });

await plain('airtable', { secret: Buffer.from('airtable-mac-secret-0').toString('base64'), body: { base: { id: 'app0' }, webhook: { id: 'ach0' }, timestamp: iso }, kind: 'airtable', sign: ({ body, secret }) => ({ 'X-Airtable-Content-MAC': 'hmac-sha256=' + hmac(Buffer.from(secret, 'base64'), body) }) });
await plain('alertmanager', { body: { version: '4', status: 'firing', alerts: [{ fingerprint: 'a0' }] }, kind: 'firing', sign: bearer });
await plain('asana', { body: { events: [{ action: 'added', resource: { gid: '0', resource_type: 'task' } }] }, kind: 'added/task', sign: hex('X-Hook-Signature') });
await plain('bitbucket', { body: { repository: { name: 'a0' } }, id: '{0a}', kind: 'repo:push', more: { 'X-Event-Key': 'repo:push', 'X-Request-UUID': '{0a}' }, sign: hex('X-Hub-Signature', 'sha256=') });
await plain('box', { body: { type: 'webhook_event', id: 'eb0c4e06', trigger: 'FILE.UPLOADED' }, id: 'eb0c4e06', kind: 'FILE.UPLOADED', more: { 'Box-Delivery-Timestamp': iso.replace('Z', '+00:00') }, sign: ({ body, secret }) => ({ 'Box-Signature-Primary': hmac('the other key', body + iso.replace('Z', '+00:00'), 'base64'), 'Box-Signature-Secondary': hmac(secret, body + iso.replace('Z', '+00:00'), 'base64') }) });
await plain('buildkite', { body: { event: 'build.finished', build: { id: '0a' } }, id: 'req-0', kind: 'build.finished', more: { 'X-Buildkite-Event': 'build.finished', 'X-Buildkite-Request': 'req-0' }, sign: ({ body, secret }) => ({ 'X-Buildkite-Signature': `timestamp=${AT},signature=${hmac(secret, `${AT}.${body}`)}` }) });
await plain('calcom', { body: { triggerEvent: 'BOOKING_CREATED', createdAt: iso, payload: { uid: 'a' } }, kind: 'BOOKING_CREATED', sign: hex('X-Cal-Signature-256') });
await plain('calendly', { body: { event: 'invitee.created', created_at: iso, payload: { uri: 'a' } }, kind: 'invitee.created', sign: ({ body, secret }) => ({ 'Calendly-Webhook-Signature': `t=${AT},v1=${hmac(secret, `${AT}.${body}`)}` }) });
await plain('chargebee', { secret: 'user:pass:word', body: { id: 'ev_0', event_type: 'subscription_created' }, id: 'ev_0', kind: 'subscription_created', sign: basic });
await plain('circleci', { body: { id: '3888f21b-eaa7-38e3-8f3d-75a63bba8895', type: 'workflow-completed' }, id: '3888f21b-eaa7-38e3-8f3d-75a63bba8895', kind: 'workflow-completed', sign: hex('circleci-signature', 'v1=') });
await plain('cloudevents', { type: 'application/cloudevents+json', body: { specversion: '1.0', id: 'ce-0', type: 'com.example.created', source: '/a' }, id: 'ce-0', kind: 'com.example.created', sign: bearer });
await plain('customerio', { body: { event_id: '01E4C4CT6YDC7Y5M7FE1GWWPQJ', object_type: 'email', metric: 'sent' }, id: '01E4C4CT6YDC7Y5M7FE1GWWPQJ', kind: 'email/sent', sign: ({ body, secret }) => ({ 'X-CIO-Timestamp': String(AT), 'X-CIO-Signature': hmac(secret, `v0:${AT}:${body}`) }) });
await plain('datadog', { body: { id: '0a', event_type: 'metric_alert_monitor', title: 'a' }, id: '0a', kind: 'metric_alert_monitor', sign: bearer });
await plain('docusign', { body: { event: 'envelope-completed', retryCount: 0, data: { envelopeId: 'a' } }, kind: 'envelope-completed', sign: ({ body, secret }) => ({ 'X-DocuSign-Signature-1': hmac('an older key', body, 'base64'), 'X-DocuSign-Signature-2': hmac(secret, body, 'base64') }) });
await plain('dropbox', { body: { list_folder: { accounts: ['dbid:0a'] } }, kind: 'dropbox', sign: hex('X-Dropbox-Signature') });
await plain('eventgrid', { body: [{ id: 'eg-0', eventType: 'Microsoft.Storage.BlobCreated', data: {} }], id: 'eg-0', kind: 'Microsoft.Storage.BlobCreated', sign: bearer });
await plain('figma', { body: { event_type: 'FILE_UPDATE', passcode: 'figma-secret-0123456789abcdef', timestamp: iso, webhook_id: '22' }, kind: 'FILE_UPDATE', sign: () => ({}) });
await plain('gitea', { body: { action: 'opened', number: 0 }, id: 'f6266f16-1bf3-46a5-9ea4-602e06ead473', kind: 'issues/opened', more: { 'X-Gitea-Event': 'issues', 'X-Gitea-Delivery': 'f6266f16-1bf3-46a5-9ea4-602e06ead473' }, sign: hex('X-Gitea-Signature') });
await plain('gitlab', { body: { object_kind: 'push', project_id: 0 }, id: 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f', kind: 'Push Hook', more: { 'X-Gitlab-Event': 'Push Hook', 'Idempotency-Key': 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f' }, sign: ({ secret }) => ({ 'X-Gitlab-Token': secret }) });
await plain('grafana', { body: { receiver: 'a', status: 'resolved', alerts: [] , orgId: 0 }, kind: 'resolved', sign: hex('X-Grafana-Alerting-Signature') });
await plain('heroku', { body: { id: '4d9c9b', resource: 'release', action: 'create' , a: 0 }, id: '4d9c9b', kind: 'release/create', sign: b64('Heroku-Webhook-Hmac-SHA256') });
await plain('intercom', { body: { type: 'notification_event', id: 'notif_0a', topic: 'conversation.user.created' }, id: 'notif_0a', kind: 'conversation.user.created', sign: hex('X-Hub-Signature', 'sha1=', 'sha1') });
await plain('jira', { body: { webhookEvent: 'jira:issue_updated', issue: { id: '0a' } }, id: '1699952f', kind: 'jira:issue_updated', more: { 'X-Atlassian-Webhook-Identifier': '1699952f' }, sign: hex('X-Hub-Signature', 'sha256=') });
await plain('launchdarkly', { body: { _id: '5678b0a', kind: 'flag' }, id: '5678b0a', kind: 'flag', sign: hex('X-LD-Signature') });
await plain('lemonsqueezy', { body: { meta: { event_name: 'order_created' }, data: { id: '0a' } }, kind: 'order_created', more: { 'X-Event-Name': 'order_created' }, sign: hex('X-Signature') });
await plain('mailgun', { body: (() => { const token = '0a6f1c9a1b'; return { signature: { timestamp: String(AT), token, signature: hmac('mailgun-secret-0123456789abcdef', AT + token) }, 'event-data': { event: 'delivered', id: 'G9Bn5sl1TC6nu79C8C0bwg' } }; })(), id: 'G9Bn5sl1TC6nu79C8C0bwg', kind: 'delivered', sign: () => ({}) });
await plain('meta', { body: { object: 'page', entry: [{ id: '0a', changes: [{ field: 'feed' }] }] }, kind: 'page/feed', sign: hex('X-Hub-Signature-256', 'sha256=') });
await plain('whatsapp', { body: { object: 'whatsapp_business_account', entry: [{ id: '0a', changes: [{ field: 'messages' }] }] }, kind: 'whatsapp_business_account/messages', sign: hex('X-Hub-Signature-256', 'sha256=') });
await plain('msgraph', { body: { value: [{ changeType: 'created', clientState: 'msgraph-secret-0123456789abcdef', resource: 'a0' }, { changeType: 'created', clientState: 'msgraph-secret-0123456789abcdef' }] }, kind: 'created', sign: () => ({}) });
await plain('pagerduty', { body: { event: { id: '01C0A', event_type: 'incident.triggered' } }, id: '01C0A', kind: 'incident.triggered', sign: ({ body, secret }) => ({ 'X-PagerDuty-Signature': `v1=${hmac('older', body)},v1=${hmac(secret, body)}` }) });
await plain('paystack', { body: { event: 'charge.success', data: { id: 302961 , a: 0 } }, kind: 'charge.success', sign: hex('x-paystack-signature', '', 'sha512') });
await plain('postmark', { secret: 'user:password', body: { RecordType: 'Bounce', ID: 0, a: 1 }, kind: 'Bounce', sign: basic });
await plain('sentry', { body: { action: 'created', data: { issue: { id: '0a' } } }, id: 'a5d8-0', kind: 'issue/created', more: { 'Request-ID': 'a5d8-0', 'Sentry-Hook-Resource': 'issue', 'Sentry-Hook-Timestamp': String(AT) }, sign: hex('Sentry-Hook-Signature') });
await plain('telegram', { body: { update_id: 10000, message: { text: 'a' } }, id: '10000', kind: 'telegram', sign: ({ secret }) => ({ 'X-Telegram-Bot-Api-Secret-Token': secret }) });
await plain('terraform', { body: { payload_version: 1, notifications: [{ trigger: 'run:completed' }], a: 0 }, kind: 'run:completed', sign: hex('X-TFE-Notification-Signature', '', 'sha512') });
await plain('trello', { url: true, body: { action: { id: '51f9424bcd6e040f3c002412', type: 'updateCard' } }, id: '51f9424bcd6e040f3c002412', kind: 'updateCard', sign: ({ body, secret, url }) => ({ 'X-Trello-Webhook': hmac(secret, body + url, 'base64', 'sha1') }) });
await plain('twitch', { body: { subscription: { type: 'channel.follow' }, event: { user_id: '0a' } }, id: 'e76c6bd4-55c9-4987-8304-da1588d8988b', kind: 'channel.follow/notification', more: { 'Twitch-Eventsub-Message-Id': 'e76c6bd4-55c9-4987-8304-da1588d8988b', 'Twitch-Eventsub-Message-Timestamp': iso.replace('Z', '.634234626Z'), 'Twitch-Eventsub-Message-Type': 'notification' }, sign: ({ body, secret }) => ({ 'Twitch-Eventsub-Message-Signature': 'sha256=' + hmac(secret, 'e76c6bd4-55c9-4987-8304-da1588d8988b' + iso.replace('Z', '.634234626Z') + body) }) });
await plain('typeform', { body: { event_id: 'LtWXD3crgy', event_type: 'form_response', a: 0 }, id: 'LtWXD3crgy', kind: 'form_response', sign: b64('Typeform-Signature', 'sha256=') });
await plain('vercel', { body: { id: 'uev_0a', type: 'deployment.created' }, id: 'uev_0a', kind: 'deployment.created', sign: hex('x-vercel-signature', '', 'sha1') });
await plain('woocommerce', { body: { id: 0, status: 'a' }, id: 'd-0a', kind: 'order.created', more: { 'X-WC-Webhook-Topic': 'order.created', 'X-WC-Webhook-Delivery-ID': 'd-0a' }, sign: b64('X-WC-Webhook-Signature') });
await plain('xero', { body: { events: [{ eventType: 'UPDATE', eventCategory: 'CONTACT', resourceId: '0a' }] }, kind: 'UPDATE/CONTACT', sign: b64('x-xero-signature') });
await plain('zendesk', { body: { id: 'cbe4028c', type: 'zen:event-type:ticket.created', a: 0 }, id: '01GMCB', kind: 'zen:event-type:ticket.created', more: { 'X-Zendesk-Webhook-Invocation-Id': '01GMCB', 'X-Zendesk-Webhook-Signature-Timestamp': iso }, sign: ({ body, secret }) => ({ 'X-Zendesk-Webhook-Signature': hmac(secret, iso + body, 'base64') }) });

console.log(made.sort().join('\n'));
if (failed.length) {
  console.error(failed.join('\n'));
  process.exitCode = 1;
}
