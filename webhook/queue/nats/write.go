package nats

import (
	"context"
	"errors"
	"math"

	"github.com/nats-io/nats.go/jetstream"
)

// write puts a value on condition that the key still has the revision that the board
// has; 0 is that there is no such key. A conflict is returned as it is.
func (q *Queue) write(ctx context.Context, s *store, key string, value []byte, rev uint64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var now uint64
	var err error
	if rev == 0 {
		now, err = s.kv.Create(ctx, key, value)
	} else {
		now, err = s.kv.Update(ctx, key, value, rev)
	}
	switch {
	case err == nil:
		s.board.wrote(key, value, now)
		return nil
	case conflict(err):
		return err
	}
	return q.fault(err)
}

// remove takes a key away on condition of its revision.
func (q *Queue) remove(ctx context.Context, s *store, key string, rev uint64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := s.kv.Purge(ctx, key, jetstream.LastRevision(rev), jetstream.PurgeTTL(markerTTL))
	switch {
	case err == nil:
		s.board.removed(key, rev)
		return nil
	case conflict(err):
		return err
	}
	return q.fault(err)
}

// refresh reads one key anew, after a conflict: the board may not know of it yet.
func (q *Queue) refresh(ctx context.Context, s *store, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	e, err := s.kv.Get(ctx, key)
	switch {
	case err == nil:
		s.board.take(ctx, e)
		return nil
	case errors.Is(err, jetstream.ErrKeyNotFound):
		s.board.lost(key)
		return nil
	}
	return q.fault(err)
}

// lost takes a key off the board that is not in the bucket.
func (b *board) lost(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if key == logKey {
		b.log, b.logRev = logRecord{}, 0
		return
	}
	b.erase(key, math.MaxUint64)
}
