package tcp

import (
	"sync"
	"time"
)

// moment is how long a watch may rest before it asks the kernel; it does so after one to
// two of them.
const moment = 50 * time.Millisecond

// A watch is what a read of a single byte does first: it rests. net/http begins one for
// each request and ends it with the request, by a deadline in the past; most end before
// they have cost a system call.
type watch struct {
	in    *half
	timer *time.Timer

	mu      sync.Mutex
	wake    sync.Cond // on mu
	resting bool      // guarded by mu
	closed  bool      // guarded by mu
	armed   bool      // guarded by mu: the timer runs
	nth     uint64    // guarded by mu: counts the watches
	seen    uint64    // guarded by mu: the watch that the timer found last
}

func (w *watch) init(in *half) {
	w.in = in
	w.wake.L = &w.mu
}

// wait rests for a moment, or until the read is to end; it reports whether there is time
// to read.
func (w *watch) wait() bool {
	w.mu.Lock()
	if w.in.begin() && !w.closed {
		w.nth++
		w.resting = true
		w.arm()
		for w.resting {
			w.wake.Wait()
		}
	}
	w.mu.Unlock()
	return w.in.begin()
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

// abort ends the rest.
func (w *watch) abort() {
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

// close ends the rest for good.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.rise()
	if w.timer != nil {
		w.timer.Stop()
	}
}
