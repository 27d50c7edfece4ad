package oauth

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// turns are the places for those who come back from Slack. A client has one at a time: one that sends much
// waits behind itself, and one that comes once waits for at most one request of each of the others. It is
// safe for concurrent use.
type turns struct {
	places chan struct{}

	mu    sync.Mutex
	lines map[netip.Prefix]*line // guarded by mu
}

// A line is the requests of one client: its turn is that of one of them.
type line struct {
	turn chan struct{}
	n    int // guarded by the mu of turns; how many have the turn or wait for it
}

func newTurns(atOnce int) *turns {
	return &turns{places: make(chan struct{}, atOnce), lines: map[netip.Prefix]*line{}}
}

// take waits for a place until ctx ends, and reports whether it got one, which leave gives back.
func (t *turns) take(ctx context.Context, client netip.Prefix) (leave func(), ok bool) {
	t.mu.Lock()
	l := t.lines[client]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		t.lines[client] = l
	}
	l.n++
	t.mu.Unlock()
	if !enter(ctx, l.turn) {
		t.left(client, l)
		return nil, false
	}
	if !enter(ctx, t.places) {
		<-l.turn
		t.left(client, l)
		return nil, false
	}
	return func() {
		<-t.places
		<-l.turn
		t.left(client, l)
	}, true
}

func (t *turns) left(client netip.Prefix, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.n--; l.n == 0 {
		delete(t.lines, client)
	}
}

// enter puts a token into places until ctx ends, and reports whether it did.
func enter(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// maxTried bounds the states that are remembered. Slack is asked for far fewer in their life.
const maxTried = 10_000

// tried are the states with which Slack was asked, or is being asked: whatever comes of it, a state counts
// once. It is safe for concurrent use.
type tried struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu; by state, when its cookie is over
}

// has reports whether Slack was asked with a state.
func (t *tried) has(state string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, has := t.until[state]
	return has
}

// first notes that Slack is asked with a state, and reports whether it is the first time.
func (t *tried) first(state string, until, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, has := t.until[state]; has {
		return false
	}
	if len(t.until) >= maxTried {
		t.shrink(now)
	}
	t.until[state] = until
	return true
}

// shrink forgets the states that are over, and any one where none is. It requires t.mu.
func (t *tried) shrink(now time.Time) {
	for state, until := range t.until {
		if !until.After(now) {
			delete(t.until, state)
		}
	}
	for state := range t.until {
		if len(t.until) < maxTried {
			return
		}
		delete(t.until, state)
	}
}
