// The 1.x SDK asks a question and waits for the answer, which it prints as JSON.
//
//   node ask.mjs <url> --args <json of slack_ask> --token <bearer>
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { fail, headers, settings, url } from './options.mjs';

const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: 'asker', version: '1' }, { capabilities: {} });
await client.connect(transport);
const result = await client.callTool({ name: 'slack_ask', arguments: settings.args }, undefined, {
  timeout: 60_000,
  resetTimeoutOnProgress: true,
  onprogress: (p) => console.error('progress', JSON.stringify(p)),
});
if (result.isError) fail('slack_ask failed', JSON.stringify(result));
console.log(JSON.stringify(result.structuredContent));
await transport.terminateSession();
await client.close();
process.exit(0);
