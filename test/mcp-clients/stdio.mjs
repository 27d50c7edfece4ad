// What client-config prints for a client that only starts programs (on stdin) is started as it says,
// by the official client: it lists, calls and reads.
//
//   slack-webhook-server client-config --show-token mcp-remote | node stdio.mjs
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const { slack } = JSON.parse(readFileSync(0)).mcpServers;
const home = mkdtempSync(path.join(tmpdir(), 'stdio-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
let { command, args, env } = slack;
if (command === 'npx') {
  // As npx does, without asking a registry; the version is that of the lock file.
  const [, name] = args;
  const { version, bin } = JSON.parse(readFileSync('node_modules/mcp-remote/package.json'));
  if (name !== 'mcp-remote@' + version) throw new Error(`the table has ${name}, the lock file ${version}`);
  command = process.execPath;
  args = ['node_modules/mcp-remote/' + bin['mcp-remote'], ...args.slice(2)];
}
if (args.some((a) => a.includes(process.env.SECRET))) throw new Error('the token stands in an argument');
const transport = new StdioClientTransport({ command, args, env: { PATH: process.env.PATH, HOME: home, MCP_REMOTE_CONFIG_DIR: home, ...env }, stderr: 'pipe' });
let said = '';
transport.stderr.on('data', (b) => { said += b; });
setTimeout(() => { console.error('nothing happened for too long', said); process.exit(1); }, 60_000).unref();

const client = new Client({ name: 'stdio', version: '1' });
await client.connect(transport);
const { tools } = await client.listTools();
const called = await client.callTool({ name: 'slack_list_channels', arguments: {} });
if (called.isError || !JSON.stringify(called).includes('general')) throw new Error(JSON.stringify(called));
const read = await client.readResource({ uri: 'slack://events' });
if (!read.contents[0].text) throw new Error(JSON.stringify(read));
console.log(tools.length, 'tools');
await client.close();
