// Package mcp is the assistant's side: it composes the tools, the resources and the
// transport into one [Server], and tells subscribed clients of each event that is
// received.
//
// It promises that what a caller may not use is neither listed nor reachable, that a
// received event is announced once it can be read and not before, and that Run returns
// when everything it started has ended. It is given the events and the Slack client;
// it neither receives events nor opens connections on its own.
package mcp
