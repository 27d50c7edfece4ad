// mcp-remote signs a person in for a client that only starts programs: two of it begin at once with
// one store, open a browser (browser.mjs) once, and go on. Then four of it call at once with a token that
// is no good any more, and nobody is asked; after signing out the person is asked again, and gives writing too,
// which they did not before.
//
// One mcp-remote with four calls at once is not tried: it writes answers that come in one millisecond to
// one temporary file, and fails by itself or opens the browser again (0.15.1).
//
//   node remote.mjs <url>
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [url] = process.argv.slice(2);
const dir = mkdtempSync(path.join(tmpdir(), 'mcp-remote-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
function fail(...why) {
  console.error('FAIL', ...why, said);
  process.exit(1);
}
setTimeout(() => fail('nothing happened for too long'), 160_000).unref();

// The browser that xdg-open starts; it notes each time that it is opened.
const opened = path.join(dir, 'opened');
writeFileSync(opened, '');
const browser = path.join(dir, 'browser');
writeFileSync(browser, `#!/bin/sh\necho x >>'${opened}'\nexec '${process.execPath}' '${path.resolve('browser.mjs')}' "$1"\n`);
chmodSync(browser, 0o755);
const asked = () => readFileSync(opened, 'utf8').length / 2;

let said = '';
async function start(write = 'no') {
  const transport = new StdioClientTransport({
    command: process.execPath, args: ['node_modules/mcp-remote/dist/proxy.js', url, '--auth-timeout', '120'],
    env: { PATH: process.env.PATH, HOME: dir, BROWSER: browser, MCP_REMOTE_CONFIG_DIR: dir, WRITE: write }, stderr: 'pipe',
  });
  transport.stderr.on('data', (b) => { said += b; });
  const client = new Client({ name: 'remote', version: '1' });
  await client.connect(transport);
  return client;
}
const words = (result) => (result.isError ? result.content[0].text : '');
async function call(client) {
  const why = words(await client.callTool({ name: 'slack_list_channels', arguments: {} }));
  if (why) fail('a tool', why);
}
const say = (client) => client.callTool({ name: 'slack_post_message', arguments: { channel: '#general', text: 'hello from a client' } }).then(words);
const stored = (what) => {
  const folder = path.join(dir, 'mcp-remote-v1');
  return path.join(folder, readdirSync(folder).find((name) => name.endsWith(what)));
};
const tokens = () => JSON.parse(readFileSync(stored('_tokens.json')));

const all = await Promise.all([start(), start()]);
for (const client of all) await call(client);
if (asked() !== 1) fail('the browser was opened', asked(), 'times');
console.log('tools', (await all[0].listTools()).tools.length);

all.push(...await Promise.all([start(), start()]));
const before = tokens();
writeFileSync(stored('_tokens.json'), JSON.stringify({ ...before, access_token: 'swa.expired' }));
await Promise.all(all.map(call));
if (asked() !== 1 || tokens().refresh_token === before.refresh_token) fail('four calls at once', asked());
const refused = await say(all[0]);
if (!refused.startsWith('insufficient_scope: ')) fail('writing that was not given', refused);
await Promise.all(all.map((client) => client.close()));

const { client_id } = JSON.parse(readFileSync(stored('_client_info.json')));
const revoke = await fetch(new URL('/revoke', url), { method: 'POST', body: new URLSearchParams({ token: tokens().refresh_token, client_id }) });
if (!revoke.ok) fail('revoke', revoke.status);
const after = await start('yes');
await call(after);
const wrong = await say(after);
if (wrong) fail('writing', wrong);
if (asked() !== 2) fail('after signing out the browser was opened', asked() - 1, 'times more');
await after.close();
console.log('OK');
process.exit(0);
