package visibility

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/slackapi"
)

// A gate lets the calls of one method through, those that somebody waits for before the others. Each person has
// one place at a time: whoever asks much waits behind themselves.
type gate struct {
	rate *rate.Limiter

	mu      sync.Mutex // guards what follows
	until   time.Time  // Slack asked for no calls before
	waiting int        // those that somebody waits for
	turns   map[access.Person]*turn
}

// A turn is one person's place.
type turn struct {
	place chan struct{} // capacity 1
	of    int           // calls that have or want it; guarded by the gate's mu
}

// gate returns that of a method.
func (a *asking) gate(method string) *gate {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.gates[method]
	if g == nil {
		perMinute, burst := slackapi.LimitOf(method)
		g = &gate{rate: rate.NewLimiter(rate.Limit(perMinute/60/share*a.pace), max(1, burst/share)), turns: map[access.Person]*turn{}}
		a.gates[method] = g
	}
	return g
}

// politely is how often a call that nobody waits for looks whether it is its turn.
const politely = 200 * time.Millisecond

// pass waits for a place. A call that nobody waits for stands back.
func (g *gate) pass(ctx context.Context, by asker) error {
	urgent := false
	defer func() { g.enter(urgent, -1) }()
	for {
		if !urgent && by.urgent() {
			urgent = true
			g.enter(urgent, 1)
		}
		g.mu.Lock()
		pause, busy := time.Until(g.until), g.waiting > 0
		g.mu.Unlock()
		switch {
		case pause > 0:
		case !urgent && (busy || g.rate.Tokens() < 1):
			pause = politely
		default:
			return g.inTurn(ctx, by.person)
		}
		if !urgent {
			pause = min(pause, politely)
		}
		if err := wait.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// inTurn takes a place among those of all, where the person has none yet.
func (g *gate) inTurn(ctx context.Context, p access.Person) error {
	g.mu.Lock()
	t := g.turns[p]
	if t == nil {
		t = &turn{place: make(chan struct{}, 1)}
		g.turns[p] = t
	}
	t.of++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if t.of--; t.of == 0 {
			delete(g.turns, p)
		}
	}()
	select {
	case t.place <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.place }()
	return g.rate.Wait(ctx)
}

func (g *gate) enter(urgent bool, n int) {
	if urgent {
		g.mu.Lock()
		g.waiting += n
		g.mu.Unlock()
	}
}

// failed closes the gate for as long as Slack asked for.
func (g *gate) failed(err error) {
	if e, ok := errors.AsType[*slackapi.Error](err); ok && e.Kind == slackapi.RateLimited {
		g.mu.Lock()
		g.until = time.Now().Add(max(e.RetryAfter, time.Second))
		g.mu.Unlock()
	}
}
