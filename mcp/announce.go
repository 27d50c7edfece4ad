package mcp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"slackmcp/mcp/resources"
	"slackmcp/webhook/event"
)

const (
	announceBatch = 200
	// announceRetry is the pause after a read that failed: the store heals itself.
	announceRetry = time.Second
)

// announce reads each event once it is visible and tells who follows a resource that
// it changes. It returns nil when ctx ends.
func (s *Server) announce(ctx context.Context) error {
	changed, stop := s.events.Watch()
	defer stop()
	after := s.events.Newest()
	for {
		more, err := s.announceFrom(ctx, &after)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.WarnContext(ctx, "events were not announced", slog.Any("error", err))
			if !pause(ctx, announceRetry) {
				return nil
			}
			continue
		case more:
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// announceFrom announces one page of events after a position and moves it on.
func (s *Server) announceFrom(ctx context.Context, after *event.Position) (more bool, err error) {
	page, err := s.events.Query(ctx, event.Query{After: *after, Order: event.OldestFirst, Limit: announceBatch})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
		// Too much came at once: what was missed is read by whoever reads next.
		*after = s.events.Newest()
		s.transport.Notify(resources.Lists()...)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for i := range page.Events {
		if s.names != nil {
			s.names.Observe(&page.Events[i])
		}
		s.transport.Notify(resources.Changed(&page.Events[i])...)
	}
	if page.Next != "" {
		*after = page.Next
	}
	return page.More, nil
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
