// Package access says who a caller of the MCP side is and what it may do: a
// [Principal] with scopes, found by a bearer token, and carried in the context.
//
// It promises that tokens are compared in constant time and never kept in clear
// after start, and that a scope is checked both where things are listed and where
// they are called.
package access
