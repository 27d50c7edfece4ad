package names

import (
	"context"
	"errors"
	"strings"
	"time"

	"slackmcp/slackapi"
)

// A Channel is what is kept of a conversation.
type Channel struct {
	ID, Name       string
	Topic, Purpose string
	Members        int
	Shared         bool // with another organisation
	Private        bool
	Archived       bool
	Member         bool // the bot is one
}

// ChannelID returns the id of a channel's name, with or without "#". Of the channels
// that are archived it knows those only that it has met.
func (r *Resolver) ChannelID(ctx context.Context, name string) (string, error) {
	name = strings.ToLower(strings.TrimPrefix(name, "#"))
	if id, age, ok := r.channels.find(name, r.now()); ok {
		if age < stale {
			return id, nil
		}
		if c, err := r.fetchChannel(ctx, id); err == nil && strings.EqualFold(c.Name, name) {
			return id, nil
		}
	}
	var id string
	found, err := r.listing.until(ctx, r.now, func() bool {
		var age time.Duration
		var ok bool
		id, age, ok = r.channels.find(name, r.now())
		return ok && age < stale
	})
	switch {
	case found:
		return id, nil
	case err != nil:
		return "", unfinished(err)
	}
	return "", ErrNoChannel
}

// unfinished marks the errors after which asking again goes on.
func unfinished(err error) error {
	var e *slackapi.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && (e.Kind == slackapi.RateLimited || e.Kind == slackapi.Canceled) {
		return errors.Join(ErrUnfinished, err)
	}
	return err
}

// channelPage reads one page of the channels. An app that may only list public ones is
// given those.
func (r *Resolver) channelPage(ctx context.Context, cursor string) (string, error) {
	q := slackapi.ListQuery{Types: []string{"public_channel", "private_channel"}, ExcludeArchived: true, Limit: pageSize, Cursor: cursor}
	page, err := r.slack.ConversationList(ctx, q)
	var e *slackapi.Error
	if errors.As(err, &e) && e.Kind == slackapi.MissingScope {
		q.Types = q.Types[:1]
		page, err = r.slack.ConversationList(ctx, q)
	}
	if err != nil {
		return "", err
	}
	for i := range page.Channels {
		r.KeepChannel(&page.Channels[i])
	}
	return page.NextCursor, nil
}

// KeepChannel keeps what Slack said of a channel.
func (r *Resolver) KeepChannel(c *slackapi.Channel) Channel {
	kept := Channel{
		ID: c.ID, Name: c.Name, Topic: c.Topic.Value, Purpose: c.Purpose.Value, Members: c.NumMembers,
		Shared: c.IsExtShared || c.IsPendingExtShared, Private: c.IsPrivate || c.IsIM || c.IsMPIM,
		Archived: c.IsArchived, Member: c.IsMember,
	}
	r.channels.put(c.ID, kept, r.now())
	return kept
}

func (r *Resolver) fetchChannel(ctx context.Context, id string) (Channel, error) {
	c, err := r.slack.ConversationInfo(ctx, id)
	if err != nil {
		return Channel{}, err
	}
	return r.KeepChannel(&c), nil
}

// Channel returns what is known of a channel, asking Slack when nothing is.
func (r *Resolver) Channel(ctx context.Context, id string) (Channel, error) {
	if c, age, ok := r.channels.get(id, r.now()); ok && age < stale {
		return c, nil
	}
	return r.fetchChannel(ctx, id)
}

// KnownChannel returns what is known without asking.
func (r *Resolver) KnownChannel(id string) (Channel, bool) {
	c, _, ok := r.channels.get(id, r.now())
	return c, ok
}
