// Package channel pushes chosen events into the conversation of the client that started
// this process over stdio: the "claude/channel" extension of Claude Code
// (code.claude.com/docs/en/channels-reference). A message by somebody on the allow-list
// becomes one notification, which the client shows to its model as the words of that
// person; the model answers by the ordinary tools.
//
// It promises that nobody who is not on the list is ever heard, whatever channel they
// write in: a channel without such a gate is a way to give a model orders. A message that
// arrives as several events (a mention is also a message) is pushed once. What a text
// hides from a reader is removed from it before. Nothing is pushed twice, and nothing
// that came before the client was ready: that is read with the tools.
//
// Where it is asked to, it also takes the client's permission prompts to Slack, as a
// question with two buttons, and the first answer of somebody on the list back.
package channel
