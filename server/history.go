package server

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/slackapi"
	"slackmcp/webhook/gaps"
)

// historyPage is how many messages are asked for at once. Slack gives fewer to apps of
// the capped class, which the client notices and keeps to.
const historyPage = 200

// slackHistory reads the past by Slack's Web API, and waits as long as Slack asks to.
type slackHistory struct{ slack *slackapi.Client }

// Self is the bot.
func (h *slackHistory) Self(ctx context.Context) (self gaps.Self, err error) {
	err = patiently(ctx, func() error {
		id, err := h.slack.AuthTest(ctx)
		self = gaps.Self{Team: id.TeamID, User: id.UserID}
		return err
	})
	return self, err
}

// Channels are the conversations that the bot is in, archived ones left out.
func (h *slackHistory) Channels(ctx context.Context) (list []gaps.Channel, err error) {
	q := slackapi.ListQuery{Types: []string{"public_channel", "private_channel", "mpim", "im"}, ExcludeArchived: true, Limit: historyPage}
	for {
		var page slackapi.ChannelPage
		if err := patiently(ctx, func() (err error) {
			page, err = h.slack.UserConversations(ctx, "", q)
			return err
		}); err != nil {
			return nil, err
		}
		for i := range page.Channels {
			list = append(list, gaps.Channel{ID: page.Channels[i].ID, Type: channelType(&page.Channels[i])})
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return list, nil
		}
	}
}

// channelType is what an event calls a conversation's type.
func channelType(c *slackapi.Channel) string {
	switch {
	case c.IsIM:
		return "im"
	case c.IsMPIM:
		return "mpim"
	case c.IsPrivate:
		return "group"
	}
	return "channel"
}

// Messages reads a page of a channel.
func (h *slackHistory) Messages(ctx context.Context, channel, oldest, latest, cursor string) (gaps.Page, error) {
	return h.page(ctx, func() (slackapi.MessagePage, error) {
		return h.slack.History(ctx, slackapi.HistoryQuery{
			Channel: channel, Oldest: oldest, Latest: latest, Inclusive: true, Limit: historyPage, Cursor: cursor, Metadata: true,
		})
	})
}

// Replies reads a page of a thread.
func (h *slackHistory) Replies(ctx context.Context, channel, thread, oldest, latest, cursor string) (gaps.Page, error) {
	return h.page(ctx, func() (slackapi.MessagePage, error) {
		return h.slack.Replies(ctx, slackapi.RepliesQuery{
			Channel: channel, ThreadTS: thread, Oldest: oldest, Latest: latest, Inclusive: true, Limit: historyPage, Cursor: cursor, Metadata: true,
		})
	})
}

func (h *slackHistory) page(ctx context.Context, read func() (slackapi.MessagePage, error)) (p gaps.Page, err error) {
	var page slackapi.MessagePage
	err = patiently(ctx, func() (err error) {
		page, err = read()
		return err
	})
	if err != nil {
		return p, skipped(err)
	}
	for i := range page.Messages {
		raw, err := json.Marshal(&page.Messages[i])
		if err != nil {
			return p, err
		}
		p.Messages = append(p.Messages, raw)
	}
	p.Next = page.NextCursor
	return p, nil
}

// skipped tells a channel that cannot be read from a Slack that cannot be asked.
func skipped(err error) error {
	fault, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return err
	}
	switch fault.Kind { //nolint:exhaustive // the others stop the whole
	case slackapi.NotFound, slackapi.NotInChannel, slackapi.MissingScope, slackapi.Forbidden, slackapi.Conflict, slackapi.InvalidArgument:
		return &gaps.SkipError{Reason: fault.Code}
	}
	return err
}

const (
	// patientTries bounds how often a call is made that Slack could not take.
	patientTries = 8
	// troubledPause is the first pause after a call that failed otherwise; it doubles.
	troubledPause = time.Second
)

// patiently makes a call again as long as Slack asks to wait, or cannot be reached.
func patiently(ctx context.Context, call func() error) error {
	backoff := wait.Backoff{First: troubledPause, Most: 2 * time.Minute}
	for try := 1; ; {
		err := call()
		fault, ok := errors.AsType[*slackapi.Error](err)
		if !ok || fault.Kind != slackapi.RateLimited && fault.Kind != slackapi.Unavailable {
			return err
		}
		pause := fault.RetryAfter
		if fault.Kind == slackapi.Unavailable || pause == 0 {
			if try++; try > patientTries {
				return err
			}
			pause = backoff.Next()
		}
		if err := wait.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
