// The command line that both clients share.
//
//   node sdk.mjs <url> [options]      @modelcontextprotocol/sdk 1.x; SSE when <url> ends in /sse, or with --transport sse
//   node client.mjs <url> [options]   @modelcontextprotocol/client 2.x; --mode 2026-07-28 | auto | legacy
//
//   --trigger <url>   where to post events; without it only the calls are tried
//   --sub <uri>       the resource to follow (slack://channels/C1/events)
//   --n <count>       events to post (3), --gap <ms> between them (100)
//   --noise <count>   callers of the tool meanwhile (0)
//   --tool <name> --args <json>   the tool to call (slack_list_events {"limit":1})
//   --token <bearer>
//
// Events are signed as Slack signs them when SLACK_SIGNING_SECRET is set.
import { createHmac } from 'node:crypto';

const args = process.argv.slice(2);

export const url = args[0];

export function option(name, fallback) {
  const i = args.indexOf('--' + name);
  return i < 0 ? fallback : args[i + 1];
}

export const settings = {
  trigger: option('trigger'),
  uri: option('sub', 'slack://channels/C1/events'),
  count: Number(option('n', '3')),
  gap: Number(option('gap', '100')),
  noise: Number(option('noise', '0')),
  tool: option('tool', 'slack_list_events'),
  args: JSON.parse(option('args', '{"limit":1}')),
  token: option('token'),
};

export const headers = settings.token ? { Authorization: 'Bearer ' + settings.token } : {};

export function fail(...why) {
  console.error('FAIL', ...why);
  process.exit(1);
}

// A client that hangs must not hang the test.
setTimeout(() => fail('nothing happened for too long'), 60_000).unref();

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let sent = 0;
const channel = settings.uri.match(/^slack:\/\/channels\/([^/]+)\//)?.[1] ?? 'C1';
const run = Date.now().toString(36) + process.pid.toString(36);

// within waits until a condition holds.
export async function within(what, condition) {
  for (let waited = 0; waited < 40_000; waited += 20) {
    if (condition()) return;
    await sleep(20);
  }
  fail('waited too long for', what);
}

// postEvent sends a message event in the channel that is followed and returns its id.
export async function postEvent() {
  const now = Math.floor(Date.now() / 1000);
  const n = ++sent;
  const id = `Ev${run}${n}`;
  const body = JSON.stringify({
    type: 'event_callback', team_id: 'T1', api_app_id: 'A1', event_id: id, event_time: now,
    event: { type: 'message', channel, channel_type: 'channel', user: 'U1', text: `hello ${n}`, ts: `${now}.${String(n).padStart(6, '0')}` },
  });
  const signed = { 'content-type': 'application/json' };
  if (process.env.SLACK_SIGNING_SECRET) {
    const mac = createHmac('sha256', process.env.SLACK_SIGNING_SECRET).update(`v0:${now}:${body}`).digest('hex');
    Object.assign(signed, { 'x-slack-request-timestamp': String(now), 'x-slack-signature': 'v0=' + mac });
  }
  const res = await fetch(settings.trigger, { method: 'POST', headers: signed, body });
  if (!res.ok) fail('the trigger answered', res.status);
  return id;
}

// expectUpdates posts the events under noise and waits for an update of each.
export async function expectUpdates(updates, call) {
  let over = false;
  const callers = Array.from({ length: settings.noise }, async () => {
    while (!over) await call();
  });
  for (let i = 0; i < settings.count; i++) {
    await postEvent();
    await sleep(settings.gap);
  }
  for (let waited = 0; updates.length < settings.count && waited < 5000; waited += 20) await sleep(20);
  over = true;
  await Promise.all(callers);
  console.log(`updates ${updates.length}/${settings.count}`);
  if (updates.length !== settings.count) fail(`${settings.count} events, ${updates.length} updates`);
  if (updates.some((u) => u !== settings.uri)) fail('an update of another resource');
}
