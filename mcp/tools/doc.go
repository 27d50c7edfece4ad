// Package tools is every tool that an assistant may be given, one file a toolset, all
// of them listed by [Catalog].
//
// It promises that a tool's result is JSON of the shape that its output schema tells;
// that text from Slack stands only in results that say "untrusted": true at their top; that an
// error says what to do next, in our words, never in Slack's; and that every call ends
// by itself, within a bound of its own.
//
// Writing goes through package guard: what it refuses is never sent.
package tools
