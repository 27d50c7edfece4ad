package sqlite

import (
	"context"
	"sync"

	"slackmcp/webhook/event"
)

// A shelf keeps the events that were read last for groups that are behind what the feed holds.
// Such groups are often at the same place, each for an event of its own at a time: so a run of
// events is read at once, and once for all of them.
type shelf struct {
	mu    sync.Mutex
	runs  map[int64]*run
	order []int64 // of the runs, the oldest first
	bytes int
}

// A run is shelfRun events in a row, as far as they were there and could be read.
type run struct {
	read   chan struct{} // closed when events is set
	events map[int64]event.Event
	bytes  int
}

// Bounds of a shelf.
const (
	shelfRun   = 32
	shelfBytes = 4 << 20
	runBytes   = 256 << 10
)

// clear forgets all events.
func (s *shelf) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs, s.order, s.bytes = map[int64]*run{}, nil, 0
}

// run returns a run, and whether the caller has to read it.
func (s *shelf) run(n int64) (r *run, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r = s.runs[n]; r != nil {
		return r, false
	}
	r = &run{read: make(chan struct{})}
	s.runs[n] = r
	s.order = append(s.order, n)
	return r, true
}

// put makes what was read of a run known, and makes room for it.
func (s *shelf) put(n int64, r *run, events map[int64]event.Event, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.events, r.bytes = events, bytes
	close(r.read)
	if s.runs[n] != r {
		return // It was forgotten meanwhile.
	}
	for s.bytes += bytes; s.bytes > shelfBytes && len(s.order) > 1; {
		oldest := s.order[0]
		s.bytes -= s.runs[oldest].bytes
		delete(s.runs, oldest)
		s.order = s.order[1:]
	}
}

// shelved returns an event from the shelf, with the run that it is in if need be.
func (q *Store) shelved(ctx context.Context, seq int64) (event.Event, bool) {
	n := (seq - 1) / shelfRun
	r, mine := q.shelf.run(n)
	if mine {
		events, bytes := q.readRun(ctx, n*shelfRun+1, (n+1)*shelfRun)
		q.shelf.put(n, r, events, bytes)
	}
	select {
	case <-r.read:
	case <-ctx.Done():
		return event.Event{}, false
	}
	e, ok := r.events[seq]
	return e, ok
}

// readRun reads some events whole. It stops where something cannot be read, and at runBytes.
func (q *Store) readRun(ctx context.Context, from, to int64) (events map[int64]event.Event, bytes int) {
	events = make(map[int64]event.Event, to-from+1)
	b := q.bounds()
	// What is missing is read alone, and the error is met there.
	_ = q.readers.use(ctx, func(s session) error {
		return s.each(func(scan func(...any) error) error {
			var raw []byte
			seq, e, err := scanEvent(scan, &raw)
			if err != nil {
				return err
			}
			e.Raw, e.Position = raw, b.Position(seq)
			events[seq] = e
			if bytes += len(raw); bytes >= runBytes {
				return errStop
			}
			return nil
		}, "SELECT "+columns+", raw FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
	})
	return events, bytes
}
