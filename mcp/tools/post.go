package tools

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// words are the arguments of what a message says.
type words struct {
	Text     string          `json:"text,omitempty" max:"40000" doc:"Text in Slack's mrkdwn (*bold*, <https://…|label>, <@U…>); with blocks: what notifications show"`
	Markdown string          `json:"markdown,omitempty" max:"12000" doc:"Standard Markdown, in place of text"`
	Blocks   json.RawMessage `json:"blocks,omitempty" doc:"Block Kit blocks, a JSON array"`
}

type postIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link; a user (id, @name, e-mail) for a direct message"`
	words
	ThreadTS  string `json:"thread_ts,omitempty" doc:"Reply in the thread of this message (ts)"`
	Broadcast bool   `json:"reply_broadcast,omitempty" doc:"Show the reply in the channel too"`
	Unfurl    bool   `json:"unfurl,omitempty" doc:"Let Slack fetch previews of links; off, because fetching tells the link's owner"`
	safety
}

// posted is where a message went.
type posted struct {
	OK        bool         `json:"ok"`
	Channel   string       `json:"channel,omitempty"`
	TS        string       `json:"ts,omitempty" doc:"the message's id in its channel"`
	ThreadTS  string       `json:"thread_ts,omitempty"`
	Permalink string       `json:"permalink,omitempty"`
	Message   *sentMessage `json:"message,omitempty"`
	carried
}

// sentMessage is the message as Slack stored it.
type sentMessage struct {
	Untrusted bool       `json:"untrusted"`
	TS        string     `json:"ts"`
	ThreadTS  string     `json:"thread_ts,omitempty"`
	Text      string     `json:"text"`
	Flags     view.Flags `json:"flags,omitempty"`
}

func (k *kit) post(ctx context.Context, c *toolset.Call, in postIn) (posted, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return posted{}, err
	}
	thread, err := ts("thread_ts", in.ThreadTS)
	if err != nil {
		return posted{}, err
	}
	p, calmed, err := k.content(in.words)
	if err != nil {
		return posted{}, err
	}
	p.Channel, p.ThreadTS, p.Broadcast = channel, thread, in.Broadcast && thread != ""
	p.UnfurlLinks, p.UnfurlMedia = in.Unfurl, in.Unfurl
	return k.deliver(ctx, c, p, calmed, in.safety)
}

// deliver posts a message.
func (k *kit) deliver(ctx context.Context, c *toolset.Call, p slackapi.Post, calmed bool, s safety) (posted, error) {
	sent, w, err := begin[slackapi.Posted](ctx, k, c, guard.Write{Channel: p.Channel, Sends: true, Arguments: p}, s)
	if w.due {
		sent, err = w.slack.PostMessage(ctx, p)
		w.end(ctx, sent, sent.TS, err)
	}
	if err != nil {
		return posted{}, err
	}
	if calmed {
		w.Note = noteMentions
	}
	out := posted{OK: true, Channel: p.Channel, ThreadTS: p.ThreadTS, carried: w.carried}
	if w.DryRun {
		return out, nil
	}
	out.Channel, out.TS = sent.Channel, sent.TS
	out.Permalink = view.Permalink(k.self(ctx).URL, sent.Channel, sent.TS, p.ThreadTS)
	m := &sentMessage{Untrusted: true, TS: sent.TS, ThreadTS: p.ThreadTS}
	m.Text = m.Flags.Text(sent.Message.Text, passage)
	out.Message = m
	return out, nil
}

// content is what a message says, with mass mentions taken out where they are not
// allowed. It reports whether there were any.
func (k *kit) content(in words) (slackapi.Post, bool, error) {
	p := slackapi.Post{}
	blocks, c1, err := k.blocksOf(in.Blocks)
	if err != nil {
		return p, false, err
	}
	text, c2 := k.Guard.Text(in.Text)
	markdown, c3 := k.Guard.Text(in.Markdown)
	p.Text, p.Markdown, p.Blocks = text, markdown, blocks
	switch {
	case text == "" && markdown == "" && len(blocks) == 0:
		return p, false, &toolset.ArgumentError{Argument: "text", Problem: "give text, markdown or blocks"}
	case markdown != "" && (text != "" || len(blocks) > 0):
		return p, false, &toolset.ArgumentError{Argument: "markdown", Problem: "it stands in place of text and blocks: give one or the other"}
	}
	return p, c1 || c2 || c3, nil
}

// ts reads a message's ts or permalink.
func ts(argument, s string) (string, error) {
	if s == "" || names.IsTS(s) {
		return s, nil
	}
	if m, err := names.ParseLink(s); err == nil && m.TS != "" {
		return m.TS, nil
	}
	return "", &toolset.ArgumentError{Argument: argument, Problem: "write a ts (1700000000.123456) or a message's permalink"}
}

type threadReplyIn struct {
	Channel   string   `json:"channel" alias:"channel_id" doc:"Channel id, #name or link"`
	ThreadTS  string   `json:"thread_ts" doc:"ts or permalink of the thread's first message"`
	Texts     []string `json:"texts" alias:"text" max:"20" doc:"One reply each, in order"`
	Broadcast bool     `json:"reply_broadcast,omitempty" doc:"Show the replies in the channel too"`
	safety
}

func (k *kit) threadReply(ctx context.Context, c *toolset.Call, in threadReplyIn) (responses, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return responses{}, err
	}
	thread, err := ts("thread_ts", in.ThreadTS)
	if err != nil {
		return responses{}, err
	}
	if slices.Contains(in.Texts, "") {
		return responses{}, &toolset.ArgumentError{Argument: "texts", Problem: "one of them is empty"}
	}
	b := batch{ordered: true}
	for n, text := range in.Texts {
		if b.skips() {
			continue
		}
		text, calmed := k.Guard.Text(text)
		p := slackapi.Post{Channel: channel, ThreadTS: thread, Text: text, Broadcast: in.Broadcast}
		r, err := k.deliver(ctx, c, p, calmed, in.part(strconv.Itoa(n)))
		b.add(item{TS: r.TS}, r.carried, err)
	}
	return b.result()
}
