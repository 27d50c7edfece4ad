// Package access says who a caller of the MCP side is and what it may do: a
// [Principal] with scopes, found by a bearer token, and carried in the context.
//
// [Tokens] knows named static tokens, [JWT] the access tokens of an OAuth
// authorization server; [Require] stands in front of the routes and asks either, or
// both by way of [Any].
//
// It promises that tokens are compared in constant time and never kept in clear
// after start, that a token in a query is refused, that nothing about a refused
// token is told or logged but that it was refused, and that a static token which
// [Tokens.Replace] takes away ends what it has opened. What a scope allows is decided
// where things are listed and called, by [Principal.Has].
package access
