package memory

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

// Consume works a group's events; see queue.Queue.
func (q *Store) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	grp, err := q.register(g)
	if err != nil {
		return err
	}
	defer q.leave(grp)
	return consume.Run(ctx, g, h, &consumer{q: q, grp: grp, g: g}, consume.Options{Log: slog.New(slog.DiscardHandler), Life: grp.life})
}

// register finds the group or makes it, and counts the consumer in.
func (q *Store) register(g queue.Group) (*group, error) {
	if err := q.enter(q.life, "consume"); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	grp := q.groups[g.Name]
	if grp == nil {
		start, err := q.locate(g.Start)
		if err != nil {
			return nil, fmt.Errorf("consume %s: %w", g.Name, err)
		}
		grp = newGroup(q.life, g.Name, start)
		q.groups[g.Name] = grp
	}
	grp.consumers++
	grp.maxDeadline = max(grp.maxDeadline, g.Deadline)
	grp.lastMove = q.o.Now()
	grp.signal()
	return grp, nil
}

func (q *Store) leave(grp *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	grp.consumers--
	grp.signal() // a token that a leaving worker took is another consumer's
}

// A consumer is one call of Consume; it is the backend of a consume.Run.
type consumer struct {
	q   *Store
	grp *group
	g   queue.Group
}

// Take implements consume.Backend.
func (c *consumer) Take(ctx context.Context, n int) ([]consume.Item[*item], error) {
	for ctx.Err() == nil {
		items, more := c.claim(n)
		if len(items) > 0 {
			return items, nil
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-c.grp.wake:
		}
	}
	c.grp.signal() // the token that this consumer took may be another one's
	return nil, nil
}

// maxSkip bounds how many events a claim passes over that the filter does not want,
// so that the lock is not held for long.
const maxSkip = 512

// claim takes at most n events to work. Without one, more says that it stopped early.
func (c *consumer) claim(n int) (items []consume.Item[*item], more bool) {
	q, g := c.q, c.grp
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.life.Err() != nil {
		return nil, false
	}
	now := q.o.Now()
	for skipped := 0; len(items) < n && skipped < maxSkip; {
		seq, w := c.pick(now)
		if seq == 0 {
			g.arm(now)
			return items, false
		}
		r := q.stored(seq)
		if !c.g.Filter.Match(&r.event) {
			if w != nil {
				g.remove(w)
				q.unpin(seq)
			}
			skipped++
			continue
		}
		w = g.lease(seq, w)
		g.lastMove = now
		items = append(items, consume.Item[*item]{Lease: w, Event: r.event, Attempt: w.attempts})
	}
	if g.cursor < q.log.last() || len(g.due) > 0 {
		g.signal() // for another consumer of the group
	}
	return items, true
}

// pick chooses what is next, with its item if it was tried before; 0 is nothing. New
// events and due retries take turns, so that neither a backlog nor a storm of failures
// starves the other. Requires q.mu.
func (c *consumer) pick(now time.Time) (int64, *item) {
	g := c.grp
	fresh := g.cursor < c.q.log.last()
	due := len(g.due) > 0 && !g.due[0].at.After(now)
	switch {
	case due && (!fresh || !g.turn):
		g.turn = true
		return g.due[0].seq, g.due[0]
	case fresh:
		g.turn = false
		g.cursor++
		return g.cursor, nil
	}
	return 0, nil
}

// Extend implements consume.Backend: leases inside the process need no renewal.
func (c *consumer) Extend(context.Context, []*item) ([]*item, error) { return nil, nil }

// Settle implements consume.Backend.
func (c *consumer) Settle(_ context.Context, w *item, o consume.Outcome) error {
	q, g := c.q, c.grp
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.work[w.seq] != w {
		return nil // the group was dropped meanwhile
	}
	now := q.o.Now()
	switch {
	case o.Done:
		g.remove(w)
		q.unpin(w.seq)
	case o.Dead:
		g.bury(w, now, o.Reason)
	default:
		if o.Postponed {
			w.attempts--
		}
		g.retry(w, now.Add(o.Delay), o.Reason)
		g.signal()
	}
	return nil
}
