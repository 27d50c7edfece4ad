// The AI SDK's client and its own receiver: subscribe with a verified callback, signed
// deliveries, refresh, unsubscribe.
//
//   node webhook.mjs <url> --trigger <url> --token <bearer> [--era legacy]
import http from 'node:http';
import { createMCPClient, experimental_createMCPEventWebhook } from '@ai-sdk/mcp';
import { fail, headers, option, postEvent, sleep, url, within } from './options.mjs';

const kept = new Map();
const store = {
  get: async (key) => kept.get(key),
  getById: async (id) => [...kept.values()].find((s) => s.id === id),
  set: async (s) => void kept.set(s.key, s),
  update: async (key, patch) => void kept.set(key, { ...kept.get(key), ...patch }),
  delete: async (key) => void kept.delete(key),
};
const got = [], trouble = [];
const hook = experimental_createMCPEventWebhook({
  store,
  onEvent: async ({ event }) => void got.push(event),
  onError: async (e) => void trouble.push(e),
});
let requests = 0;
const receiver = http.createServer(async (request, response) => {
  requests++;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answer = await hook(
    new Request(`http://${request.headers.host}${request.url}`, { method: 'POST', headers: request.headers, body: Buffer.concat(chunks) }),
  );
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
});
await new Promise((ready) => receiver.listen(0, '127.0.0.1', ready));

const client = await createMCPClient({ transport: { type: 'http', url, headers }, experimental_events: { store } });
const events = client.experimental_events;
const { events: types } = await events.list();
if (types.length !== 18) fail('types', types.map((t) => t.name));
const subscription = await events.subscribe({
  name: 'message.created', arguments: { channel: 'C1' }, ttlMs: 600_000,
  delivery: { mode: 'webhook', allowInsecureLocalhost: true, url: `http://127.0.0.1:${receiver.address().port}/hook` },
});
if (requests !== 1) fail('the challenge came', requests, 'times');
const posted = [await postEvent(), await postEvent(), await postEvent()];
await within('three deliveries', () => got.length >= 3);
if (got.map((e) => e.eventId).join() !== posted.join()) fail('delivered', JSON.stringify(got));
if (!got[0].data.untrusted || !got[0].data.uri.startsWith('slack://events/')) fail('payload', JSON.stringify(got[0]));

const [key] = kept.keys();
const before = kept.get(key).refreshBefore;
await events.refresh({ key });
if (!(Date.parse(kept.get(key).refreshBefore) >= Date.parse(before))) fail('refreshed until', kept.get(key).refreshBefore, 'was', before);
posted.push(await postEvent());
await within('a delivery after the refresh', () => got.length >= 4);
await events.unsubscribe({ key });
await postEvent();
await sleep(500);
if (got.map((e) => e.eventId).join() !== posted.join()) fail('after unsubscribe', JSON.stringify(got.map((e) => e.eventId)));
if (trouble.length > 0) fail('the receiver says', trouble);
await client.close();
console.log('OK', subscription?.id ?? '');
process.exit(0);
