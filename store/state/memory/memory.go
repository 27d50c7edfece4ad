// Package memory keeps state in the process: it is gone when the process ends, and no
// other process sees it.
package memory

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// maxBytes bounds all keys and values together.
const maxBytes = 256 << 20

var (
	errFull   = errors.New("256 MiB of values are kept already")
	errClosed = errors.New("the store is closed")
)

// A Store is a state.Store. Make it with New.
type Store struct {
	hub *values.Watchers

	mu      sync.Mutex
	entries map[string]state.Entry
	bytes   int
	last    uint64
	timer   *time.Timer // of the next sweep
	next    time.Time   // when that is; zero without one
	swept   time.Time
	closed  bool
}

var _ state.Store = (*Store)(nil)

// New returns an empty store. Close it to end its watchers.
func New() *Store {
	return &Store{hub: values.NewWatchers(), entries: map[string]state.Entry{}}
}

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, key string) (state.Entry, error) {
	if err := values.CheckKey(key); err != nil {
		return state.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx, "get"); err != nil {
		return state.Entry{}, err
	}
	e, ok := s.live(key)
	if !ok {
		return state.Entry{}, values.Fault(ctx, "get", state.ErrNotFound)
	}
	return clone(e), nil
}

// Put implements state.Store.
func (s *Store) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx, "put"); err != nil {
		return "", err
	}
	old, ok := s.live(key)
	grown := s.bytes + len(key) + len(value)
	if ok {
		grown -= size(old)
	}
	switch {
	case p.IfAbsent && ok, p.IfVersion != "" && old.Version != p.IfVersion:
		return "", values.Fault(ctx, "put", state.ErrConflict)
	case grown > maxBytes:
		return "", values.Fault(ctx, "put", errFull)
	}
	s.last++
	e := state.Entry{Key: key, Value: bytes.Clone(value), Version: strconv.FormatUint(s.last, 10)}
	if p.TTL > 0 {
		e.ExpiresAt = time.Now().Add(p.TTL)
		s.wake(e.ExpiresAt)
	}
	s.entries[key], s.bytes = e, grown
	s.hub.Notify(state.Change{Key: key})
	return e.Version, nil
}

// Delete implements state.Store.
func (s *Store) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx, "delete"); err != nil {
		return err
	}
	old, ok := s.live(key)
	switch {
	case !ok:
		return values.Fault(ctx, "delete", state.ErrNotFound)
	case ifVersion != "" && old.Version != ifVersion:
		return values.Fault(ctx, "delete", state.ErrConflict)
	}
	s.remove(old)
	return nil
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx, "list"); err != nil {
		return nil, err
	}
	var list []state.Entry
	now := time.Now()
	for key, e := range s.entries {
		if key >= low && key < high && !expired(e, now) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b state.Entry) int { return strings.Compare(a.Key, b.Key) })
	list = slices.Clip(list[:min(len(list), values.Limit(limit))])
	for i := range list {
		list[i] = clone(list[i])
	}
	return list, nil
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return s.hub.Watch(ctx, prefix, fn)
}

// Close forgets everything and ends the watchers. It is idempotent.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	clear(s.entries)
	s.bytes = 0
	if s.timer != nil {
		s.timer.Stop()
	}
	s.hub.Close()
	return nil
}

// begin requires s.mu.
func (s *Store) begin(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return values.Fault(ctx, op, err)
	}
	if s.closed {
		return values.Fault(ctx, op, errClosed)
	}
	return nil
}

// live returns the value under a key unless it has expired. Requires s.mu.
func (s *Store) live(key string) (state.Entry, bool) {
	e, ok := s.entries[key]
	if !ok {
		return e, false
	}
	if expired(e, time.Now()) {
		s.remove(e)
		return state.Entry{}, false
	}
	return e, true
}

func expired(e state.Entry, now time.Time) bool {
	return !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(now)
}

// sweepGap is the least time between two looks at everything.
const sweepGap = time.Second

// wake sees to it that a value that expires at t goes soon after. Requires s.mu.
func (s *Store) wake(t time.Time) {
	if !s.next.IsZero() && !t.Before(s.next) || s.closed {
		return
	}
	if soonest := s.swept.Add(sweepGap); t.Before(soonest) {
		t = soonest
	}
	s.next = t
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(time.Until(t), s.sweep)
}

// sweep removes what has expired.
func (s *Store) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.swept, s.next = now, time.Time{}
	var next time.Time
	for _, e := range s.entries {
		switch {
		case e.ExpiresAt.IsZero():
		case expired(e, now):
			s.remove(e)
		case next.IsZero() || e.ExpiresAt.Before(next):
			next = e.ExpiresAt
		}
	}
	if !next.IsZero() {
		s.wake(next)
	}
}

// remove requires s.mu.
func (s *Store) remove(e state.Entry) {
	delete(s.entries, e.Key)
	s.bytes -= size(e)
	s.hub.Notify(state.Change{Key: e.Key, Gone: true})
}

func size(e state.Entry) int { return len(e.Key) + len(e.Value) }

func clone(e state.Entry) state.Entry {
	e.Value = bytes.Clone(e.Value)
	return e
}
