// Package mcpclients runs the official MCP clients of npm against a server, for tests:
// sdk.mjs is @modelcontextprotocol/sdk 1.x, client.mjs @modelcontextprotocol/client
// 2.x, events.mjs the same with the events extension, and webhook.mjs the AI SDK's client
// and receiver of events. options.mjs says what they take.
package mcpclients
