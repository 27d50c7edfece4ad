package tcp

import (
	"sync"
	"sync/atomic"
	"time"
)

// moment is how long a watch may rest before it asks the kernel; it does so after one to
// two of them.
const moment = 50 * time.Millisecond

// A watch is what a read of a single byte does first: it rests. net/http begins one for
// each request and ends it with the request, by a deadline in the past; most end before
// they have cost a system call.
type watch struct {
	in     *half
	closed *atomic.Bool
	timer  *time.Timer
	begun  atomic.Bool // a rest, or about to be; so that others need no lock

	mu      sync.Mutex
	wake    sync.Cond // on mu
	resting bool      // guarded by mu
	armed   bool      // guarded by mu: the timer runs
	nth     uint64    // guarded by mu: counts the watches
	seen    uint64    // guarded by mu: the watch that the timer found last
}

func (w *watch) init(in *half, closed *atomic.Bool) {
	w.in, w.closed = in, closed
	w.wake.L = &w.mu
}

// wait rests for a moment, or until the read is to end; false means that its deadline has
// passed. A read that has a deadline already does not rest, nor one of a closed
// connection: the read itself tells of that.
func (w *watch) wait() bool {
	w.mu.Lock()
	w.begun.Store(true) // who sets a deadline or closes from here on looks for us
	if w.in.unbounded() && !w.closed.Load() {
		w.nth++
		w.resting = true
		w.arm()
		for w.resting {
			w.wake.Wait()
		}
	}
	w.begun.Store(false)
	w.mu.Unlock()
	return w.closed.Load() || !w.in.late()
}

// arm sees to it that the timer runs. It is not stopped with the watch: under load it
// fires now and then, and finds another watch.
func (w *watch) arm() {
	switch {
	case w.armed:
		return
	case w.timer == nil:
		w.timer = time.AfterFunc(moment, w.tick)
	default:
		w.timer.Reset(moment)
	}
	w.armed = true
}

func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	switch {
	case !w.resting:
	case w.seen == w.nth:
		w.rise()
	default:
		w.seen = w.nth
		w.arm()
	}
}

// look ends the rest when the deadline has passed.
func (w *watch) look() {
	if w.begun.Load() && w.in.late() {
		w.stop()
	}
}

// stop ends the rest.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rise()
}

func (w *watch) rise() {
	if w.resting {
		w.resting = false
		w.wake.Signal()
	}
}
