package tools

import (
	"context"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

type scheduleIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link; a user for a direct message"`
	words
	PostAt    string `json:"post_at" doc:"When: ISO 8601 with its zone, Unix seconds, or how far ahead (30m, 2h, 1d)"`
	ThreadTS  string `json:"thread_ts,omitempty" doc:"Reply in the thread of this message (ts)"`
	Broadcast bool   `json:"reply_broadcast,omitempty" doc:"Show the reply in the channel too"`
	safety
}

type scheduledOut struct {
	OK      bool   `json:"ok"`
	ID      string `json:"scheduled_message_id,omitempty"`
	Channel string `json:"channel"`
	PostAt  string `json:"post_at,omitempty"`
	carried
}

func (k *kit) schedule(ctx context.Context, c *toolset.Call, in scheduleIn) (scheduledOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return scheduledOut{}, err
	}
	at, err := upcoming("post_at", in.PostAt, k.now())
	if err != nil {
		return scheduledOut{}, err
	}
	p, calmed, err := k.content(in.words)
	if err != nil {
		return scheduledOut{}, err
	}
	p.Channel = channel
	if p.ThreadTS, err = ts("thread_ts", in.ThreadTS); err != nil {
		return scheduledOut{}, err
	}
	p.Broadcast = in.Broadcast && p.ThreadTS != ""
	// The key stands for the words as they were written: "2h" is another instant on a repeat.
	args := struct {
		At   string
		Post slackapi.Post
	}{in.PostAt, p}
	s, w, err := begin[slackapi.Scheduled](ctx, k, c, guard.Write{Channel: channel, Sends: true, Arguments: args}, in.safety)
	if w.due {
		s, err = w.slack.ScheduleMessage(ctx, p, at)
		w.end(ctx, s, s.ID, err)
	}
	if err != nil {
		return scheduledOut{}, err
	}
	if calmed {
		w.Note = noteMentions
	}
	out := scheduledOut{OK: true, ID: s.ID, Channel: channel, PostAt: view.Time(at.Truncate(1e9)), carried: w.carried}
	if w.Repeated {
		out.PostAt = view.Unix(s.PostAt)
	}
	return out, nil
}

type listScheduledIn struct {
	Channel string `json:"channel,omitempty" alias:"channel_id" doc:"Channel id, #name or link; all when absent"`
	Limit   int    `json:"limit,omitempty" min:"1" max:"100" default:"50" doc:"Most messages to return"`
	Cursor  string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type scheduledMessage struct {
	Untrusted bool       `json:"untrusted"`
	ID        string     `json:"scheduled_message_id"`
	Channel   string     `json:"channel"`
	PostAt    string     `json:"post_at"`
	Text      string     `json:"text,omitempty"`
	Flags     view.Flags `json:"flags,omitempty"`
}

type listScheduledOut struct {
	Messages   []scheduledMessage `json:"scheduled_messages"`
	HasMore    bool               `json:"has_more"`
	NextCursor string             `json:"next_cursor,omitempty"`
}

func (k *kit) listScheduled(ctx context.Context, _ *toolset.Call, in listScheduledIn) (listScheduledOut, error) {
	out := listScheduledOut{Messages: []scheduledMessage{}}
	channel := ""
	if in.Channel != "" {
		var err error
		if channel, err = k.channel(ctx, in.Channel); err != nil {
			return out, err
		}
	}
	page, err := k.Slack.ScheduledList(ctx, channel, in.Cursor, in.Limit)
	if err != nil {
		return out, err
	}
	for _, m := range page.Messages {
		v := scheduledMessage{Untrusted: true, ID: m.ID, Channel: m.Channel, PostAt: view.Unix(m.PostAt)}
		v.Text = v.Flags.Text(m.Text, passage)
		out.Messages = append(out.Messages, v)
	}
	out.NextCursor, out.HasMore = page.NextCursor, page.NextCursor != ""
	return out, nil
}

type cancelScheduledIn struct {
	Channel string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link that it was to go to"`
	ID      string `json:"scheduled_message_id" alias:"id" doc:"Id of the scheduled message"`
	safety
}

func (k *kit) cancelScheduled(ctx context.Context, c *toolset.Call, in cancelScheduledIn) (scheduledOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return scheduledOut{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, in.ID}}, in.safety)
	if w.due {
		err = w.slack.DeleteScheduled(ctx, channel, in.ID)
		w.end(ctx, nothing{}, "", err)
	}
	return scheduledOut{OK: err == nil, ID: in.ID, Channel: channel, carried: w.carried}, err
}
