package transport

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/store/state"
)

// What replicas share lies below these.
const (
	keyKey      = "mcp/key"
	sessionsKey = "mcp/sessions/"
	ownersKey   = "mcp/owners/"   // by SSE session: the replica that holds its stream
	replicasKey = "mcp/replicas/" // leases of those that hold SSE streams
	inboxKey    = "mcp/inbox/"    // by replica: messages for its SSE sessions
	piecesKey   = "mcp/pieces/"   // of messages that are larger than a value
	toldKey     = "mcp/told/"     // answers and cancellations, for whichever replica has the call
)

// A SharedStore is the SessionStore of several replicas. A session that is in use is
// renewed when a sixteenth of its life is over, so that its record is written seldom; it
// therefore lives a little longer than the idle time.
type SharedStore struct {
	shared state.Store
	max    int
	ttl    time.Duration
	renew  time.Duration // how old a record's last writing may be before Touch renews it

	mu    sync.Mutex
	known map[string]time.Time // the sessions of all replicas; when we renewed them last, if we did
}

// NewSharedStore returns a store of at most limit sessions, each forgotten when it was not
// touched for the idle time. The limit is kept to within what replicas open at once.
func NewSharedStore(shared state.Store, limit int, idle time.Duration) *SharedStore {
	renew := idle / 16
	return &SharedStore{shared: shared, max: limit, ttl: idle + 2*renew, renew: renew, known: map[string]time.Time{}}
}

// Create implements SessionStore. A full store makes room by forgetting those that were
// idle longest, unless all are in use.
func (s *SharedStore) Create(ctx context.Context, r Record) error {
	if s.count() >= s.max {
		if err := s.makeRoom(ctx); err != nil {
			return err
		}
	}
	data, err := encodeRecord(r)
	if err != nil {
		return err
	}
	if _, err := s.shared.Put(ctx, sessionsKey+r.ID, data, state.Put{TTL: s.ttl, IfAbsent: true}); err != nil {
		return err
	}
	s.note(r.ID, time.Now())
	return nil
}

// Get implements SessionStore.
func (s *SharedStore) Get(ctx context.Context, id string) (Record, error) {
	r, _, err := s.read(ctx, id)
	return r, err
}

func (s *SharedStore) read(ctx context.Context, id string) (Record, state.Entry, error) {
	v, err := s.shared.Get(ctx, sessionsKey+id)
	switch {
	case errors.Is(err, state.ErrNotFound):
		s.forget(id)
		return Record{}, v, ErrNoSession
	case err != nil:
		return Record{}, v, err
	}
	r, err := decodeRecord(v.Value)
	return r, v, err
}

// tries bounds how often a change is made anew because another replica made one.
const tries = 16

// Update implements SessionStore.
func (s *SharedStore) Update(ctx context.Context, id string, change func(*Record)) error {
	for range tries {
		r, v, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		change(&r)
		data, err := encodeRecord(r)
		if err != nil {
			return err
		}
		_, err = s.shared.Put(ctx, v.Key, data, state.Put{TTL: s.ttl, IfVersion: v.Version})
		if err == nil {
			s.note(id, time.Now())
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("session: %w too often", state.ErrConflict)
}

// Delete implements SessionStore.
func (s *SharedStore) Delete(ctx context.Context, id string) error {
	err := s.shared.Delete(ctx, sessionsKey+id, "")
	if errors.Is(err, state.ErrNotFound) {
		err = ErrNoSession
	}
	if err == nil || errors.Is(err, ErrNoSession) {
		s.forget(id)
	}
	return err
}

// Touch implements SessionStore.
func (s *SharedStore) Touch(ctx context.Context, ids []string) error {
	now := time.Now()
	for _, id := range ids {
		s.mu.Lock()
		at := s.known[id]
		s.mu.Unlock()
		if now.Sub(at) < s.renew {
			continue
		}
		if err := s.Update(ctx, id, func(*Record) {}); err != nil && !errors.Is(err, ErrNoSession) {
			return err
		}
	}
	return nil
}

// Watch implements SessionStore.
func (s *SharedStore) Watch(ctx context.Context, changed func(id string)) error {
	return s.shared.Watch(ctx, sessionsKey, func(c state.Change) {
		id := strings.TrimPrefix(c.Key, sessionsKey)
		if c.Gone {
			s.forget(id)
		} else {
			s.note(id, time.Time{})
		}
		changed(id)
	})
}

func (s *SharedStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// note remembers a session; a zero time does not overwrite when we renewed it.
func (s *SharedStore) note(id string, renewed time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if renewed.After(s.known[id]) || s.known[id].IsZero() {
		s.known[id] = renewed
	}
}

func (s *SharedStore) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

// roomAtOnce is how many sessions go at a time when the store is full, so that not every
// new one has to look at all.
const roomAtOnce = 64

// makeRoom looks at all sessions there are, which may be fewer than we know, and removes
// those that nobody can be using: a session in use is renewed more often.
func (s *SharedStore) makeRoom(ctx context.Context) error {
	all, err := s.all(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	before := s.known
	s.known = make(map[string]time.Time, len(all))
	for _, v := range all {
		id := strings.TrimPrefix(v.Key, sessionsKey)
		s.known[id] = before[id]
	}
	s.mu.Unlock()
	if len(all) < s.max {
		return nil
	}
	slices.SortFunc(all, func(a, b state.Entry) int { return cmp.Compare(a.ExpiresAt.UnixNano(), b.ExpiresAt.UnixNano()) })
	unused := time.Now().Add(s.ttl - 4*s.renew)
	removed := 0
	for _, v := range all[:min(len(all), roomAtOnce)] {
		if v.ExpiresAt.After(unused) {
			break
		}
		switch err := s.Delete(ctx, strings.TrimPrefix(v.Key, sessionsKey)); {
		case err == nil, errors.Is(err, ErrNoSession):
			removed++
		default:
			return err
		}
	}
	if removed == 0 {
		return ErrTooManySessions
	}
	return nil
}

// all returns every session, without its record.
func (s *SharedStore) all(ctx context.Context) ([]state.Entry, error) {
	const page = 1000
	var all []state.Entry
	for after := ""; ; {
		list, err := s.shared.List(ctx, sessionsKey, after, page)
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			v.Value = nil
			all = append(all, v)
		}
		if len(list) < page {
			return all, nil
		}
		after = list[len(list)-1].Key
	}
}

// A record is stored as JSON, or behind a zero byte as deflated JSON: a session that
// follows a thousand resources has to fit into a value.
const plainRecord = 4 << 10

func encodeRecord(r Record) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil || len(data) <= plainRecord {
		return data, err
	}
	var b bytes.Buffer
	b.WriteByte(0)
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxRecord bounds what a record becomes when it is read.
const maxRecord = 4 << 20

func decodeRecord(data []byte) (r Record, err error) {
	if len(data) > 0 && data[0] == 0 {
		in := flate.NewReader(bytes.NewReader(data[1:]))
		if data, err = io.ReadAll(io.LimitReader(in, maxRecord)); err != nil {
			return r, err
		}
	}
	err = json.Unmarshal(data, &r)
	return r, err
}
