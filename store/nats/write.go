package nats

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// write puts a value on condition that the key still has the revision that the board
// has; 0 is that there is no such key. A conflict is returned as it is.
func (q *Store) write(ctx context.Context, s *store, key string, value []byte, rev uint64) error {
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
func (q *Store) remove(ctx context.Context, s *store, key string, rev uint64) error {
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

// A value is what the bucket has of a key, or the revision at which it was removed.
type value struct {
	data    []byte
	rev     uint64
	present bool
}

// value asks the server that takes the writes: a copy of the bucket may be behind.
func (q *Store) value(ctx context.Context, key string) (value, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := q.fromLeader(ctx, "KV_"+q.names.bucket, "$KV."+q.names.bucket+"."+key)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return value{}, nil
	}
	if err != nil {
		return value{}, q.fault(err)
	}
	// A message of the bucket has headers only where a key was removed.
	return value{data: m.Data, rev: m.Sequence, present: len(m.Data) > 0}, nil
}

// refresh reads one key anew, after a conflict: the board may not know of it yet.
func (q *Store) refresh(ctx context.Context, s *store, key string) error {
	known := s.board.revision(key)
	v, err := q.value(ctx, key)
	if err != nil {
		return err
	}
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	defer s.board.tell()
	if v.present {
		return s.board.write(key, v.data, v.rev)
	}
	// What came onto the board while we asked is newer than the answer.
	s.board.entomb(key, max(v.rev, known))
	return nil
}

// revision is the one that the board has of a key; 0 is none.
func (b *board) revision(key string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case key == logKey:
		return b.logRev
	case strings.HasPrefix(key, groupPrefix):
		if g := b.groups[key[len(groupPrefix):]]; g != nil {
			return g.rev
		}
	case strings.HasPrefix(key, workPrefix):
		name, seq, _ := parseWorkKey(key)
		if g := b.groups[name]; g != nil && g.items[seq] != nil {
			return g.items[seq].rev
		}
	}
	return 0
}
