// Package transport carries MCP between clients and an mcp-go server: over
// streamable HTTP, the older HTTP+SSE pair, the stateless 2026-07-28 revision and
// standard input and output, all from one [Transport].
//
// mcp-go parses messages and calls handlers; everything between its HandleMessage
// and the wire is here: sessions, streams, subscriptions, cancellation, requests to
// the client, status codes, and who may connect at all (docs/adr/0003-mcp-sessions.md
// says why).
//
// It promises:
//   - a session id is signed, bound to its principal, and worthless to another one;
//   - a notification that belongs to a call reaches that call's stream before the
//     result, however many calls run at once;
//   - an update of a subscribed resource is sent at once, further ones within the
//     coalescing window are joined, and the last one is always sent; a client that
//     was away is told of each resource that changed meanwhile, once;
//   - a call ends when its client goes away or cancels it, and nobody else can;
//   - every queue, count and wait has a bound from [Options];
//   - neither a panic nor an internal error is described to a client.
//
// It does not promise that each of several updates of one resource arrives on its
// own (they say "read again", and carry nothing to lose), nor that an answer
// outlives the connection that asked for it.
package transport
