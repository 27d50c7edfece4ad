package sqlite

import (
	"time"

	"slackmcp/webhook/event"
)

// A promise is a delivery that is handed out once it is committed.
type promise struct {
	c *consumer
	delivery
}

// pump claims events for the workers that are free.
func (w *writer) pump(now time.Time) error {
	w.claims = w.claims[:0]
	for _, g := range w.groups {
		if err := w.pumpGroup(g, now); err != nil {
			return err
		}
	}
	return nil
}

// pumpGroup claims for one group. New events and due retries take turns, so that
// neither a backlog nor a storm of failures starves the other.
func (w *writer) pumpGroup(g *group, now time.Time) error {
	free := g.free()
	if free == 0 {
		return nil
	}
	due, err := w.due(g, now, free)
	if err != nil {
		return err
	}
	taken, next := 0, 0
	for range free {
		c := g.pick(&next)
		fresh := w.skip(g, c)
		if taken < len(due) && (!fresh || !g.turn) {
			g.turn = true
			if err := w.claimDue(g, c, due[taken]); err != nil {
				return err
			}
			taken++
			continue
		}
		if !fresh {
			break
		}
		g.turn = false
		w.claimNew(g, c)
	}
	if taken > 0 {
		return w.refresh(g)
	}
	return nil
}

// free is how many workers have nothing to do.
func (g *group) free() int {
	n := 0
	for _, c := range g.consumers {
		n += c.free
	}
	return n
}

// pick returns the consumers with a free worker in turn.
func (g *group) pick(next *int) *consumer {
	for {
		c := g.consumers[*next%len(g.consumers)]
		*next++
		if c.free > 0 {
			return c
		}
	}
}

// due reads the retries that are due.
func (w *writer) due(g *group, now time.Time, limit int) ([]delivery, error) {
	if g.nextDue == 0 || g.nextDue > now.UnixNano() {
		return nil, nil
	}
	s := w.stmt.dueWork
	s.BindInt(1, g.id)
	s.BindInt(2, now.UnixNano())
	s.BindInt(3, int64(limit))
	var list []delivery
	err := s.Each(func() error {
		list = append(list, delivery{seq: s.Int(0), attempt: int(s.Int(1)) + 1})
		return nil
	})
	return list, err
}

// skip passes over new events that the consumer's filter does not want, as far as they
// are in memory, and reports whether there is one to claim. The rest is filtered when
// it is read.
func (w *writer) skip(g *group, c *consumer) bool {
	for ; g.cursor < w.last; g.cursor++ {
		e, ok := w.recent(g.cursor + 1)
		if !ok || c.g.Filter.Match(&e) {
			return true
		}
		g.dirty = true
	}
	return false
}

// recent returns a new event from memory.
func (w *writer) recent(seq int64) (event.Event, bool) {
	if i := seq - (w.last - int64(len(w.fresh))) - 1; i >= 0 {
		return w.fresh[i], true
	}
	return w.q.feed.get(seq)
}

func (w *writer) claimNew(g *group, c *consumer) {
	g.cursor++
	g.dirty = true
	d := delivery{seq: g.cursor, attempt: 1}
	if e, ok := w.recent(d.seq); ok {
		d.event = &e
	}
	w.take(g, c, d, lease{attempt: 1})
}

func (w *writer) claimDue(g *group, c *consumer, d delivery) error {
	s := w.stmt.leaseWork
	s.BindInt(1, g.id)
	s.BindInt(2, d.seq)
	if err := w.write(s); err != nil {
		return err
	}
	g.retrying--
	w.take(g, c, d, lease{attempt: d.attempt, row: true})
	return nil
}

func (w *writer) take(g *group, c *consumer, d delivery, l lease) {
	g.leases[d.seq] = l
	g.lastMove = w.q.o.Now()
	c.free--
	w.claims = append(w.claims, promise{c: c, delivery: d})
}

// handOut gives the claimed events to their consumers. A consumer's channel has room
// for all its workers, so this never waits.
func (w *writer) handOut() {
	for i := range w.claims {
		w.claims[i].c.order.Taken(w.claims[i].seq)
	}
	for i := range w.claims {
		c := w.claims[i].c
		c.inFlight[w.claims[i].seq] = struct{}{}
		c.work <- w.claims[i].delivery
	}
	clear(w.claims)
	w.claims = w.claims[:0]
}
