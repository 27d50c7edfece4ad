package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPollAndStreamAgree posts events from several senders while one client polls and
// another holds a stream that breaks fifty times at random points, each going on with the
// last cursor that it saw: both have every event of the store once, in its order.
// FOLLOW_EVENTS makes it longer.
func TestPollAndStreamAgree(t *testing.T) {
	const breaks, senders = 50, 4
	events := number(t, "FOLLOW_EVENTS", 600)
	p := integrated(t, options{})
	selection := map[string]any{"name": "message.created", "arguments": map[string]any{"channel": pushChannel}}
	var done sync.WaitGroup
	for s := range senders {
		done.Go(func() {
			for i := s; i < events; i += senders {
				if err := p.say(pushID(i), "hello"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var streamed, polled []string
	done.Go(func() { streamed = p.followStream(t, selection, events, breaks) })
	done.Go(func() { polled = p.followPolls(t, selection, events) })
	done.Wait()

	stored := listEventIDs(t, p) // oldest first
	if len(stored) != events {
		t.Fatalf("%d of %d events are stored", len(stored), events)
	}
	if !slices.Equal(streamed, stored) {
		t.Errorf("the stream had %d events that are not the store's %d in its order", len(streamed), len(stored))
	}
	if !slices.Equal(polled, stored) {
		t.Errorf("the polls had %d events that are not the store's %d in its order", len(polled), len(stored))
	}
}

// followStream reads n events from streams, each of which it leaves at a random point
// until it has done so often enough.
func (p *process) followStream(t *testing.T, selection map[string]any, n, breaks int) (ids []string) {
	cursor := "start"
	for opened := 0; len(ids) < n; opened++ {
		want := n - len(ids)
		if opened < breaks {
			want = min(rand.IntN(2*n/breaks), want-1) // 0 leaves before the first event
		}
		got, at, err := p.readStream(t, selection, cursor, want)
		if err != nil {
			t.Errorf("stream %d: %v", opened, err)
			return ids
		}
		ids, cursor = append(ids, got...), at
	}
	return ids
}

// readStream opens a stream, reads some events, and breaks the connection.
func (p *process) readStream(t *testing.T, selection map[string]any, cursor string, want int) (ids []string, at string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	res, err := p.send(ctx, "events/stream", map[string]any{"name": selection["name"], "arguments": selection["arguments"], "cursor": cursor})
	if err != nil {
		return nil, cursor, err
	}
	defer res.Body.Close()
	at = cursor
	scan := bufio.NewScanner(res.Body)
	for scan.Scan() {
		data, ok := strings.CutPrefix(scan.Text(), "data: ")
		if !ok {
			continue
		}
		var n struct {
			Method string
			Params struct {
				EventID, Cursor string
				Truncated       bool
			}
			Error any
		}
		if err := json.Unmarshal([]byte(data), &n); err != nil || n.Error != nil || n.Params.Truncated {
			return ids, at, fmt.Errorf("%w in %s", err, data)
		}
		if n.Method == "notifications/events/event" {
			ids = append(ids, n.Params.EventID)
		}
		at = n.Params.Cursor
		if len(ids) >= want {
			return ids, at, nil
		}
	}
	return ids, at, fmt.Errorf("the stream ended: %w", scan.Err())
}

// followPolls reads n events, page by page of a random size.
func (p *process) followPolls(t *testing.T, selection map[string]any, n int) (ids []string) {
	cursor := "start"
	deadline := time.Now().Add(2 * time.Minute)
	for len(ids) < n && time.Now().Before(deadline) {
		a, err := p.modern("events/poll", map[string]any{
			"name": selection["name"], "arguments": selection["arguments"], "cursor": cursor, "maxEvents": 1 + rand.IntN(40),
		})
		var page struct {
			Events    []struct{ EventID string }
			Cursor    string
			Truncated bool
		}
		if err == nil {
			err = json.Unmarshal(a.Result, &page)
		}
		if err != nil || page.Truncated {
			t.Errorf("poll: %v, truncated %v", err, page.Truncated)
			return ids
		}
		for _, e := range page.Events {
			ids = append(ids, e.EventID)
		}
		cursor = page.Cursor
	}
	return ids
}
