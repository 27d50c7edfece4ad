package slackapi

import "context"

// A HistoryQuery asks for a part of a channel's history, newest first.
type HistoryQuery struct {
	Channel string
	// Oldest and Latest are ts and bound the part; they are exclusive unless Inclusive.
	Oldest, Latest string
	Inclusive      bool
	// Limit is the most messages of the page; 0 is Slack's default, 100. Slack may
	// return fewer and still have more.
	Limit  int
	Cursor string
	// Metadata asks for the metadata that apps attached.
	Metadata bool
}

// A RepliesQuery asks for a part of a thread. Every page begins with the parent, which
// Limit does not count; the replies follow in order.
type RepliesQuery struct {
	Channel string
	// ThreadTS is the ts of the parent; that of a reply finds the thread as well.
	ThreadTS       string
	Oldest, Latest string
	Inclusive      bool
	Limit          int
	Cursor         string
	Metadata       bool
}

// cappedPage is the most that Slack gives to apps of the capped class, see [Client.Capped].
const cappedPage = 15

type messagesReply struct {
	Messages []Message `json:"messages"`
	HasMore  bool      `json:"has_more"`
	PinCount int       `json:"pin_count"`
	cursor
}

// History reads a page of a channel.
func (c *Client) History(ctx context.Context, q HistoryQuery) (MessagePage, error) {
	r, err := reply[messagesReply](c.http.Do(c.form(ctx, "conversations.history",
		"channel", q.Channel, "oldest", q.Oldest, "latest", q.Latest, "inclusive", when(q.Inclusive, "1"),
		"limit", number(q.Limit), "cursor", q.Cursor, "include_all_metadata", when(q.Metadata, "1"))))
	return c.page(r, q.Channel, q.Limit), err
}

// Replies reads a page of a thread.
func (c *Client) Replies(ctx context.Context, q RepliesQuery) (MessagePage, error) {
	r, err := reply[messagesReply](c.http.Do(c.form(ctx, "conversations.replies",
		"channel", q.Channel, "ts", q.ThreadTS, "oldest", q.Oldest, "latest", q.Latest, "inclusive", when(q.Inclusive, "1"),
		"limit", number(q.Limit), "cursor", q.Cursor, "include_all_metadata", when(q.Metadata, "1"))))
	return c.page(r, q.Channel, q.Limit), err
}

// page completes a page, and learns from it whether the app is of the capped class.
func (c *Client) page(r messagesReply, channel string, asked int) MessagePage {
	for i := range r.Messages {
		r.Messages[i].Channel = channel
	}
	n := listed(r.Messages)
	capped := asked > cappedPage && n == cappedPage && r.HasMore
	if (capped || n > cappedPage) && c.capped.CompareAndSwap(!capped, capped) {
		c.pace.setTier(capped, "conversations.history", "conversations.replies")
	}
	return MessagePage{Messages: r.Messages, HasMore: r.HasMore, NextCursor: r.next(), PinCount: r.PinCount}
}

// listed is how many messages the limit counted: the root that begins every page of a
// thread is not among them.
func listed(messages []Message) int {
	if len(messages) > 0 && messages[0].ReplyCount > 0 && len(messages) > 1 && messages[1].ThreadTS == messages[0].TS {
		return len(messages) - 1
	}
	return len(messages)
}

// cursor is embedded by the replies of methods that page.
type cursor struct {
	Metadata struct {
		NextCursor string `json:"next_cursor"`
	} `json:"response_metadata"`
}

func (c cursor) next() string { return c.Metadata.NextCursor }
