// Uses a sandbox through the official client: node drive.mjs <url> <schemas.json>
// With --types it prints the response types that it will want schemas of, and ends.
// It prints one JSON line for each call and one for each check that is no call.
import { readFileSync } from 'node:fs';
import { LogLevel, WebClient } from '@slack/web-api';
import Ajv from 'ajv';

const capital = (s) => s[0].toUpperCase() + s.slice(1);
const typeOf = (method) => `${method.split('.').map(capital).join('')}Response`;

const general = 'C0GENERAL01';
const alice = 'U0ALICE0001';
const bob = 'U0BOB000001';
const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: '*bold*' } }];

// Each step is a method, its arguments (which may need what earlier steps answered),
// and where it matters the user's client. What a step answers is kept under its name.
const steps = [
  ['api.test', () => ({ foo: 'bar' })],
  ['auth.test', () => ({})],
  ['bots.info', () => ({})],
  ['team.info', () => ({})],
  ['emoji.list', () => ({})],
  ['chat.postMessage', () => ({ channel: general, text: 'hello <@U0BOB000001>', blocks })],
  ['chat.postMessage', (r) => ({ channel: general, text: 'a reply', thread_ts: r['chat.postMessage'].ts, reply_broadcast: true }), 'reply'],
  ['chat.update', (r) => ({ channel: general, ts: r['chat.postMessage'].ts, text: 'changed', blocks })],
  ['chat.getPermalink', (r) => ({ channel: general, message_ts: r['chat.postMessage'].ts })],
  ['chat.postEphemeral', () => ({ channel: general, user: bob, text: 'psst' })],
  ['chat.meMessage', () => ({ channel: general, text: 'waves' })],
  ['chat.scheduleMessage', () => ({ channel: general, text: 'later', post_at: Math.floor(Date.now() / 1000) + 3600 })],
  ['chat.scheduledMessages.list', () => ({ channel: general })],
  ['chat.deleteScheduledMessage', (r) => ({ channel: general, scheduled_message_id: r['chat.scheduleMessage'].scheduled_message_id })],
  ['reactions.add', (r) => ({ channel: general, timestamp: r['chat.postMessage'].ts, name: 'tada' })],
  ['reactions.get', (r) => ({ channel: general, timestamp: r['chat.postMessage'].ts, full: true })],
  ['pins.add', (r) => ({ channel: general, timestamp: r['chat.postMessage'].ts })],
  ['pins.list', () => ({ channel: general })],
  ['conversations.history', () => ({ channel: general, limit: 50 })],
  ['conversations.replies', (r) => ({ channel: general, ts: r['chat.postMessage'].ts })],
  ['pins.remove', (r) => ({ channel: general, timestamp: r['chat.postMessage'].ts })],
  ['reactions.remove', (r) => ({ channel: general, timestamp: r['chat.postMessage'].ts, name: 'tada' })],
  ['chat.delete', (r) => ({ channel: general, ts: r.reply.ts })],
  ['conversations.info', () => ({ channel: general, include_num_members: true })],
  ['conversations.info', () => ({ channel: 'D0ALICEBOT1' }), 'im'],
  ['conversations.list', () => ({ types: 'public_channel,private_channel,im,mpim', limit: 100 })],
  ['conversations.members', () => ({ channel: general, limit: 3 })],
  ['conversations.create', () => ({ name: 'from-node' })],
  ['conversations.invite', (r) => ({ channel: r['conversations.create'].channel.id, users: `${alice},${bob}` })],
  ['conversations.kick', (r) => ({ channel: r['conversations.create'].channel.id, user: bob })],
  ['conversations.setTopic', (r) => ({ channel: r['conversations.create'].channel.id, topic: 'topic' })],
  ['conversations.setPurpose', (r) => ({ channel: r['conversations.create'].channel.id, purpose: 'purpose' })],
  ['conversations.rename', (r) => ({ channel: r['conversations.create'].channel.id, name: 'from-node-js' })],
  ['conversations.mark', (r) => ({ channel: general, ts: r['chat.postMessage'].ts })],
  ['conversations.canvases.create', (r) => ({ channel_id: r['conversations.create'].channel.id, document_content: { type: 'markdown', markdown: '# Hi' } })],
  ['conversations.archive', (r) => ({ channel: r['conversations.create'].channel.id })],
  ['conversations.unarchive', (r) => ({ channel: r['conversations.create'].channel.id })],
  ['conversations.open', () => ({ users: alice, return_im: true })],
  ['conversations.close', (r) => ({ channel: r['conversations.open'].channel.id })],
  ['conversations.join', () => ({ channel: 'C0DESIGN001' })],
  ['conversations.leave', () => ({ channel: 'C0DESIGN001' })],
  ['users.info', () => ({ user: alice, include_locale: true })],
  ['users.list', () => ({ limit: 100 })],
  ['users.lookupByEmail', () => ({ email: 'bob@lantern-works.example' })],
  ['users.profile.get', () => ({ user: 'U0FARID0001' })],
  ['users.getPresence', () => ({ user: alice })],
  ['users.conversations', () => ({ types: 'public_channel,private_channel' })],
  ['usergroups.list', () => ({ include_users: true, include_count: true, include_disabled: true })],
  ['usergroups.users.list', () => ({ usergroup: 'S0ONCALL001' })],
  ['bookmarks.add', () => ({ channel_id: general, title: 'Docs', type: 'link', link: 'https://docs.example/' })],
  ['bookmarks.edit', (r) => ({ channel_id: general, bookmark_id: r['bookmarks.add'].bookmark.id, title: 'Manual' })],
  ['bookmarks.list', () => ({ channel_id: general })],
  ['bookmarks.remove', (r) => ({ channel_id: general, bookmark_id: r['bookmarks.add'].bookmark.id })],
  ['files.getUploadURLExternal', () => ({ filename: 'node.txt', length: 5 })],
  ['files.list', () => ({})],
  ['canvases.create', () => ({ title: 'Plan', document_content: { type: 'markdown', markdown: '# A\n\nb' } })],
  ['canvases.sections.lookup', (r) => ({ canvas_id: r['canvases.create'].canvas_id, criteria: { section_types: ['any_header'] } })],
  ['canvases.edit', (r) => ({ canvas_id: r['canvases.create'].canvas_id, changes: [{ operation: 'insert_at_end', document_content: { type: 'markdown', markdown: 'c' } }] })],
  ['files.info', (r) => ({ file: r['canvases.create'].canvas_id })],
  ['canvases.delete', (r) => ({ canvas_id: r['canvases.create'].canvas_id })],
  ['search.messages', () => ({ query: 'release' }), 'search.messages', 'user'],
  ['assistant.search.context', () => ({ query: 'checkout', include_context_messages: true }), 'assistant.search.context', 'user'],
];

if (process.argv[2] === '--types') {
  console.log([...new Set([...steps.map(([method]) => typeOf(method)), 'FilesCompleteUploadExternalResponse'])].join(' '));
  process.exit(0);
}

const [url, schemaFile] = process.argv.slice(2);
const schemas = JSON.parse(readFileSync(schemaFile, 'utf8'));
const ajv = new Ajv({ strict: false, allErrors: true });
const quiet = { slackApiUrl: `${url}/api/`, logLevel: LogLevel.ERROR, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true };
const clients = { bot: new WebClient('xoxb-sandbox-node', quiet), user: new WebClient('xoxp-sandbox-node', quiet) };
const say = (line) => console.log(JSON.stringify(line));

function judge(method, answer) {
  const schema = schemas[typeOf(method)];
  if (!schema) return { method, schema: false };
  const validate = ajv.compile(schema);
  const errors = validate(withoutNulls(answer)) ? [] : validate.errors.filter((e) => !richText.test(e.instancePath));
  return { method, schema: true, errors: errors.slice(0, 5).map((e) => `${e.instancePath} ${e.message}`) };
}

// Slack answers null where its types say that a field may be absent.
function withoutNulls(v) {
  if (Array.isArray(v)) return v.map(withoutNulls);
  if (v === null || typeof v !== 'object') return v;
  return Object.fromEntries(Object.entries(v).filter(([, x]) => x !== null).map(([k, x]) => [k, withoutNulls(x)]));
}

// The types know the elements of a section of rich text only within a list; Slack has
// them in a section of its own, as every message that somebody types shows.
const richText = /\/blocks\/\d+\/elements\/\d+\/elements\/\d+\/type$/;

const answers = {};
for (const [method, args, name, who] of steps) {
  try {
    const call = method.split('.').reduce((at, part) => (typeof at?.[part] === 'function' ? at[part].bind(at) : at?.[part]), clients[who ?? 'bot']);
    const given = args(answers);
    const answer = call ? await call(given) : await clients[who ?? 'bot'].apiCall(method, given);
    answers[name ?? method] = answer;
    say(judge(method, answer));
  } catch (e) {
    say({ method, failed: `${e.message}` });
  }
}

async function check(name, run) {
  try {
    say({ check: name, passed: (await run()) === true });
  } catch (e) {
    say({ check: name, passed: false, failed: `${e.message}` });
  }
}

await check('files.uploadV2 brings a file and shares it', async () => {
  const done = await clients.bot.files.uploadV2({ channel_id: general, filename: 'v2.txt', file: Buffer.from('hello'), initial_comment: 'by node' });
  say(judge('files.completeUploadExternal', done.files[0]));
  const history = await clients.bot.conversations.history({ channel: general, limit: 1 });
  const [message] = history.messages;
  const contents = await fetch(message.files[0].url_private, { headers: { Authorization: 'Bearer xoxb-sandbox-node' } });
  return message.text === 'by node' && message.files[0].name === 'v2.txt' && (await contents.text()) === 'hello';
});
await check('paginate walks all channels', async () => {
  let n = 0;
  for await (const page of clients.bot.paginate('conversations.list', { limit: 2, types: 'public_channel' })) n += page.channels.length;
  return n === 9; // eight and the one that was made above
});
await check('a refusal is a platform error', async () => {
  try {
    await clients.bot.conversations.history({ channel: 'C0NOWHERE' });
  } catch (e) {
    return e.code === 'slack_webapi_platform_error' && e.data.error === 'channel_not_found';
  }
});
await check('429 is a rate-limited error with its time', async () => {
  await fetch(`${url}/sandbox/faults`, { method: 'POST', body: '{"method":"auth.test","retry_after":7}' });
  try {
    await clients.bot.auth.test();
  } catch (e) {
    return e.code === 'slack_webapi_rate_limited_error' && e.retryAfter === 7;
  }
});
await check('the scopes of the token are in the answer', async () => {
  const answer = await clients.bot.auth.test();
  return answer.response_metadata.scopes.includes('chat:write');
});
