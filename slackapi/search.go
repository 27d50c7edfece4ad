package slackapi

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A SearchQuery is what search.messages takes: Slack's own query language (words,
// "phrases", in:#channel, from:@name, before:2026-01-31, has:link …).
type SearchQuery struct {
	Query     string
	ByTime    bool // newest first; otherwise the best match first
	Ascending bool
	Count     int // of the page; 0 is 20, the most is 100
	Page      int // from 1; 0 is 1
}

// A SearchMatch is a message that was found, as far as search.messages tells of it: it
// documents no ThreadTS (that of a reply stands in its permalink), no BotID and no Subtype.
// The User of what an app posted under a name of its own is empty, and Username that name;
// of a person Username is the handle.
type SearchMatch struct {
	Message
	// Channel is where the message stands; the one within Message is not set.
	Channel Channel `json:"channel"`
}

// A SearchPage is a part of what was found.
type SearchPage struct {
	Matches []SearchMatch `json:"matches"`
	Total   int           `json:"total"`
	Page    int           `json:"page"`
	Pages   int           `json:"pages"`
}

// SearchMessages searches what the owner of the user token can see. Bots may not: see
// [Client.SearchContext].
func (c *Client) SearchMessages(ctx context.Context, q SearchQuery) (SearchPage, error) {
	r, err := reply[struct {
		Messages struct {
			Matches []SearchMatch `json:"matches"`
			Total   int           `json:"total"`
			Paging  struct {
				Page  int `json:"page"`
				Pages int `json:"pages"`
			} `json:"paging"`
		} `json:"messages"`
	}](c.user.http.Do(c.user.form(ctx, "search.messages", "query", q.Query, "sort", when(q.ByTime, "timestamp"),
		"sort_dir", when(q.Ascending, "asc"), "count", number(q.Count), "page", number(q.Page))))
	m := r.Messages
	return SearchPage{Matches: m.Matches, Total: m.Total, Page: m.Paging.Page, Pages: m.Paging.Pages}, err
}

// A ContextQuery is what assistant.search.context takes: a question or words.
type ContextQuery struct {
	Query string
	// ActionToken is the action_token of the event on whose behalf a bot searches;
	// Slack wants it of bot tokens.
	ActionToken string
	// ChannelTypes are public_channel, private_channel, mpim and im; none is
	// public_channel. A bot finds what is public.
	ChannelTypes  []string
	Before, After time.Time
	Bots          bool // messages of bots as well
	Around        bool // with the messages around each one
	Blocks        bool // with the blocks of each one
	ByTime        bool
	Limit         int // of the page, at most 20
	Cursor        string
}

// A ContextMatch is a message that was found.
type ContextMatch struct {
	AuthorName  string `json:"author_name,omitempty"`
	AuthorID    string `json:"author_user_id"`
	AuthorIsBot bool   `json:"is_author_bot"`
	Team        string `json:"team_id"`
	Channel     string `json:"channel_id"`
	ChannelName string `json:"channel_name,omitempty"`
	TS          string `json:"message_ts"`
	Text        string `json:"content"`
	Permalink   string `json:"permalink,omitempty"`
	// Blocks are Slack's JSON, untouched; Slack tells nothing of attachments and files.
	Blocks  json.RawMessage `json:"blocks,omitempty"`
	Context *struct {
		Before []ContextMatch `json:"before"`
		After  []ContextMatch `json:"after"`
	} `json:"context_messages,omitempty"`
}

// A ContextPage is a part of what was found.
type ContextPage struct {
	Messages   []ContextMatch `json:"messages"`
	NextCursor string         `json:"next_cursor,omitempty"`
}

// SearchContext searches messages by assistant.search.context, which bots may where
// the app is an agent with the scope search:read.public.
func (c *Client) SearchContext(ctx context.Context, q ContextQuery) (ContextPage, error) {
	r, err := reply[struct {
		Results struct {
			Messages []ContextMatch `json:"messages"`
		} `json:"results"`
		cursor
	}](c.http.Do(c.form(ctx, "assistant.search.context", "query", q.Query, "action_token", q.ActionToken,
		"channel_types", strings.Join(q.ChannelTypes, ","), "content_types", "messages", "include_bots", when(q.Bots, "true"),
		"include_context_messages", when(q.Around, "true"), "include_message_blocks", when(q.Blocks, "true"), "before", unix(q.Before), "after", unix(q.After),
		"sort", when(q.ByTime, "timestamp"), "limit", number(q.Limit), "cursor", q.Cursor)))
	return ContextPage{Messages: r.Results.Messages, NextCursor: r.next()}, err
}

func unix(t time.Time) string { return when(!t.IsZero(), strconv.FormatInt(t.Unix(), 10)) }
