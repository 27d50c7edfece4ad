package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A view is what the last commit made of the store, for everybody but the writer.
type view struct {
	epoch         string
	last, trimmed int64
	seen          *seen
	groups        []groupView // by name
}

// A groupView is one group's part.
type groupView struct {
	id          int64
	stats       queue.GroupStats
	cursor      int64
	leases      int64 // the oldest first attempt that runs; 0 is none
	nextDue     int64
	consumers   int
	maxDeadline time.Duration
	lastMove    time.Time
}

func (v *view) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: v.epoch, Trimmed: v.trimmed, Last: v.last}
}

func (w *writer) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: w.epoch, Trimmed: w.trimmed, Last: w.last}
}

func (w *writer) position(seq int64) event.Position { return w.bounds().Position(seq) }

// show makes the writer's state the view.
func (w *writer) show() {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	v := &w.q.view
	v.epoch, v.last, v.trimmed, v.seen = w.epoch, w.last, w.trimmed, w.seen
	v.groups = v.groups[:0]
	for _, name := range w.names() {
		g := w.groups[name]
		gv := groupView{
			id: g.id, stats: g.stats(w.last), cursor: g.cursor,
			nextDue: g.nextDue, consumers: len(g.consumers), lastMove: g.lastMove,
		}
		for seq, l := range g.leases {
			if !l.row && (gv.leases == 0 || seq < gv.leases) {
				gv.leases = seq
			}
		}
		for _, c := range g.consumers {
			gv.maxDeadline = max(gv.maxDeadline, c.g.Deadline)
		}
		v.groups = append(v.groups, gv)
	}
}

// groupID finds a group's number.
func (q *Queue) groupID(name string) (int64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.view.groups {
		if q.view.groups[i].stats.Name == name {
			return q.view.groups[i].id, true
		}
	}
	return 0, false
}

// Stats counts; see queue.Queue. It answers also while the store is unavailable, then
// without the instants that have to be read.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.ready(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	q.mu.Lock()
	v := q.view
	groups := append([]groupView(nil), v.groups...)
	q.mu.Unlock()
	s := queue.Stats{
		Backend:    "sqlite",
		Durability: durability(q.o.Synchronous),
		Epoch:      v.epoch,
		Accepted:   v.last,
		Expired:    v.trimmed,
		Events:     v.last - v.trimmed,
		SeenIDs:    v.seen.len(),
	}
	if s.Events > 0 {
		b := v.bounds()
		s.Oldest, s.Newest = b.Position(v.trimmed+1), b.Position(v.last)
	}
	now := q.o.Now()
	for i := range groups {
		gs, err := q.groupStats(ctx, &groups[i], v.bounds(), now)
		if err != nil && !errors.Is(err, queue.ErrUnavailable) {
			return queue.Stats{}, fmt.Errorf("stats: %w", err)
		}
		s.Groups = append(s.Groups, gs)
	}
	return s, nil
}

func durability(s Synchronous) string {
	if s == Normal {
		return "neither a crash nor a restart takes an accepted event; a power loss takes those of the last seconds"
	}
	return "each event is on the disk (fsync) before it is accepted: neither a crash nor a power loss takes it"
}

// groupStats adds the instants to a group's counts.
func (q *Queue) groupStats(ctx context.Context, g *groupView, b eventlog.Bounds, now time.Time) (queue.GroupStats, error) {
	s := g.stats
	if s.Waiting == 0 {
		return s, nil
	}
	fresh := time.Time{} // when the next new event was received
	err := q.pool.use(ctx, func(r *reader) error {
		var err error
		if g.cursor < b.Last {
			if fresh, err = r.receivedAt(b, g.cursor+1); err != nil {
				return err
			}
		}
		oldest := g.cursor + 1
		if g.leases != 0 {
			oldest = g.leases
		}
		r.oldest.BindInt(1, g.id)
		seq, err := one(r.oldest)
		if err != nil {
			return err
		}
		if seq != 0 {
			oldest = min(oldest, seq)
		}
		s.OldestWaiting, err = r.receivedAt(b, oldest)
		return err
	})
	s.StalledSince = g.stalledSince(fresh, now)
	return s, err
}

func (r *reader) receivedAt(b eventlog.Bounds, seq int64) (time.Time, error) {
	e, err := r.event(b, seq)
	if errors.Is(err, event.ErrNotFound) {
		return time.Time{}, nil // finished and removed since the counts were taken
	}
	return e.ReceivedAt, err
}

// stallGrace is how much longer than a whole attempt nothing may be delivered while
// events are due, before the group counts as stalled.
const stallGrace = 10 * time.Second

// stalledSince is when the watchdog saw that events were due and that for longer than
// an attempt may take nothing was delivered. fresh is when the next new event was
// received, or zero.
func (g *groupView) stalledSince(fresh, now time.Time) time.Time {
	due := fresh
	if g.nextDue != 0 && (due.IsZero() || g.nextDue < due.UnixNano()) {
		due = time.Unix(0, g.nextDue)
	}
	if g.consumers == 0 || due.IsZero() {
		return time.Time{}
	}
	if due.Before(g.lastMove) {
		due = g.lastMove
	}
	if seen := due.Add(g.maxDeadline + stallGrace); !seen.After(now) {
		return seen
	}
	return time.Time{}
}
