// Package toolset keeps three things apart: describing a tool ([Tool], made with
// [Define]), choosing which tools a server offers ([Choose]), and giving the chosen
// ones to an MCP server ([Registry]).
//
// It promises that what a tool publishes is what it obeys: the input schema and the
// reading of arguments come from the same struct, the output schema from the struct
// that is returned; that the order of tools never varies; and that a tool that a
// caller may not use is neither listed for it nor called by it.
//
// It knows nothing of Slack but the names of its scopes.
package toolset
