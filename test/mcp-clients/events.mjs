// The 2.x client and the events extension: the list, polls whose cursor outlives the
// server, a stream.
//
//   node events.mjs <url> --trigger <url> --token <bearer> [--cursor <cursor> --expect <ids>]
//
// Without --cursor it begins from now and prints where it ended; with it, it expects
// exactly those ids behind it, and goes on with a stream.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { fail, headers, option, postEvent, url, within } from './options.mjs';

const any = z.looseObject({});
const selection = { name: 'message.created', arguments: { channel: 'C1' } };
const notes = [];
const client = new Client({ name: 'events-smoke', version: '1' }, { capabilities: {}, versionNegotiation: { mode: 'auto' } });
client.fallbackNotificationHandler = async (n) => void notes.push(n);
client.onerror = (e) => console.error('client error:', String(e.message).slice(0, 200));
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
if (client.getNegotiatedProtocolVersion() !== '2026-07-28') fail('protocol', client.getNegotiatedProtocolVersion());
if (!client.getServerCapabilities().extensions?.['io.modelcontextprotocol/events']) fail('the extension is not declared');

const { events } = await client.request({ method: 'events/list', params: {} }, any);
const type = events.find((e) => e.name === selection.name);
if (!type?.inputSchema || !type.payloadSchema || type.delivery.join() !== 'webhook,push,poll') fail('the type is', JSON.stringify(type));

const poll = (cursor) => client.request({ method: 'events/poll', params: { ...selection, cursor } }, any);
const from = option('cursor', null);
let { cursor, events: first, truncated } = await poll(from);
const ids = first.map((e) => e.eventId);
if (truncated || ids.join() !== option('expect', '')) fail('polled', ids, truncated);

const posted = [await postEvent(), await postEvent(), await postEvent()];
if (!from) {
  const more = await poll(cursor);
  if (more.events.map((e) => e.eventId).join() !== posted.join() || more.hasMore) fail('polled', JSON.stringify(more));
  console.log('CURSOR', more.cursor);
  process.exit(0);
}

const gone = new AbortController();
const stream = client
  .request({ method: 'events/stream', params: { ...selection, cursor } }, any, { timeout: 60_000, signal: gone.signal })
  .catch((e) => e);
const seen = () => notes.filter((n) => n.method === 'notifications/events/event').map((n) => n.params.eventId);
await within('the events that were waiting', () => seen().length >= 3);
posted.push(await postEvent(), await postEvent());
await within('the new events', () => seen().length >= 5);
if (notes[0].method !== 'notifications/events/active' || notes[0].params.truncated) fail('first came', JSON.stringify(notes[0]));
if (seen().join() !== posted.join()) fail('streamed', seen(), 'of', posted);
gone.abort();
await stream;
await client.close();
console.log('OK');
process.exit(0);
