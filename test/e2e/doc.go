// Package e2e tries the shipped binary from outside: it starts the real process,
// posts to it as Slack does, connects real clients, kills it, and looks at what is
// left. It has no code of its own; see its tests.
package e2e
