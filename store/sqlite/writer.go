package sqlite

import (
	"errors"
	"fmt"
	"time"

	"slackmcp/store/internal/engine"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A writer is the one goroutine that writes. It takes what has come in and makes one
// transaction of it:
//
//  1. the ends of attempts,
//  2. the new events, each unless its id was seen,
//  3. what operators and consumers ask for,
//  4. retention, and the seen ids' runs,
//  5. claims for the workers that are free, also of the events that have just come.
//
// Then it commits, which returns when the write-ahead log is on the disk, and only then
// it answers, shows the events to those who follow, and hands out what it claimed. Its
// fields are what the tables say; after an error they are read anew.
type writer struct {
	q    *Queue
	conn *engine.Conn
	stmt statements
	// chunk reads seen ids by a statement of stmt.
	chunk chunkReader

	epoch         string
	last, trimmed int64 // the log: trimmed < seq <= last
	mark          int64 // the latest received_at, in Unix nanoseconds
	oldestAt      int64 // when the oldest event was stored; 0 is unknown
	pinned        int64 // events at or before trimmed that are still stored
	seen          *seen
	groups        map[string]*group
	sweepAt       time.Time // when retention by age looks next

	tx      bool
	fresh   []event.Event          // stored in this transaction
	claims  []promise              // made in this transaction
	dropped []*consumer            // whose group was dropped in this transaction
	again   []settlement           // could not be recorded so far
	crowd   int                    // how many published at once lately
	timer   *time.Timer            // the writer's alarm
	active  map[*consumer]struct{} // who consumes, across reopening
}

func newWriter(q *Queue) *writer {
	return &writer{q: q, active: map[*consumer]struct{}{}}
}

// run works until Close.
func (w *writer) run() {
	defer close(w.q.stopped)
	w.timer = time.NewTimer(0)
	defer w.timer.Stop()
	for w.await() {
		w.gather()
		w.serve(w.q.mail.take(w.again))
	}
	// What came in before the end, settlements above all, is still recorded.
	w.serve(w.q.mail.take(w.again))
	w.q.mail.take(nil).fail(queue.ErrClosed)
	w.q.closed = w.close()
}

// await waits until there is something to do; false is the end.
func (w *writer) await() bool {
	w.timer.Reset(w.pause())
	select {
	case <-w.q.mail.wake:
	case <-w.timer.C:
	case <-w.q.stop:
		return false
	}
	return true
}

// The window in which a batch may grow. It pays only when several publish at once;
// one alone is never kept waiting. It is as long as 32 requests take that were answered
// together and come again: in half the time a sixth of them is left for the next commit.
const (
	window      = 2 * time.Millisecond
	windowFloor = 4
)

// gather gives a batch time to grow, until as many publish as did before.
func (w *writer) gather() {
	if w.crowd < windowFloor || w.q.mail.grow(w.crowd) {
		return
	}
	w.timer.Reset(window)
	select {
	case <-w.q.mail.ripe:
	case <-w.timer.C:
	case <-w.q.stop:
		return
	}
}

// serve makes one transaction of a batch, and recovers when that fails.
func (w *writer) serve(b *batch) {
	w.again = nil
	if w.conn == nil {
		b.fail(queue.ErrUnavailable) // closed while it was being reopened
		return
	}
	err := w.apply(b)
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		w.again = b.settled
		w.abandon()
		b.fail(unavailable(err))
		w.recover(err)
		return
	}
	w.seen.show()
	w.show()
	w.q.feed.add(w.fresh)
	// Those who are answered now, and those who came meanwhile.
	w.crowd = len(b.entries) + w.q.mail.waiting()
	b.fail(nil)
	for i := range b.settled {
		c := b.settled[i].c
		delete(c.inFlight, b.settled[i].seq)
		w.forget(c)
	}
	for _, c := range w.dropped {
		c.attached, c.dropped = false, true
		close(c.gone)
	}
	w.dropped = nil
	w.handOut()
}

// apply does all of a batch but the commit. An error is the store's, not a caller's.
func (w *writer) apply(b *batch) error {
	now := w.q.o.Now()
	clear(w.fresh)
	w.fresh = w.fresh[:0]
	for i := range b.settled {
		if err := w.settle(&b.settled[i], now); err != nil {
			return err
		}
	}
	if err := w.publish(b.entries, now); err != nil {
		return err
	}
	for _, c := range b.calls {
		c.err = c.do(w)
		if broken(c.err) {
			return c.err
		}
	}
	if err := w.sweep(now); err != nil {
		return err
	}
	if err := w.index(); err != nil {
		return err
	}
	if err := w.pump(now); err != nil {
		return err
	}
	return w.saveGroups()
}

// broken tells an error of the store from one that is a caller's.
func broken(err error) bool {
	var e *engine.Error
	return errors.As(err, &e)
}

// begin opens the transaction unless it is open.
func (w *writer) begin() error {
	if w.tx {
		return nil
	}
	if err := w.stmt.begin.Run(); err != nil {
		return err
	}
	w.tx = true
	return nil
}

// write runs a statement within the transaction.
func (w *writer) write(s *engine.Stmt) error {
	if err := w.begin(); err != nil {
		s.Reset()
		return err
	}
	return s.Run()
}

// commit ends the transaction. When it returns nil, everything is on the disk.
func (w *writer) commit() error {
	if !w.tx {
		return nil
	}
	if err := w.stmt.commit.Run(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.tx = false
	return nil
}

// abandon forgets what the failed transaction did in memory. recover reads the rest.
func (w *writer) abandon() {
	w.tx = false
	w.fresh = nil
	w.claims = w.claims[:0]
	w.dropped = nil
}

// How long the writer sleeps at most: while something is scheduled, so that a clock
// that jumps is noticed, and otherwise.
const (
	alertPause = time.Second
	idlePause  = 30 * time.Second
)

// pause is how long the writer may sleep.
func (w *writer) pause() time.Duration {
	d := idlePause
	now := w.q.o.Now()
	for _, g := range w.groups {
		if len(g.consumers) == 0 {
			continue
		}
		d = min(d, alertPause)
		// What is due has to wait for a worker, whose end wakes the writer.
		if g.nextDue != 0 && g.free() > 0 {
			d = min(d, max(0, time.Unix(0, g.nextDue).Sub(now)))
		}
	}
	return d
}
