// The 1.x SDK against a server: calls, a subscription, updates, the end of both.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { expectUpdates, fail, headers, option, postEvent, settings, sleep, url } from './options.mjs';

const sse = url.endsWith('/sse') || option('transport') === 'sse';
const transport = sse
  ? new SSEClientTransport(new URL(url), {
      requestInit: { headers },
      eventSourceInit: { fetch: (u, init) => fetch(u, { ...init, headers: { ...init.headers, ...headers } }) },
    })
  : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });

const client = new Client({ name: 'sdk-smoke', version: '1' }, { capabilities: {} });
const updates = [];
client.setNotificationHandler(ResourceUpdatedNotificationSchema, (n) => updates.push(n.params.uri));
client.onerror = (e) => console.error('client error:', String(e.message).slice(0, 200));

await client.connect(transport);
console.log('server', JSON.stringify(client.getServerVersion()), JSON.stringify(client.getServerCapabilities()));
const { tools } = await client.listTools();
if (!tools.some((t) => t.name === settings.tool)) fail('no tool', settings.tool);
await client.listResources();
await client.listResourceTemplates();
const result = await client.callTool({ name: settings.tool, arguments: settings.args });
if (result.isError) fail('the tool failed', JSON.stringify(result));

if (settings.trigger) {
  await client.subscribeResource({ uri: settings.uri });
  await expectUpdates(updates, () => client.callTool({ name: settings.tool, arguments: settings.args }));
  const { contents } = await client.readResource({ uri: settings.uri });
  if (contents.length === 0) fail('the resource is empty');
  await client.unsubscribeResource({ uri: settings.uri });
  const before = updates.length;
  await postEvent();
  await sleep(300);
  if (updates.length !== before) fail('an update after unsubscribe');
}
if (!sse) await transport.terminateSession();
await client.close();
console.log('OK');
process.exit(0);
