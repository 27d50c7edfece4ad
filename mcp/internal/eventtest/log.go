// Package eventtest is a log of events for tests: small, in memory, with the contract
// of event.Log. It is imported by tests only.
package eventtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/sight"
	"slackmcp/webhook/event"
)

// A Log keeps every event that is appended. It is safe for concurrent use.
type Log struct {
	// Scan is how many events one page looks at; 0 is all.
	Scan int
	// Blind makes the log know nothing of sights, as a store may.
	Blind bool

	mu       sync.Mutex
	events   []event.Event
	watchers map[chan struct{}]struct{}
}

const epoch = "e0"

// Append stores events and wakes the watchers. It sets their positions, and what is
// missing of source, id and time.
func (l *Log) Append(events ...event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		e.Position = event.NewPosition(epoch, uint64(len(l.events)+1))
		if e.Source == "" {
			e.Source = event.SourceSlack
		}
		if e.ID == "" {
			e.ID = fmt.Sprintf("Ev%04d", len(l.events)+1)
		}
		if e.ReceivedAt.IsZero() {
			e.ReceivedAt = time.Unix(1_700_000_000+int64(len(l.events)), 0)
		}
		l.events = append(l.events, e)
	}
	for c := range l.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Query implements event.Log.
func (l *Log) Query(_ context.Context, q event.Query, use func(event.Page) error) error {
	page, err := l.Page(q)
	if err != nil {
		return err
	}
	return use(page)
}

// Page reads one page.
func (l *Log) Page(q event.Query) (event.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.After != "" && q.After.Epoch() != epoch {
		return event.Page{}, &event.CursorExpiredError{}
	}
	if q.Limit == 0 {
		q.Limit = event.DefaultLimit
	}
	var page event.Page
	looked, bytes := 0, event.PageBytes(q.MaxBytes)
	for _, e := range l.behind(q) {
		if len(page.Events) == q.Limit || bytes <= 0 || l.Scan > 0 && looked == l.Scan {
			page.More = true
			return page, nil
		}
		looked++
		page.Next = e.Position
		if l.selects(&q, &e) {
			if q.NoBodies {
				e.Raw = nil
			}
			page.Events = append(page.Events, e)
			bytes -= len(e.Raw)
		}
	}
	switch {
	case q.Order == event.NewestFirst:
		page.Next = ""
	case page.Next == "":
		page.Next = q.After
	}
	return page, nil
}

// selects reports whether an event is for a query.
func (l *Log) selects(q *event.Query, e *event.Event) bool {
	return q.Filter.Match(e) && (l.Blind || q.Filter.Sees(e)) && q.Filter.Says(e)
}

// behind returns the events behind a query's cursor, in its order. It requires the lock.
func (l *Log) behind(q event.Query) []event.Event {
	list := slices.Clone(l.events)
	if q.Order == event.NewestFirst {
		slices.Reverse(list)
	}
	return slices.DeleteFunc(list, func(e event.Event) bool {
		switch {
		case q.After == "":
			return false
		case q.Order == event.NewestFirst:
			return e.Position >= q.After
		}
		return e.Position <= q.After
	})
}

// Get implements event.Log.
func (l *Log) Get(_ context.Context, source, id string, use func(*event.Event) error) error {
	e, err := l.Event(source, id)
	if err != nil {
		return err
	}
	return use(&e)
}

// Event returns one event.
func (l *Log) Event(source, id string) (event.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Source == source && e.ID == id {
			return e, nil
		}
	}
	return event.Event{}, event.ErrNotFound
}

// Watch implements event.Log.
func (l *Log) Watch(event.Filter) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers == nil {
		l.watchers = map[chan struct{}]struct{}{}
	}
	l.watchers[c] = struct{}{}
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, c)
	}
}

// Watchers counts who watches.
func (l *Log) Watchers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.watchers)
}

// Newest is the position of the last event.
func (l *Log) Newest() event.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return ""
	}
	return l.events[len(l.events)-1].Position
}

// Envelope makes an event of Slack's from its inner object, as Slack posts it.
func Envelope(id string, inner map[string]any, outer ...map[string]any) event.Event {
	body := map[string]any{
		"type": "event_callback", "team_id": "T0LANTERN01", "api_app_id": "A0SANDBOX01", "event_id": id,
		"event_time": 1_700_000_000, "token": "verification-secret", "event": inner,
		"authorizations": []any{map[string]any{"team_id": "T0LANTERN01", "user_id": "U0SANDBOX01", "is_bot": true}},
	}
	for _, o := range outer {
		maps.Copy(body, o)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // a test's own literals
	}
	env, err := event.DecodeSlack(raw, event.JSON)
	if err != nil {
		panic(err)
	}
	return env.Event
}

// Service is a caller who sees every event.
func Service() *access.Principal {
	return &access.Principal{Name: "service", Scopes: []access.Scope{access.Read, access.Events, access.Write}}
}

// Events is the log for those who read it as somebody.
func (l *Log) Events() *sight.Events { return sight.Over(l, sight.Options{}) }

// Whole is the log as a service sees it.
func (l *Log) Whole() sight.Log { return l.Events().For(sight.Of(Service())) }
