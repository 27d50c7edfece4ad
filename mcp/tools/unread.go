package tools

import (
	"context"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

type listUnreadIn struct {
	Types  []string `json:"types,omitempty" alias:"channel_types" split:"," enum:"public_channel,private_channel,mpim,im" default:"im,mpim,private_channel,public_channel" doc:"Kinds of conversations"`
	Limit  int      `json:"limit,omitempty" min:"1" max:"40" default:"20" doc:"Most conversations to look at; each costs a call"`
	Cursor string   `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type channelsOut struct {
	view.Mark
	Channels []view.Channel `json:"channels"`
	paging
}

// listUnread looks at some of the user's conversations, because Slack tells how much is
// unread for one at a time only.
func (k *kit) listUnread(ctx context.Context, _ *toolset.Call, in listUnreadIn) (channelsOut, error) {
	api, r := k.Slack.AsUser(), k.Judge.Reading(ctx)
	out := channelsOut{Channels: []view.Channel{}}
	page, err := api.UserConversations(ctx, "", slackapi.ListQuery{Types: in.Types, ExcludeArchived: true, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return out, err
	}
	for i := range page.Channels {
		c, err := api.ConversationInfo(ctx, page.Channels[i].ID)
		if err != nil {
			if len(out.Channels) == 0 {
				return out, err
			}
			out.Note = "Not all conversations could be looked at: " + Fault(err)
			break
		}
		if c.UnreadCountDisplay > 0 {
			out.Channels = append(out.Channels, r.Channel(&c, false))
		}
	}
	out.NextCursor, out.HasMore = page.NextCursor, page.NextCursor != ""
	return out, nil
}

type markReadIn struct {
	messageRef
	safety
}

func (k *kit) markRead(ctx context.Context, c *toolset.Call, in markReadIn) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety)
	if w.due {
		err = w.slack.AsUser().MarkRead(ctx, channel, ts)
		w.end(ctx, nothing{}, ts, err)
	}
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: w.carried}, err
}
