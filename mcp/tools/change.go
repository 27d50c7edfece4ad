package tools

import (
	"context"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

type updateIn struct {
	messageRef
	words
	safety
}

func (k *kit) update(ctx context.Context, c *toolset.Call, in updateIn) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	p, calmed, err := k.content(in.words)
	if err != nil {
		return posted{}, err
	}
	u := slackapi.Update{Channel: channel, TS: ts, Text: p.Text, Markdown: p.Markdown, Blocks: p.Blocks}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: u}, in.safety)
	if w.due {
		var r slackapi.Posted
		r, err = w.slack.UpdateMessage(ctx, u)
		w.end(ctx, nothing{}, r.TS, err)
	}
	if err != nil {
		return posted{}, err
	}
	if calmed {
		w.Note = noteMentions
	}
	return posted{OK: true, Channel: channel, TS: ts, Permalink: view.Permalink(k.self(ctx).URL, channel, ts, ""), carried: w.carried}, nil
}

type deleteIn struct {
	messageRef
	safety
}

func (k *kit) delete(ctx context.Context, c *toolset.Call, in deleteIn) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety)
	if w.due {
		err = w.slack.DeleteMessage(ctx, channel, ts)
		w.end(ctx, nothing{}, ts, err)
	}
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: w.carried}, err
}

type ephemeralIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link"`
	User    string `json:"user" alias:"user_id" doc:"Who sees it: user id, @name or e-mail; must be in the channel"`
	words
	ThreadTS string `json:"thread_ts,omitempty" doc:"Show it in the thread of this message (ts)"`
	safety
}

func (k *kit) postEphemeral(ctx context.Context, c *toolset.Call, in ephemeralIn) (posted, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return posted{}, err
	}
	user, err := k.user(ctx, in.User)
	if err != nil {
		return posted{}, err
	}
	p, calmed, err := k.content(in.words)
	if err != nil {
		return posted{}, err
	}
	p.Channel = channel
	if p.ThreadTS, err = ts("thread_ts", in.ThreadTS); err != nil {
		return posted{}, err
	}
	args := struct {
		User string
		Post slackapi.Post
	}{user, p}
	sent, w, err := begin[string](ctx, k, c, guard.Write{Channel: channel, Sends: true, Arguments: args}, in.safety)
	if w.due {
		sent, err = w.slack.PostEphemeral(ctx, user, p)
		w.end(ctx, sent, sent, err)
	}
	if err != nil {
		return posted{}, err
	}
	if calmed {
		w.Note = noteMentions
	}
	return posted{OK: true, Channel: channel, TS: sent, ThreadTS: p.ThreadTS, carried: w.carried}, nil
}

type permalinkOut struct {
	OK        bool   `json:"ok"`
	Permalink string `json:"permalink"`
}

func (k *kit) permalink(ctx context.Context, _ *toolset.Call, in messageRef) (permalinkOut, error) {
	channel, ts, err := k.message(ctx, in)
	if err != nil {
		return permalinkOut{}, err
	}
	link, err := k.Slack.Permalink(ctx, channel, ts)
	return permalinkOut{OK: true, Permalink: link}, err
}
