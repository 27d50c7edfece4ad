// Package enginetest holds the backends whose engine is another process to what package
// queue promises when that process, or a consumer, dies, stands still or is away. It is
// imported by tests only.
//
// The sender that it plays repeats an event until it is acknowledged, as Slack does.
package enginetest
