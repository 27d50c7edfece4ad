package consume

import (
	"context"
	"slices"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// OrderReason is why a delivery was sent back, as it is stored beside it.
const OrderReason = "waits for an earlier event of its key"

// Bounds.
const (
	// maxHeld bounds how many deliveries are remembered; beyond it order is not kept.
	maxHeld = 100_000
	// patience is how long a delivery waits at most beside the one that runs before it:
	// well below a lease.
	patience = 10 * time.Second
	// step and most say when a delivery that was sent back comes again, while nothing
	// better is known.
	step = 200 * time.Millisecond
	most = 5 * time.Second
	// apart keeps those that were sent back in their order.
	apart = 2 * time.Millisecond
)

// A Sequencer has one consumer work events with the same key one after another. It stands
// between the hand-out of deliveries, which is in order, and the workers, which are not.
// It knows every delivery that was handed out and is not settled, lets one run when no
// earlier one with its key is left, and otherwise has it wait, for a moment beside the one
// that runs, or else back in the store without counting an attempt.
//
// It knows what its own consumer was handed: other consumers of the group have an order of
// their own, and what was being tried again when the process ended is known only once it
// is handed out anew.
//
// A nil Sequencer orders nothing. A Sequencer is safe for concurrent use.
type Sequencer struct {
	key     func(*event.Event) string
	waiters int // how many may wait beside those that run

	mu      sync.Mutex
	changed chan struct{}    // closed and renewed with every change
	taken   map[int64]bool   // handed out, and not yet looked at
	lanes   map[string]*lane // by key
	held    int              // deliveries in all lanes
	waiting int
}

// A lane holds the deliveries of one key that are not settled, in order.
type lane struct {
	list    []int64
	here    map[int64]bool // those that have entered: one runs, the others wait
	running bool
	due     time.Time // when the first is tried again; zero when that is not known
}

// NewSequencer returns the sequencer of a group, nil when the group orders nothing.
func NewSequencer(g queue.Group) *Sequencer {
	if g.Key == nil {
		return nil
	}
	return &Sequencer{
		key: g.Key, waiters: g.Workers / 2, changed: make(chan struct{}),
		taken: map[int64]bool{}, lanes: map[string]*lane{},
	}
}

// Taken notes a delivery, by its number in the log. Calls are in the order of the
// hand-out; each is followed by one of Enter or Skip.
func (s *Sequencer) Taken(seq int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[seq] = true
}

// Hold notes that a delivery will not be run now but is tried again after a delay: its
// key waits for it.
func (s *Sequencer) Hold(seq int64, e *event.Event, delay time.Duration) {
	if s == nil {
		return
	}
	key := s.key(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, seq)
	defer s.signal()
	if key == "" {
		return
	}
	l := s.lane(key)
	if s.join(l, seq) && l.list[0] == seq && !l.running {
		l.due = time.Now().Add(delay)
	}
}

// Skip notes that a delivery will not be run.
func (s *Sequencer) Skip(seq int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, seq)
	s.signal()
}

// A Turn is a delivery's turn to run; it must be ended. The zero Turn orders nothing.
type Turn struct {
	s   *Sequencer
	key string
	seq int64
}

// Enter waits for a delivery's turn. ok is false when it is not its turn now: it has to
// be sent back, uncounted, to come again after the delay.
func (s *Sequencer) Enter(ctx context.Context, seq int64, e *event.Event) (t Turn, delay time.Duration, ok bool) {
	if s == nil {
		return Turn{}, 0, true
	}
	key := s.key(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, seq)
	s.signal()
	if key == "" {
		return Turn{}, 0, true
	}
	l := s.lane(key)
	if !s.join(l, seq) {
		if len(l.list) == 0 {
			delete(s.lanes, key)
		}
		return Turn{}, 0, true // too many are held: out of order is better than not at all
	}
	l.here[seq] = true
	until := time.NewTimer(patience)
	defer until.Stop()
	for !s.turn(l, seq) {
		// Those that were handed out before are looked at within microseconds; the first
		// may be in the store, to be tried again later.
		soon := s.unseen(seq) || l.here[l.list[0]] && s.waiting < s.waiters
		if !soon || !s.wait(ctx, until.C) {
			delete(l.here, seq)
			s.signal() // a delivery may wait for this one to run
			return Turn{}, l.delay(seq), false
		}
	}
	l.running, l.due = true, time.Time{}
	return Turn{s, key, seq}, 0, true
}

// wait lets go of the lock until something changes, or the delivery has waited enough.
// Requires s.mu, and has it again at the end.
func (s *Sequencer) wait(ctx context.Context, enough <-chan time.Time) bool {
	changed := s.changed
	s.waiting++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.waiting--
	}()
	select {
	case <-changed:
		return true
	case <-enough:
	case <-ctx.Done():
	}
	return false
}

// turn reports whether nothing stands before a delivery. Requires s.mu.
func (s *Sequencer) turn(l *lane, seq int64) bool {
	return !l.running && l.list[0] == seq && !s.unseen(seq)
}

// unseen reports whether an earlier delivery was handed out whose key is not yet known.
// Requires s.mu.
func (s *Sequencer) unseen(seq int64) bool {
	for earlier := range s.taken {
		if earlier < seq {
			return true
		}
	}
	return false
}

func (s *Sequencer) lane(key string) *lane {
	l := s.lanes[key]
	if l == nil {
		l = &lane{here: map[int64]bool{}}
		s.lanes[key] = l
	}
	return l
}

// join puts a delivery into its lane, unless it is there from an earlier try, or too
// many are held. Requires s.mu.
func (s *Sequencer) join(l *lane, seq int64) bool {
	at, there := slices.BinarySearch(l.list, seq)
	if there {
		return true
	}
	if s.held >= maxHeld {
		return false
	}
	l.list = slices.Insert(l.list, at, seq)
	s.held++
	return true
}

// delay is when a delivery that is not first comes again: after the first, and those
// before it.
func (l *lane) delay(seq int64) time.Duration {
	at, _ := slices.BinarySearch(l.list, seq)
	wait := step
	if d := time.Until(l.due); !l.running && d > wait {
		wait = d
	}
	return wait + min(time.Duration(at)*apart, most)
}

// End ends a turn. again says that the delivery is tried again after a delay, so that its
// key waits for it; otherwise it is settled.
func (t Turn) End(again bool, delay time.Duration) {
	if t.s == nil {
		return
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	l := t.s.lanes[t.key]
	l.running = false
	delete(l.here, t.seq)
	if again {
		l.due = time.Now().Add(delay)
	} else if at, there := slices.BinarySearch(l.list, t.seq); there {
		l.list = slices.Delete(l.list, at, at+1)
		t.s.held--
	}
	if len(l.list) == 0 {
		delete(t.s.lanes, t.key)
	}
	t.s.signal()
}

// signal wakes those that wait. Requires s.mu.
func (s *Sequencer) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}
