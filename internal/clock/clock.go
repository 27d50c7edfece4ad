// Package clock doubts the wall clock before anything is removed because of its age. A clock that
// jumps ahead by a month would otherwise remove all that is kept. The witness is the time that Slack's
// answers say, or else the time that has passed since the process began.
package clock

import (
	"sync"
	"time"
)

const (
	// Tolerance is by how much the clock and the witness may differ.
	Tolerance = time.Hour
	// Patience is for how long a clock is doubted: then it is believed, so that a witness that is wrong
	// does not fill a disk.
	Patience = 7 * 24 * time.Hour
	// Await is how long the first word of a witness is waited for, where one was promised.
	Await = 10 * time.Minute
)

// A Guard knows what time it should be. Make one with New. It is safe for concurrent use.
type Guard struct {
	elapsed func() time.Duration // since the process began, by a clock that does not jump

	mu      sync.Mutex
	said    time.Time     // what the witness said
	at      time.Duration // when it did
	witness bool          // whether it was Slack
	awaited bool          // whether Slack is to say something
	watches []*watch
}

// New returns a Guard whose witness is the time since now, until another one speaks. awaited says that
// one will: within the first ten minutes nothing grows old without it.
func New(awaited bool) *Guard {
	began := time.Now()
	return newGuard(began.Round(0), awaited, func() time.Duration { return time.Since(began) })
}

func newGuard(now time.Time, awaited bool, elapsed func() time.Duration) *Guard {
	return &Guard{said: now, awaited: awaited, elapsed: elapsed}
}

// Witness takes in what time a server says that is to be believed.
func (g *Guard) Witness(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said, g.at, g.witness = now, g.elapsed(), true
}

// A watch is one clock that is doubted or not.
type watch struct {
	of       string
	differs  time.Duration
	doubted  bool
	since    time.Duration
	believed bool // because the patience has ended
}

// Watch returns what says for a clock by which time things grow old: by the time that the clock
// shows, or, while that is doubted, by one at which nothing is old. of says in words whose clock it is.
func (g *Guard) Watch(of string) func(now time.Time) time.Time {
	w := &watch{of: of}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watches = append(g.watches, w)
	return func(now time.Time) time.Time {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.doubts(w, now) {
			return time.Unix(0, 0)
		}
		return now
	}
}

// doubts requires the lock.
func (g *Guard) doubts(w *watch, now time.Time) bool {
	passed := g.elapsed()
	if g.awaits(passed) {
		return true
	}
	w.differs = now.Round(0).Sub(g.said.Add(passed - g.at))
	if w.differs.Abs() <= Tolerance {
		w.doubted, w.believed = false, false
		return false
	}
	if !w.doubted {
		w.doubted, w.since = true, passed
	}
	w.believed = passed-w.since >= Patience
	return !w.believed
}

// awaits reports whether the first word of the witness is waited for. It requires the lock.
func (g *Guard) awaits(passed time.Duration) bool { return g.awaited && !g.witness && passed < Await }

// Settled reports whether what [Guard.Believed] says may be gone by to remove something: not while the first word of
// the witness is waited for.
func (g *Guard) Settled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.awaits(g.elapsed())
}

// Believed is what time it is: what the clock shows, or, while a clock is doubted that was asked about, what the
// witness says.
func (g *Guard) Believed(now time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.watches {
		if g.doubts(w, now) && w.doubted {
			return g.said.Add(g.elapsed() - g.at)
		}
	}
	return now
}

// A Doubt is a clock that differs from the witness.
type Doubt struct {
	// Of says in words whose clock it is.
	Of string
	// Differs is by how much it is ahead; negative is behind.
	Differs time.Duration
	// Left is for how long it is still doubted; 0 is no longer.
	Left time.Duration
	// Slack says that the witness is Slack, and not the time that has passed.
	Slack bool
}

// Doubts are the clocks that differ from the witness as they were asked about last.
func (g *Guard) Doubts() (list []Doubt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.watches {
		if w.doubted {
			list = append(list, Doubt{w.of, w.differs, max(0, Patience-(g.elapsed()-w.since)), g.witness})
		}
	}
	return list
}
