// The 2.x client against a server: calls, and updates by subscriptions/listen.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { expectUpdates, fail, headers, option, settings, url } from './options.mjs';

const mode = option('mode', '2026-07-28');
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client(
  { name: 'client-smoke', version: '1' },
  { capabilities: {}, versionNegotiation: { mode: /^\d/.test(mode) ? { pin: mode } : mode } },
);
const updates = [];
client.setNotificationHandler('notifications/resources/updated', (n) => updates.push(n.params.uri));
client.onerror = (e) => console.error('client error:', String(e.message).slice(0, 200));

await client.connect(transport);
console.log('protocol', client.getNegotiatedProtocolVersion());
const { tools } = await client.listTools();
if (!tools.some((t) => t.name === settings.tool)) fail('no tool', settings.tool);
const result = await client.callTool({ name: settings.tool, arguments: settings.args });
if (result.isError) fail('the tool failed', JSON.stringify(result));

if (settings.trigger) {
  const subscription = await client.listen({ resourceSubscriptions: [settings.uri] });
  if (!subscription.honoredFilter.resourceSubscriptions?.includes(settings.uri)) fail('the subscription was not granted');
  await expectUpdates(updates, () => client.callTool({ name: settings.tool, arguments: settings.args }));
  await subscription.close();
}
await client.close();
console.log('OK');
process.exit(0);
