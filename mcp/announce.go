package mcp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/resources"
	"slackmcp/webhook/event"
)

const (
	announceBatch = 200
	// announceRetry is the pause after a read that failed: the store heals itself.
	announceRetry = time.Second
)

// announce reads each event once it is visible and notifies the clients that follow a
// resource which it changes. It returns nil when ctx ends.
func (s *Server) announce(ctx context.Context) error {
	f := event.Follow(s.events, event.Query{After: s.events.Newest(), Limit: announceBatch})
	defer f.Close()
	for {
		page, err := f.Read(ctx)
		_, expired := errors.AsType[*event.CursorExpiredError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case expired:
			// Too many events came at once: the clients have to read the lists anew.
			f.Seek(s.events.Newest())
			s.transport.Notify(resources.Lists()...)
		case err != nil:
			s.log.WarnContext(ctx, "events were not announced", slog.Any("error", err))
			if wait.Sleep(ctx, announceRetry) != nil {
				return nil
			}
			continue
		}
		for i := range page.Events {
			if s.names != nil {
				s.names.Observe(&page.Events[i])
			}
			s.transport.Notify(resources.Changed(&page.Events[i])...)
		}
		select {
		case <-f.Ready():
		case <-ctx.Done():
			return nil
		}
	}
}
