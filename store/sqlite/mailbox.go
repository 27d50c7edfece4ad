package sqlite

import (
	"sync"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A mailbox is where the writer finds its work. All that comes in while it commits
// makes the next batch.
type mailbox struct {
	mu     sync.Mutex
	next   *batch
	wake   chan struct{} // holds a token while next is not empty
	ripe   chan struct{} // holds a token once next has come to goal events
	goal   int           // guarded by mu; 0 is none
	closed error         // why nothing is taken in any more, or nil; guarded by mu
	down   error         // why nothing is taken in now, or nil; guarded by mu
}

// A batch is what becomes one transaction.
type batch struct {
	entries []entry
	calls   []*call
	settled []settlement
	bytes   int
	done    chan struct{} // closed when all has its answer
	err     error         // of the transaction; set before done
}

// An entry is one event to publish and its answer.
type entry struct {
	event   event.Event
	key     eventlog.Key
	known   place // where the id was stored within the TTL
	dup     bool
	receipt queue.Receipt
	err     error
}

// A call is something else that the writer does for somebody who waits.
type call struct {
	do func(*writer) error
	// local says that it touches no file, so that it is done while the store is
	// unavailable, too.
	local bool
	err   error
}

// A settlement is the end of an attempt.
type settlement struct {
	c       *consumer
	seq     int64
	outcome consume.Outcome
	// unstarted says that the handler was never called.
	unstarted bool
}

// Bounds of a batch. What comes in beyond them waits for the next one, and its sender
// with it.
const (
	maxEntries = 512
	maxBytes   = 8 << 20
)

func newMailbox() *mailbox {
	return &mailbox{next: newBatch(), wake: make(chan struct{}, 1), ripe: make(chan struct{}, 1)}
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// publish puts an event into the next batch and returns the batch and its place there.
// A nil batch is full: the channel is closed when there is room again.
func (m *mailbox) publish(e *event.Event, key eventlog.Key) (b *batch, i int, full <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmpErr(m.closed, m.down); err != nil {
		return nil, 0, nil, err
	}
	b = m.next
	if len(b.entries) >= maxEntries || b.bytes >= maxBytes {
		return nil, 0, b.done, nil
	}
	b.entries = append(b.entries, entry{event: *e, key: key})
	b.bytes += len(e.Raw)
	switch len(b.entries) {
	case 1:
		m.ring()
	case m.goal:
		select {
		case m.ripe <- struct{}{}:
		default:
		}
	}
	return b, len(b.entries) - 1, nil, nil
}

// call puts a call into the next batch.
func (m *mailbox) call(c *call) (*batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmpErr(m.closed, m.down); err != nil && !c.local {
		return nil, err
	}
	m.next.calls = append(m.next.calls, c)
	m.ring()
	return m.next, nil
}

// settle puts the end of an attempt into the next batch. Nobody waits for it.
func (m *mailbox) settle(s settlement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next.settled = append(m.next.settled, s)
	m.ring()
}

// ring wakes the writer.
func (m *mailbox) ring() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take hands out what has come in. Settlements that an earlier batch could not record
// go first.
func (m *mailbox) take(again []settlement) *batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.next
	m.next = newBatch()
	// The next batch is likely to be as large as this one; a slice that has to grow
	// copies every event several times.
	if n := len(b.entries); n > 1 {
		m.next.entries = make([]entry, 0, n+n/4)
	}
	b.settled = append(again, b.settled...)
	return b
}

// grow asks to be told by ripe when the next batch has so many events. It reports
// whether it has them already.
func (m *mailbox) grow(goal int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.ripe: // of an earlier batch
	default:
	}
	m.goal = min(goal, maxEntries)
	return len(m.next.entries) >= m.goal
}

// waiting is how many events are in the next batch.
func (m *mailbox) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.next.entries)
}

// shut makes all that comes in fail with err from now on.
func (m *mailbox) shut(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = err
}

// suspend makes all that comes in fail with err until it is called with nil.
func (m *mailbox) suspend(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

// fail answers all that has no answer yet.
func (b *batch) fail(err error) {
	b.err = err
	close(b.done)
}
