// Package events is the extension io.modelcontextprotocol/events (SEP-3415): types of
// events that an assistant can ask for, and the ways in which they reach it: it polls,
// it holds a stream open, or it has them posted to an address of its own.
//
// An event type is a question to the log of received events: which of them, and what of
// each. All ways read the log by the same [Reader], so they agree on what happened and in
// which order. A cursor is a position in the log; it outlives the server, and what can
// no longer be told is said to be truncated.
//
// The payload of an event is small, follows its published schema, and holds what others
// wrote as untrusted content with its provenance. The whole event is a resource, whose
// address it names.
package events
