package memory

import (
	"container/heap"
	"context"
	"time"

	"slackmcp/store/queue"
)

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
