package journal

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Store is where the journal reads from; a [queue.Queue] is one.
type Store interface {
	History(ctx context.Context, q event.Query) (event.Page, error)
	Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error
}

// How long Run waits before it turns to a store again that failed.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// Run fills the window and keeps it up to date until ctx is done; then it returns nil.
// It survives a store that fails: the window stays as it is, and Run goes on behind
// its newest event as soon as the store answers. Run may be called once at a time.
func (j *Journal) Run(ctx context.Context, s Store) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { j.watchers.run(ctx) })

	backoff := wait.Backoff{First: firstPause, Most: maxPause}
	for {
		before := j.Newest()
		err := j.follow(ctx, s)
		if ctx.Err() != nil {
			return nil
		}
		if j.Newest() != before {
			backoff.Reset()
		}
		pause := backoff.Next()
		j.log.LogAttrs(ctx, slog.LevelWarn, "journal lost the store", slog.Any("error", err), slog.Duration("again_in", pause))
		if wait.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// follow fills an empty window and reads the tail behind it.
func (j *Journal) follow(ctx context.Context, s Store) error {
	from := j.Newest()
	if from == "" {
		if err := j.fill(ctx, s); err != nil {
			return err
		}
		from = j.Newest()
	}
	j.loadedOnce.Do(func() { close(j.loaded) })
	err := s.Tail(ctx, queue.Start{After: from}, func(e event.Event) error {
		j.add(e)
		return nil
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
		// The store was emptied, or has dropped what came after the window: it no longer
		// joins on. The next round begins with what the store has.
		j.mu.Lock()
		j.clear()
		j.mu.Unlock()
		j.watchers.kick()
	}
	if err == nil && ctx.Err() == nil {
		return errors.New("tail ended by itself")
	}
	return err
}

// fill reads as many of the newest events as fit.
func (j *Journal) fill(ctx context.Context, s Store) error {
	var events []event.Event
	bytes := 0
	q := event.Query{Order: event.NewestFirst, Limit: min(j.maxEvents, event.MaxLimit)}
	for len(events) < j.maxEvents && bytes < j.maxBytes {
		page, err := s.History(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Events {
			bytes += sizeOf(&page.Events[i])
		}
		events = append(events, page.Events...)
		if page.Next == "" || (len(page.Events) == 0 && !page.More) {
			break
		}
		q.After = page.Next
	}
	for _, e := range slices.Backward(events) {
		j.add(e)
	}
	return nil
}
