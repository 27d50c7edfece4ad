package worker

import (
	"sync"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// maxProgress bounds how many events a group remembers the handlers of. Beyond it an
// event is forgotten, and its next attempt calls all of them again.
const maxProgress = 10_000

// progress remembers, between the attempts at an event, which handlers need no other.
type progress struct {
	mu   *sync.Mutex
	open map[event.Position]*state
}

// A state is one event's; it is used by one attempt at a time.
type state struct {
	finished []bool
	errs     []error // of the handlers that gave up
}

func newProgress() progress {
	return progress{mu: &sync.Mutex{}, open: map[event.Position]*state{}}
}

// take returns what is remembered of an event, and forgets it until keep. A first
// attempt begins anew: who redrives or replays an event wants it worked, all of it.
func (p progress) take(d queue.Delivery, handlers int) *state {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.open[d.Event.Position]
	delete(p.open, d.Event.Position)
	if ok && d.Attempt > 1 {
		return s
	}
	return &state{finished: make([]bool, handlers)}
}

// keep remembers an event that has handlers left to call.
func (p progress) keep(at event.Position, s *state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for old := range p.open {
		if len(p.open) < maxProgress {
			break
		}
		delete(p.open, old)
	}
	p.open[at] = s
}

func (s *state) done(handler int) bool { return s.finished[handler] }

// finish notes that a handler needs no other attempt: err is nil, or why it gave up.
func (s *state) finish(handler int, err error) {
	s.finished[handler] = true
	if err != nil {
		s.errs = append(s.errs, err)
	}
}
