package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/queue"
)

// A room keeps the bound on the number of events: up to which sequence number may be
// published before retention has to remove something.
type room struct {
	mu     sync.Mutex
	last   int64 // the highest sequence number that this process has seen
	coming int64 // publishes on their way
	limit  int64

	making sync.Mutex // held while room is being made
}

// reserve makes room for one publish, or answers that the store is full.
func (q *Store) reserve(ctx context.Context, s *store) error {
	r := &q.room
	r.making.Lock()
	defer r.making.Unlock()
	if r.take() {
		return nil // somebody else made room meanwhile
	}
	if err := q.makeRoom(ctx, s); err != nil {
		return err
	}
	if !r.take() {
		return fmt.Errorf("%w: %d events are kept and none is finished", queue.ErrFull, q.o.RetentionCount)
	}
	return nil
}

// take lets one publish begin, which ends with release, if there is room.
func (r *room) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last+r.coming >= r.limit {
		return false
	}
	r.coming++
	return true
}

func (r *room) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coming--
}

// saw notes that the stream has reached a sequence number.
func (r *room) saw(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(r.last, seq)
}

// state returns the last sequence number and how many publishes are on their way.
func (r *room) state() (last, coming int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.coming
}

// allow sets up to where may be published.
func (r *room) allow(limit int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = limit
}

// makeRoom removes finished events from the log, oldest first, and then the dead letters
// of events outside it, until something fits.
func (q *Store) makeRoom(ctx context.Context, s *store) error {
	_, b, err := q.bounds(ctx)
	if err != nil {
		return err
	}
	begun, err := q.begun(ctx, s, b.Last)
	if err != nil {
		return err
	}
	_, coming := q.room.state()
	most, pins := int64(q.o.RetentionCount), s.board.pinned()
	// A large store gains some room at a time, a small one exactly what it needs.
	want := b.Last + coming + 1
	to := trimTo(b.Trimmed, begun, want+min(most/100, 1000), most, pins)
	kept := b.Last - to + int64(below(pins, to))
	for kept+coming+1 > most {
		seq, ok, err := q.expireOldest(ctx, s, pins, to)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		pins = slices.DeleteFunc(pins, func(p int64) bool { return p == seq })
		kept--
	}
	if err := q.trim(ctx, s, to); err != nil {
		return err
	}
	q.room.allow(to + most - int64(below(pins, to)))
	return nil
}

// trimTo returns up to where the log has to go so that it fits with want as its last
// event, but never further than what all groups have begun. Events of which a group
// still knows something are kept for it, and go on counting.
func trimTo(trimmed, begun, want, most int64, pins []int64) int64 {
	to, held := trimmed, int64(below(pins, trimmed))
	for to < begun && want-to+held > most {
		to++
		if _, pinned := slices.BinarySearch(pins, to); pinned {
			held++
		}
	}
	return to
}

// below counts the pins up to a sequence number.
func below(pins []int64, seq int64) int {
	n, _ := slices.BinarySearch(pins, seq+1)
	return n
}

// begun is up to where all groups have begun the events.
func (q *Store) begun(ctx context.Context, s *store, last int64) (int64, error) {
	low := last
	for _, name := range s.board.names() {
		rec, rev := s.board.record(name)
		if rev == 0 {
			continue
		}
		info, err := q.consumerInfo(ctx, name)
		if err != nil {
			return 0, err
		}
		at := rec.Start
		if info != nil {
			at = max(at, int64(info.Delivered.Stream)) //nolint:gosec // below 2^53
		}
		low = min(low, at)
	}
	return low, nil
}

// consumerInfo asks for the state of a group's consumer; nil is that it has none yet.
func (q *Store) consumerInfo(ctx context.Context, group string) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := q.js.Consumer(ctx, q.names.stream, consumerOf(group)) // which asks the server
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, q.fault(err)
	}
	return c.CachedInfo(), nil
}

// expireOldest removes the oldest event outside the log of which only dead letters are
// left.
func (q *Store) expireOldest(ctx context.Context, s *store, pins []int64, to int64) (int64, bool, error) {
	for _, seq := range pins {
		if seq > to {
			break
		}
		groups, ok := s.board.onlyDead(seq)
		if !ok {
			continue
		}
		for _, name := range groups {
			if err := q.expireLetter(ctx, s, name, seq); err != nil {
				return 0, false, err
			}
		}
		return seq, true, nil
	}
	return 0, false, nil
}

// trim moves the beginning of the log up to a sequence number.
func (q *Store) trim(ctx context.Context, s *store, to int64) error {
	for {
		rec, rev := s.board.logState()
		if to <= rec.Trimmed {
			return nil
		}
		value, err := json.Marshal(logRecord{Trimmed: to})
		if err != nil {
			return err
		}
		err = q.write(ctx, s, logKey, value, rev)
		if !conflict(err) {
			return err
		}
		if err := q.refresh(ctx, s, logKey); err != nil {
			return err
		}
	}
}

// tight makes the next publish look for room anew: in another store from its beginning.
func (r *room) tight() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.limit = 0, 0
}
