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

// setDue notes a deadline, and hands it on to who waits in the poller.
func (h *half) setDue(t time.Time) error {
	due := never
	if !t.IsZero() {
		due = t.Sub(h.began)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = due
	if h.waiting && due < h.polled {
		return h.poll()
	}
	return nil
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

// enter begins an attempt, also after a wait; false means that there is no time for one.
func (h *half) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = false
	if h.overdue() {
		h.err = os.ErrDeadlineExceeded
		return false
	}
	return true
}

// run does one operation, of which raw is the connection's part.
func (h *half) run(raw func(func(fd uintptr) bool) error, p []byte) (int, error) {
	h.buf, h.n, h.err = p, 0, nil
	defer func() { h.buf = nil }()
	for {
		err := raw(h.step)
		if err == nil {
			return h.n, h.err
		}
		if !h.awoken(err) {
			return h.n, err
		}
	}
}

// late reports whether the deadline has passed.
func (h *half) late() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.overdue()
}

// unbounded reports whether there is no deadline.
func (h *half) unbounded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.due == never
}

// awoken looks at why the poller ended a wait: at a deadline that has been moved since,
// the wait goes on.
func (h *half) awoken(err error) (again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = false
	if !errors.Is(err, os.ErrDeadlineExceeded) || h.overdue() {
		return false
	}
	return h.poll() == nil // a closed connection has no deadline
}
