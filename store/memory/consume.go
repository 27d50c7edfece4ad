package memory

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
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

// A group has worked all events up to its cursor but those that have an item in work.
// Its fields are guarded by the queue's mu, but for life and wake.
type group struct {
	name   string
	start  int64 // events up to it were never the group's
	cursor int64
	work   map[int64]*item    // seq -> what is not simply done
	due    schedule           // retrying items, the next one first
	dying  schedule           // dead letters, the oldest death first
	inWork int64              // leased items
	turn   bool               // whether a new event goes before a retry
	timer  *time.Timer        // fires when a retry is due; nil before the first
	took   map[int64]struct{} // replayed events from before start, while they are stored

	adopted, expired int64

	consumers   int
	maxDeadline time.Duration
	lastMove    time.Time // when a delivery began or a consumer came

	life context.Context // done, with ErrNoGroup as cause, once the group is dropped
	end  context.CancelCauseFunc
	wake chan struct{} // holds a token while there may be work
}

type itemState uint8

const (
	leased itemState = iota
	retrying
	dead
)

// stateNames are the states as queue.Queue names them.
var stateNames = [...]queue.State{leased: queue.InFlight, retrying: queue.Retrying, dead: queue.Dead}

// An item is an event's state in a group while that is not "waiting" or "done".
type item struct {
	seq      int64
	state    itemState
	attempts int
	at       time.Time // when it is due, or when it died
	reason   string
	index    int // in the schedule that holds it
}

func newGroup(ctx context.Context, name string, start int64) *group {
	g := &group{
		name: name, start: start, cursor: start,
		work: map[int64]*item{}, took: map[int64]struct{}{}, wake: make(chan struct{}, 1),
	}
	g.life, g.end = context.WithCancelCause(ctx)
	return g
}

// signal leaves a token for one idle worker. The worker that takes it and sees more
// work than it can do leaves another.
func (g *group) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *group) stopTimer() {
	if g.timer != nil {
		g.timer.Stop()
	}
}

// arm sees to it that a worker wakes when the next retry is due. Requires q.mu.
func (g *group) arm(now time.Time) {
	if len(g.due) == 0 {
		return
	}
	// A clock that jumps is noticed within a second.
	d := min(max(g.due[0].at.Sub(now), time.Millisecond), time.Second)
	if g.timer == nil {
		g.timer = time.AfterFunc(d, g.signal)
		return
	}
	g.timer.Reset(d)
}

// lease marks an event as being worked; w is nil for its first attempt. Requires q.mu.
func (g *group) lease(seq int64, w *item) *item {
	if w == nil {
		w = &item{seq: seq}
		g.work[seq] = w
	} else {
		heap.Remove(&g.due, w.index)
	}
	w.state = leased
	w.attempts++
	g.inWork++
	return w
}

// retry puts an item on the schedule. Requires q.mu.
func (g *group) retry(w *item, at time.Time, reason string) {
	g.detach(w)
	w.state, w.at, w.reason = retrying, at, reason
	g.work[w.seq] = w
	heap.Push(&g.due, w)
}

// bury makes an item a dead letter. Requires q.mu.
func (g *group) bury(w *item, at time.Time, reason string) {
	g.detach(w)
	w.state, w.at, w.reason = dead, at, reason
	g.work[w.seq] = w
	heap.Push(&g.dying, w)
}

// remove forgets an item: the event is done, or its dead letter expired. Requires q.mu.
func (g *group) remove(w *item) {
	g.detach(w)
	delete(g.work, w.seq)
}

func (g *group) detach(w *item) {
	if g.work[w.seq] != w {
		return
	}
	switch w.state {
	case leased:
		g.inWork--
	case retrying:
		heap.Remove(&g.due, w.index)
	case dead:
		heap.Remove(&g.dying, w.index)
	}
}

// stats counts; last is the log's newest sequence number. Requires q.mu.
func (g *group) stats(last int64) queue.GroupStats {
	s := queue.GroupStats{
		Name:     g.name,
		InFlight: g.inWork,
		Retrying: int64(len(g.due)),
		Dead:     int64(len(g.dying)),
		Expired:  g.expired,
	}
	s.Waiting = last - g.cursor + s.InFlight + s.Retrying
	s.Done = last - g.start + g.adopted - s.Waiting - s.Dead - s.Expired
	return s
}

// schedule is a heap of items by their instant.
type schedule []*item

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	if s[i].at.Equal(s[j].at) {
		return s[i].seq < s[j].seq
	}
	return s[i].at.Before(s[j].at)
}

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) {
	w := x.(*item)
	w.index = len(*s)
	*s = append(*s, w)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	old := *s
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return w
}

// Groups lists the registered groups by name.
func (q *Store) Groups(ctx context.Context) ([]string, error) {
	if err := q.enter(ctx, "groups"); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	return slices.Sorted(maps.Keys(q.groups)), nil
}

// DropGroup forgets a group; its consumers end with ErrNoGroup.
func (q *Store) DropGroup(ctx context.Context, name string) error {
	g, err := q.group(ctx, "drop group", name)
	if err != nil {
		return err
	}
	defer q.mu.Unlock()
	g.end(queue.ErrNoGroup)
	g.stopTimer()
	delete(q.groups, name)
	for seq := range g.work {
		q.unpin(seq)
	}
	clear(g.work)
	return nil
}

// group finds a group and returns with the lock held, or with an error and without.
func (q *Store) group(ctx context.Context, op, name string) (*group, error) {
	if err := q.enter(ctx, op); err != nil {
		return nil, err
	}
	g := q.groups[name]
	if g == nil {
		q.mu.Unlock()
		return nil, fmt.Errorf("%s: %w: %q", op, queue.ErrNoGroup, name)
	}
	return g, nil
}

// States says what became of an event in each group; see queue.Queue.
func (q *Store) States(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	if err := q.enter(ctx, "states"); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	seq, err := q.bounds().Seq(at)
	r := q.stored(seq)
	if err != nil || r == nil {
		return nil, fmt.Errorf("states: %w", event.ErrNotFound)
	}
	var list []queue.EventState
	for _, name := range slices.Sorted(maps.Keys(q.groups)) {
		g := q.groups[name]
		s := queue.EventState{Group: name}
		if w := g.work[seq]; w != nil {
			s.State, s.Attempts, s.Reason = stateNames[w.state], w.attempts, w.reason
			if w.state != leased {
				s.At = w.at
			}
		} else {
			_, took := g.took[seq]
			rest := consume.Rest{
				Seq: seq, Start: g.start, Cursor: g.cursor, Took: took, Adopted: g.adopted, Expired: g.expired,
				Logged: seq > q.log.trimmed, StoredAt: r.stored,
			}
			s.State = rest.State(q.o.RetentionAge, q.o.Now())
		}
		list = append(list, s)
	}
	return list, nil
}

// DeadLetters lists a group's dead letters; see queue.Queue.
func (q *Store) DeadLetters(ctx context.Context, name string, ask queue.LetterQuery) ([]queue.DeadLetter, error) {
	g, err := q.group(ctx, "dead letters", name)
	if err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	var from int64
	if ask.After != "" {
		if from, err = q.bounds().Seq(ask.After); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	items := slices.Clone(g.dying)
	items = slices.DeleteFunc(items, func(w *item) bool { return w.seq <= from })
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.seq, b.seq) })
	ask = ask.Normalize()
	var list []queue.DeadLetter
	for _, w := range items[:min(len(items), ask.Limit)] {
		e := q.stored(w.seq).event
		if ask.NoBodies {
			e.Raw = nil
		}
		list = append(list, queue.DeadLetter{Event: e, Group: name, Attempts: w.attempts, Reason: w.reason, DiedAt: w.at})
		if ask.MaxBytes -= len(e.Raw); ask.MaxBytes <= 0 {
			break
		}
	}
	return list, nil
}

// Redrive gives dead letters back to their group; see queue.Queue.
func (q *Store) Redrive(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "redrive", name, at, func(g *group, seq int64) bool {
		w := g.work[seq]
		if w == nil || w.state != dead {
			return false
		}
		g.retry(w, q.o.Now(), w.reason)
		w.attempts = 0
		return true
	})
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Store) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "drop", name, at, func(g *group, seq int64) bool {
		w := g.work[seq]
		if w == nil || w.state != dead {
			return false
		}
		g.remove(w)
		q.unpin(seq)
		return true
	})
}

// Replay schedules stored events once more; see queue.Queue.
func (q *Store) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "replay", name, at, func(g *group, seq int64) bool {
		if q.stored(seq) == nil {
			return false
		}
		w := g.work[seq]
		switch {
		case seq > g.cursor:
			return true // it waits already
		case w == nil && q.log.at(seq) == nil:
			return false // another group's: it has left the log
		case w == nil:
			g.adopt(seq)
			w = &item{seq: seq}
		case w.state == leased:
			return false
		}
		g.retry(w, q.o.Now(), w.reason)
		w.attempts = 0
		return true
	})
}

// adopt counts an event from before the group's start as the group's. Requires q.mu.
func (g *group) adopt(seq int64) {
	if seq > g.start {
		return
	}
	if _, ok := g.took[seq]; !ok {
		g.took[seq] = struct{}{}
		g.adopted++
	}
}

// each calls fn with the sequence number of each position of this epoch, and counts.
func (q *Store) each(ctx context.Context, op, name string, at []event.Position, fn func(*group, int64) bool) (int, error) {
	g, err := q.group(ctx, op, name)
	if err != nil {
		return 0, err
	}
	defer q.mu.Unlock()
	n := 0
	for _, p := range at {
		if seq, err := q.bounds().Seq(p); err == nil && fn(g, seq) {
			n++
		}
	}
	g.signal()
	return n, nil
}
