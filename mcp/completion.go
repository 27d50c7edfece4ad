package mcp

import (
	"context"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

const (
	// completions is the most that the protocol allows in one answer.
	completions = 100
	// completionPatience bounds the time of one completion: a person is typing.
	completionPatience = 2 * time.Second
)

// A completer completes the arguments of prompts and of templates of addresses.
type completer struct {
	of     tools.Of
	events *sight.Events // nil without events
}

// CompletePromptArgument completes a channel by its name, an event by its id.
func (c *completer) CompletePromptArgument(ctx context.Context, _ string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	switch argument.Name {
	case "channel", "channels":
		before, last := "", argument.Value
		if i := strings.LastIndexByte(argument.Value, ','); i >= 0 {
			before, last = argument.Value[:i+1], argument.Value[i+1:]
		}
		return c.channels(ctx, strings.TrimSpace(last), func(ch names.Channel) string { return before + "#" + ch.Name })
	case "event_id":
		return c.eventIDs(ctx, argument.Value)
	}
	return complete(nil), nil
}

// CompleteResourceArgument completes the ids that addresses are made of: a name that is
// begun finds the ids of its channels or users.
func (c *completer) CompleteResourceArgument(ctx context.Context, _ string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	switch argument.Name {
	case "channel":
		return c.channels(ctx, argument.Value, func(ch names.Channel) string { return ch.ID })
	case "user":
		return c.users(ctx, argument.Value)
	case "event_id":
		return c.eventIDs(ctx, argument.Value)
	}
	return complete(nil), nil
}

// book is the caller's book of names, with who decides which of them they are shown; nil where the caller may
// not read, or has none now.
func (c *completer) book(ctx context.Context) (*names.Resolver, *view.Judge) {
	if p := access.From(ctx); !p.Has(access.Read) && !p.PersonMay(access.Read) {
		return nil, nil
	}
	book, judge, err := c.of(ctx)
	if err != nil {
		return nil, nil // who types is not to be stopped
	}
	return book, judge
}

func (c *completer) channels(ctx context.Context, typed string, show func(names.Channel) string) (*mcp.Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	book, judge := c.book(ctx)
	if book == nil {
		return complete(nil), nil
	}
	found, err := book.SearchChannels(ctx, strings.TrimPrefix(typed, "#"), "", completions)
	if err != nil {
		return complete(nil), nil // who types is not to be stopped by a slow Slack
	}
	var values []string
	r, flags := judge.Reading(ctx), view.Flags{}
	for _, ch := range found.Items {
		if ch.Name = r.ChannelName(&ch, &flags); ch.Name != "" {
			values = append(values, show(ch))
		}
	}
	return complete(values), nil
}

func (c *completer) users(ctx context.Context, typed string) (*mcp.Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	book, judge := c.book(ctx)
	if book == nil {
		return complete(nil), nil
	}
	found, err := book.SearchUsers(ctx, strings.TrimPrefix(typed, "@"), "", completions, judge.Reading(ctx).Seen())
	if err != nil {
		return complete(nil), nil
	}
	var values []string
	for _, u := range found.Items {
		values = append(values, u.ID)
	}
	return complete(values), nil
}

func (c *completer) eventIDs(ctx context.Context, typed string) (*mcp.Completion, error) {
	var values []string
	q := event.Query{Filter: event.Filter{Source: event.SourceSlack}, Limit: completions, NoBodies: true}
	log, more := c.events.For(sight.Of(access.From(ctx))), true
	for began := time.Now(); more && q.Limit > 0 && time.Since(began) < completionPatience; {
		err := log.Query(ctx, q, func(page event.Page) error {
			for i := range page.Events {
				if id := page.Events[i].ID; strings.HasPrefix(id, typed) {
					values = append(values, id)
				}
			}
			more, q.After, q.Limit = page.More, page.Next, q.Limit-len(page.Events)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return complete(values), nil
}

func complete(values []string) *mcp.Completion {
	clean := []string{}
	for _, v := range values {
		v, _ = view.Clean(v)
		clean = append(clean, v)
	}
	return &mcp.Completion{Values: clean, Total: len(clean)}
}
