package memory

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// maxValueBytes bounds all keys and values together.
const maxValueBytes = 256 << 20

var errValuesFull = errors.New("256 MiB of values are kept already")

// smallValues are the small values of a Store: they end with the process, and no other process
// sees them. Their fields are guarded by the lock of the Store.
type smallValues struct {
	s *Store

	watchers *values.Watchers
	entries  map[string]state.Entry
	bytes    int
	last     uint64
	timer    *time.Timer // of the next sweep
	next     time.Time   // when that is; zero without one
	swept    time.Time
}

// State returns the small values beside the events. They end with the Store.
func (s *Store) State() state.Store { return s.values }

// Get implements state.Store.
func (v *smallValues) Get(ctx context.Context, key string) (state.Entry, error) {
	if err := values.CheckKey(key); err != nil {
		return state.Entry{}, err
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if err := v.begin(ctx, "get"); err != nil {
		return state.Entry{}, err
	}
	e, ok := v.live(key)
	if !ok {
		return state.Entry{}, values.Fault(ctx, "get", state.ErrNotFound)
	}
	return cloneEntry(e), nil
}

// Put implements state.Store.
func (v *smallValues) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if err := v.begin(ctx, "put"); err != nil {
		return "", err
	}
	old, ok := v.live(key)
	grown := v.bytes + len(key) + len(value)
	if ok {
		grown -= sizeOfValue(old)
	}
	switch {
	case p.IfAbsent && ok, p.IfVersion != "" && old.Version != p.IfVersion:
		return "", values.Fault(ctx, "put", state.ErrConflict)
	case grown > maxValueBytes:
		return "", values.Fault(ctx, "put", errValuesFull)
	}
	v.last++
	e := state.Entry{Key: key, Value: bytes.Clone(value), Version: strconv.FormatUint(v.last, 10)}
	if p.TTL > 0 {
		e.ExpiresAt = time.Now().Add(p.TTL)
		v.wake(e.ExpiresAt)
	}
	v.entries[key], v.bytes = e, grown
	v.watchers.Notify(state.Change{Key: key})
	return e.Version, nil
}

// Delete implements state.Store.
func (v *smallValues) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if err := v.begin(ctx, "delete"); err != nil {
		return err
	}
	old, ok := v.live(key)
	switch {
	case !ok:
		return values.Fault(ctx, "delete", state.ErrNotFound)
	case ifVersion != "" && old.Version != ifVersion:
		return values.Fault(ctx, "delete", state.ErrConflict)
	}
	v.remove(old)
	return nil
}

// List implements state.Store.
func (v *smallValues) List(ctx context.Context, prefix, after string, limit int) ([]state.Entry, error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if err := v.begin(ctx, "list"); err != nil {
		return nil, err
	}
	var list []state.Entry
	now := time.Now()
	for key, e := range v.entries {
		if key >= low && key < high && !hasExpired(e, now) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b state.Entry) int { return strings.Compare(a.Key, b.Key) })
	list = slices.Clip(list[:min(len(list), values.Limit(limit))])
	for i := range list {
		list[i] = cloneEntry(list[i])
	}
	return list, nil
}

// Watch implements state.Store.
func (v *smallValues) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return v.watchers.Watch(ctx, prefix, fn)
}

// close forgets everything and ends the watchers. Requires v.s.mu.
func (v *smallValues) close() {
	clear(v.entries)
	v.bytes = 0
	if v.timer != nil {
		v.timer.Stop()
	}
	v.watchers.Close()
}

// begin requires v.s.mu.
func (v *smallValues) begin(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return values.Fault(ctx, op, err)
	}
	if v.s.life.Err() != nil {
		return values.Fault(ctx, op, errors.New("the store is closed"))
	}
	return nil
}

// live returns the value under a key unless it has expired. Requires v.s.mu.
func (v *smallValues) live(key string) (state.Entry, bool) {
	e, ok := v.entries[key]
	if !ok {
		return e, false
	}
	if hasExpired(e, time.Now()) {
		v.remove(e)
		return state.Entry{}, false
	}
	return e, true
}

func hasExpired(e state.Entry, now time.Time) bool {
	return !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(now)
}

// sweepGap is the least time between two looks at everything.
const sweepGap = time.Second

// wake sees to it that a value that expires at t goes soon after. Requires v.s.mu.
func (v *smallValues) wake(t time.Time) {
	if !v.next.IsZero() && !t.Before(v.next) || v.s.life.Err() != nil {
		return
	}
	if soonest := v.swept.Add(sweepGap); t.Before(soonest) {
		t = soonest
	}
	v.next = t
	if v.timer != nil {
		v.timer.Stop()
	}
	v.timer = time.AfterFunc(time.Until(t), v.sweep)
}

// sweep removes what has expired.
func (v *smallValues) sweep() {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	now := time.Now()
	v.swept, v.next = now, time.Time{}
	var next time.Time
	for _, e := range v.entries {
		switch {
		case e.ExpiresAt.IsZero():
		case hasExpired(e, now):
			v.remove(e)
		case next.IsZero() || e.ExpiresAt.Before(next):
			next = e.ExpiresAt
		}
	}
	if !next.IsZero() {
		v.wake(next)
	}
}

// remove requires v.s.mu.
func (v *smallValues) remove(e state.Entry) {
	delete(v.entries, e.Key)
	v.bytes -= sizeOfValue(e)
	v.watchers.Notify(state.Change{Key: e.Key, Gone: true})
}

func sizeOfValue(e state.Entry) int { return len(e.Key) + len(e.Value) }

func cloneEntry(e state.Entry) state.Entry {
	e.Value = bytes.Clone(e.Value)
	return e
}
