package server

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

// flaky is a store that cannot be written for its first tries.
type flaky struct {
	queue.Queue
	refuse, tries int
}

func (f *flaky) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	if f.tries++; f.tries <= f.refuse {
		return queue.Receipt{}, queue.ErrUnavailable
	}
	return f.Queue.Publish(ctx, e)
}

func newFlaky(t *testing.T, refuse int) *flaky {
	t.Helper()
	q, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return &flaky{Queue: q, refuse: refuse}
}

// told are the ids of the events of gaps that are stored.
func (f *flaky) told(t *testing.T) (ids []string) {
	t.Helper()
	page, err := f.History(t.Context(), event.Query{Order: event.OldestFirst})
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Events {
		e := &page.Events[i]
		g, ok := e.Gap()
		if !ok || g.ID != e.ID || e.Source != event.SourceGaps {
			t.Errorf("stored %+v, which is no gap", e)
		}
		ids = append(ids, g.ID)
	}
	return ids
}

func noticed(id string, kind gaps.Kind, ago time.Duration) gaps.Gap {
	at := time.Now().Add(-ago)
	return gaps.Gap{ID: id, Kind: kind, From: at.Add(-time.Hour), To: at, NoticedAt: at}
}

// tellAll runs the notices of one process, which finds some gaps recorded and records
// others, for a minute.
func tellAll(t *testing.T, store gaps.Store, before []gaps.Gap, recorded ...gaps.Gap) {
	t.Helper()
	n := newGapNotices(store, 48*time.Hour, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- n.run(ctx, func(context.Context) ([]gaps.Gap, error) { return before, nil })
	}()
	for _, g := range recorded {
		n.recorded(g)
	}
	<-time.After(time.Minute)
	synctest.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestGapsArePublishedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFlaky(t, 3)
		down := noticed("1-downtime", gaps.Downtime, 0)
		grown := down
		grown.To = grown.To.Add(time.Minute)
		late := noticed("2-unavailable", gaps.Unavailable, time.Minute)
		tellAll(t, store, nil, down, noticed("1-rate_limited", gaps.RateLimited, 0), grown)
		if store.tries <= store.refuse {
			t.Error("the store was not tried again")
		}
		// The process ended after it recorded a gap, and before it told of it. Of one that
		// is older than the store's memory of ids nothing may be told again.
		old := noticed("0-downtime", gaps.Downtime, 47*time.Hour)
		tellAll(t, store, []gaps.Gap{old, down, late}, grown)
		tellAll(t, store, []gaps.Gap{old, down, late})
		if got := fmt.Sprint(store.told(t)); got != "[1-downtime 2-unavailable]" {
			t.Errorf("told of %s, want each gap once, and not of what Slack tells itself", got)
		}
	})
}

// TestPublishingOfGapsNeverWaits: while the store takes nothing, what is recorded is taken
// all the same, and what waits is bounded.
func TestPublishingOfGapsNeverWaits(t *testing.T) {
	t.Parallel()
	n := newGapNotices(newFlaky(t, 0), time.Hour, slog.New(slog.DiscardHandler))
	for i := range 3 * noticeBacklog {
		n.recorded(noticed(fmt.Sprint(i), gaps.Unreachable, 0)) // nobody takes them
	}
	if len(n.waiting) != noticeBacklog {
		t.Errorf("%d gaps wait, want %d", len(n.waiting), noticeBacklog)
	}
}
