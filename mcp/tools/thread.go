package tools

import (
	"cmp"
	"context"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
)

// thread reads a thread as a caller wrote it: the ts or the link of any of its messages. A link also
// tells the channel, where none was given. Slack's link to a reply names the thread; a bare ts may be a
// reply's, see [kit.threadIn].
func thread(argument, s string, channel *string) (ts string, linked bool, err error) {
	if s == "" || names.IsTS(s) {
		return s, false, nil
	}
	m, err := names.ParseLink(s)
	if err != nil || m.TS == "" {
		return "", false, &toolset.ArgumentError{Argument: argument, Problem: "write a thread as the ts (1700000000.123456) or the link of its first message"}
	}
	*channel = cmp.Or(*channel, m.Channel)
	return cmp.Or(m.ThreadTS, m.TS), true, nil
}

// threadIn returns the ts of the first message of a thread of a conversation. Slack takes a reply's ts
// for a thread's without an error, and then shows what is posted to the whole channel: so a bare ts that
// no result has shown yet is looked up. Where that fails the ts is as it was written.
func (k *kit) threadIn(ctx context.Context, argument, channel, s string) (string, error) {
	ts, linked, err := thread(argument, s, &channel)
	if err != nil || linked || ts == "" || k.Slack == nil {
		return ts, err
	}
	if root, known := k.Names.KnownThread(channel, ts); known {
		return root, nil
	}
	if k.Slack.Capped() {
		return ts, nil // it would cost the minute's only request
	}
	page, err := k.Slack.Replies(ctx, slackapi.RepliesQuery{Channel: channel, ThreadTS: ts, Limit: 1})
	if err != nil || len(page.Messages) == 0 {
		return ts, nil //nolint:nilerr // the call for which it was asked says what is wrong
	}
	root := rootOf(page.Messages, ts)
	k.Names.KeepThread(channel, ts, root)
	return root, nil
}

// rootOf is the first message of the thread that Slack returned for the ts of one of its messages:
// the reply alone, or the whole thread.
func rootOf(list []slackapi.Message, ts string) string {
	if len(list) == 0 {
		return ts
	}
	for i := range list {
		if list[i].TS == ts {
			return cmp.Or(list[i].ThreadTS, ts)
		}
	}
	return cmp.Or(list[0].ThreadTS, list[0].TS)
}

// met remembers which of the messages that a caller was shown are replies.
func (k *kit) met(channel string, list []slackapi.Message) {
	for i := range list {
		k.Names.KeepThread(channel, list[i].TS, cmp.Or(list[i].ThreadTS, list[i].TS))
	}
}
