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
	_, how, err := write(ctx, k, c, guard.Write{Channel: channel, Arguments: u}, in.safety,
		func(api *slackapi.Client) (struct{}, string, error) {
			r, err := api.UpdateMessage(ctx, u)
			return struct{}{}, r.TS, err
		})
	if err != nil {
		return posted{}, err
	}
	if calmed {
		how.Note = noteMentions
	}
	return posted{OK: true, Channel: channel, TS: ts, Permalink: view.Permalink(k.self(ctx).URL, channel, ts, ""), carried: how}, nil
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
	_, how, err := write(ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety,
		func(api *slackapi.Client) (struct{}, string, error) {
			return struct{}{}, ts, api.DeleteMessage(ctx, channel, ts)
		})
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: how}, err
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
	sent, how, err := write(ctx, k, c, guard.Write{Channel: channel, Sends: true, Arguments: args}, in.safety,
		func(api *slackapi.Client) (string, string, error) {
			ts, err := api.PostEphemeral(ctx, user, p)
			return ts, ts, err
		})
	if err != nil {
		return posted{}, err
	}
	if calmed {
		how.Note = noteMentions
	}
	return posted{OK: true, Channel: channel, TS: sent, ThreadTS: p.ThreadTS, carried: how}, nil
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
