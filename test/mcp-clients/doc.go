// Package mcpclients runs the official MCP clients of npm against a server, for tests:
// sdk.mjs is @modelcontextprotocol/sdk 1.x, client.mjs @modelcontextprotocol/client
// 2.x. options.mjs says what they take.
package mcpclients
