package tcp

import (
	"errors"
	"math"
	"os"
	"sync"
	"time"
)

// never is the deadline of who has none.
const never = time.Duration(math.MaxInt64)

// A half is one direction of a connection: whoever uses it now, and until when they may
// wait.
type half struct {
	turn sync.Mutex // held by who reads, or writes
	buf  []byte     // theirs
	n    int        // bytes of buf that are done
	err  error      // what the kernel said
	step func(fd uintptr) bool

	set func(time.Time) error // the poller's deadline
	// began is the moment that the durations below count from.
	began time.Time

	mu      sync.Mutex
	due     time.Duration // guarded by mu: the deadline that was asked for
	polled  time.Duration // guarded by mu: the one that the poller has
	waiting bool          // guarded by mu: in the poller
}

func (h *half) init(set func(time.Time) error, step func(fd uintptr) bool) {
	h.set, h.step = set, step
	h.began, h.due, h.polled = time.Now(), never, never
}

// setDue notes a deadline. It reports whether it lies before all that was ever asked of
// this connection, as net/http's does that ends a read.
func (h *half) setDue(t time.Time) (expired bool, err error) {
	due := never
	if !t.IsZero() {
		due = t.Sub(h.began)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = due
	if h.waiting && due < h.polled {
		err = h.poll()
	}
	return due <= 0, err
}

// poll hands the deadline to the poller. h.mu is held.
func (h *half) poll() error {
	h.polled = h.due
	if h.due == never {
		return h.set(time.Time{})
	}
	return h.set(h.began.Add(h.due))
}

// overdue reports whether the deadline has passed. h.mu is held.
func (h *half) overdue() bool {
	return h.due <= 0 || h.due != never && time.Since(h.began) >= h.due
}

// park prepares a wait in the poller; false means that there is no time for one.
func (h *half) park() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.overdue() {
		h.err = os.ErrDeadlineExceeded
		return false
	}
	if h.due < h.polled {
		if h.err = h.poll(); h.err != nil {
			return false
		}
	}
	h.waiting = true
	return true
}

// resume ends a wait.
func (h *half) resume() {
	h.mu.Lock()
	h.waiting = false
	h.mu.Unlock()
}

// run does one operation, of which raw is the connection's part.
func (h *half) run(raw func(func(fd uintptr) bool) error, p []byte) (int, error) {
	h.buf, h.n, h.err = p, 0, nil
	defer func() { h.buf = nil }()
	for h.begin() {
		err := raw(h.step)
		if err == nil {
			return h.n, h.err
		}
		again, err := h.awoken(err)
		if !again {
			return h.n, err
		}
	}
	return 0, os.ErrDeadlineExceeded
}

// begin reports whether there is time to begin.
func (h *half) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.overdue()
}

// awoken looks at why the poller ended a wait: at a deadline that has been moved since,
// the wait goes on.
func (h *half) awoken(err error) (again bool, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = false
	if !errors.Is(err, os.ErrDeadlineExceeded) || h.overdue() {
		return false, err
	}
	return true, h.poll()
}
