// Package egress posts to addresses that others chose: webhooks that a rule forwards,
// callbacks that a client subscribed. It lets none of them reach what stands behind the
// firewall.
//
// A [Client] connects to globally routable addresses only, unless a network or a host
// was allowed. The address is judged when the connection is made, after the name was
// resolved, so that a name which resolves differently the second time gains nothing, and
// whatever way an address is written in, decimal or mapped into IPv6, it is the same
// address. It follows no redirect, uses no proxy, sends no cookie, asks for no
// compression, and reads a bounded answer within a bounded time.
//
// Errors name the host and never the path or the query, which may hold a secret of the
// receiver.
package egress
