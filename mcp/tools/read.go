package tools

import (
	"context"
	"strings"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type readChannelIn struct {
	Channel        string `json:"channel" alias:"channel_id" doc:"id, #name or link"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"999" doc:"Most messages: 100, detailed 20"`
	Oldest         string `json:"oldest,omitempty" alias:"since" doc:"Not before: ts, ISO 8601 or age (2h, 1d, 2w)"`
	Latest         string `json:"latest,omitempty" alias:"until" doc:"Not after, likewise"`
	Inclusive      bool   `json:"inclusive,omitempty" doc:"Include those at oldest and latest"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: blocks, attachments, permalinks"`
}

type readThreadIn struct {
	Channel        string `json:"channel,omitempty" alias:"channel_id" doc:"id, #name or link; not needed with a permalink"`
	ThreadTS       string `json:"thread_ts" alias:"message_ts" doc:"ts or link of a message in it"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"999" doc:"Most messages: 100, detailed 20"`
	Oldest         string `json:"oldest,omitempty" alias:"since" doc:"Replies not before: ts, ISO 8601 or age"`
	Latest         string `json:"latest,omitempty" alias:"until" doc:"Replies not after"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: blocks, attachments, permalinks"`
}

type messagesOut struct {
	view.Mark
	OK         bool           `json:"ok"`
	Channel    string         `json:"channel"`
	ThreadTS   string         `json:"thread_ts,omitempty"`
	Messages   []view.Message `json:"messages"`
	HasMore    bool           `json:"has_more"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
	// OlderThreads are those of a channel that is read since a time.
	OlderThreads []grownThread `json:"older_threads,omitempty" doc:"threads that began before oldest and got replies since; read them too"`
	view.Legend
	// Metadata repeats the cursor where Slack's own answers have it.
	Metadata *metadata `json:"response_metadata,omitempty"`
	Note     string    `json:"note,omitempty"`
	readBy

	threadsSince time.Time // OlderThreads may miss those that began before; zero where it has all
}

type metadata struct {
	NextCursor string `json:"next_cursor"`
}

// A cursor of ours goes on from a message where a page was cut; any other is Slack's.
const (
	cursorBefore = "before:"
	cursorAfter  = "after:"
)

// nextTo is the ts beside another one.
func nextTo(ts string, d time.Duration) string {
	t, ok := names.TimeOf(ts)
	if !ok {
		return ts
	}
	return event.TS(t.Add(d))
}

const noteCapped = "Slack allows this app one such request a minute and 15 messages at once (the class of apps that are sold outside Slack's Marketplace). Ask for little, and wait a minute between calls."

func (k *kit) readChannel(ctx context.Context, c *toolset.Call, in readChannelIn) (messagesOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return messagesOut{}, err
	}
	q := slackapi.HistoryQuery{Channel: channel, Limit: rows(in.Limit, in.ResponseFormat, 100, 20), Inclusive: in.Inclusive, Cursor: in.Cursor}
	if q.Oldest, err = slackTS("oldest", in.Oldest, k.now()); err != nil {
		return messagesOut{}, err
	}
	if q.Latest, err = slackTS("latest", in.Latest, k.now()); err != nil {
		return messagesOut{}, err
	}
	if before, ok := strings.CutPrefix(in.Cursor, cursorBefore); ok && names.IsTS(before) {
		q.Cursor, q.Latest = "", before
		if q.Inclusive { // of oldest alone
			q.Latest = nextTo(before, -time.Microsecond)
		}
	}
	var page slackapi.MessagePage
	by := k.reader(c)
	for by.next(err) {
		page, err = by.api.History(ctx, q)
	}
	if err != nil {
		return messagesOut{}, err
	}
	out := messagesOut{OK: true, Channel: channel, HasMore: page.HasMore, NextCursor: page.NextCursor, readBy: by.readBy}
	if q.Oldest != "" && in.Latest == "" && in.Cursor == "" {
		k.missed(ctx, by, q.Oldest, &out)
	}
	if err := k.fill(ctx, &out, k.reading(ctx, channel, in.ResponseFormat, in.Limit), page.Messages, cursorBefore); err != nil {
		return messagesOut{}, err
	}
	return k.finish(out), nil
}

func (k *kit) readThread(ctx context.Context, c *toolset.Call, in readThreadIn) (messagesOut, error) {
	thread, _, err := thread("thread_ts", in.ThreadTS, &in.Channel)
	if err != nil {
		return messagesOut{}, err
	}
	if in.Channel == "" {
		return messagesOut{}, &toolset.ArgumentError{Argument: "channel", Problem: "give the channel, or the permalink of the thread's first message as thread_ts"}
	}
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return messagesOut{}, err
	}
	q := slackapi.RepliesQuery{Channel: channel, ThreadTS: thread, Limit: rows(in.Limit, in.ResponseFormat, 100, 20), Cursor: in.Cursor}
	if q.Oldest, err = slackTS("oldest", in.Oldest, k.now()); err != nil {
		return messagesOut{}, err
	}
	if q.Latest, err = slackTS("latest", in.Latest, k.now()); err != nil {
		return messagesOut{}, err
	}
	q.Inclusive = q.Oldest != "" || q.Latest != ""
	if after, ok := strings.CutPrefix(in.Cursor, cursorAfter); ok && names.IsTS(after) {
		q.Cursor, q.Oldest = "", after
		if q.Inclusive { // of latest alone
			q.Oldest = nextTo(after, time.Microsecond)
		}
	}
	by := k.reader(c)
	page, thread, err := k.replies(ctx, by, q)
	if err != nil {
		return messagesOut{}, err
	}
	if in.Cursor != "" {
		// Slack puts the thread's first message onto each page.
		page.Messages = without(page.Messages, thread)
	}
	out := messagesOut{OK: true, Channel: channel, ThreadTS: thread, HasMore: page.HasMore, NextCursor: page.NextCursor, readBy: by.readBy}
	if err := k.fill(ctx, &out, k.reading(ctx, channel, in.ResponseFormat, in.Limit), page.Messages, cursorAfter); err != nil {
		return messagesOut{}, err
	}
	return k.finish(out), nil
}

// replies reads a page of a thread, and the ts of its first message where the query has that of a reply.
func (k *kit) replies(ctx context.Context, by *reader, q slackapi.RepliesQuery) (page slackapi.MessagePage, root string, err error) {
	for by.next(err) {
		page, err = by.api.Replies(ctx, q)
	}
	if root = rootOf(page.Messages, q.ThreadTS); err != nil || root == q.ThreadTS {
		return page, root, err
	}
	k.Names.KeepThread(q.Channel, q.ThreadTS, root)
	reply := q.ThreadTS
	q.ThreadTS = root
	// The first message may be deleted: then there is the reply alone.
	if whole, err := by.api.Replies(ctx, q); err == nil && len(whole.Messages) > 0 {
		return whole, root, nil
	}
	return page, reply, nil
}

func without(list []slackapi.Message, ts string) []slackapi.Message {
	kept := list[:0]
	for _, m := range list {
		if m.TS != ts {
			kept = append(kept, m)
		}
	}
	return kept
}

func (o *messagesOut) cut(cursor string) {
	o.HasMore, o.NextCursor = true, cursor
	o.Note = strings.TrimSpace(noteCut + " " + o.Note)
}

func (k *kit) finish(o messagesOut) messagesOut {
	if o.NextCursor != "" {
		o.Metadata = &metadata{NextCursor: o.NextCursor}
	}
	if k.Slack.Capped() {
		o.Note = strings.TrimSpace(o.Note + " " + noteCapped)
	}
	return o
}

// fill shows messages in a result while it has room; where it has not for all, it goes on from the last.
func (k *kit) fill(ctx context.Context, out *messagesOut, o view.MessageOptions, list []slackapi.Message, cursor string) error {
	k.met(out.Channel, list)
	cut, older, since := false, out.OlderThreads, ""
	err := k.Judge.Read(ctx, func(r *view.Reading) error {
		s := newSheet(o.Whole)
		if out.OlderThreads = named(r, older); len(older) > 0 {
			s.budget.Takes(out.OlderThreads)
		}
		out.Messages, cut = s.messages(r, o, list)
		if !out.threadsSince.IsZero() {
			since = "older_threads is complete for threads that began since " + r.Clock(out.threadsSince) + "."
		}
		out.Legend = r.Legend(out.Messages, out.OlderThreads)
		return nil
	})
	out.Note = strings.TrimSpace(since + " " + out.Note)
	if isCut(out.Messages) {
		out.Note = strings.TrimSpace(noteLong + " " + out.Note)
	}
	if cut && len(out.Messages) > 0 {
		out.cut(cursor + out.Messages[len(out.Messages)-1].TS)
	}
	return err
}

// reading is how messages of a conversation are shown in a list. One or two that are asked for in detail
// are shown whole.
func (k *kit) reading(ctx context.Context, channel, format string, limit int) view.MessageOptions {
	o := k.messageOptions(ctx, channel, format)
	if o.Whole = o.Detailed && limit > 0 && limit <= 2; o.Whole {
		o.MaxText = view.MaxText
	}
	return o
}

// messageOptions are how messages of a conversation are shown in a list.
func (k *kit) messageOptions(ctx context.Context, channel, format string) view.MessageOptions {
	return view.MessageOptions{Unshared: k.unshared(ctx, channel), Detailed: format == detailed, MaxText: passage}
}

// unshared reports that, as Slack says now, no other organisation takes part in a conversation. Slack is
// asked only where something depends on it.
func (k *kit) unshared(ctx context.Context, channel string) bool {
	known, ok := k.Names.KnownChannel(channel)
	if k.Judge.Lockdown() && (!ok || known.Partial) {
		var err error
		known, err = k.Names.Channel(ctx, channel)
		ok = err == nil
	}
	return ok && !known.Shared && !known.Partial
}
