package sqlite

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/state"
)

// TestValuesOpenAgainAfterAnError closes the file as an error does: the next call opens it
// again, with everything that was acknowledged, and versions go on.
func TestValuesOpenAgainAfterAnError(t *testing.T) {
	dir := t.TempDir()
	q, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	s := q.values
	first, err := s.Put(t.Context(), "a", []byte("1"), state.Put{})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.discard(nil)
	s.mu.Unlock()
	got, err := s.Get(t.Context(), "a")
	if err != nil || string(got.Value) != "1" || got.Version != first {
		t.Errorf("Get = %+v, %v, want what was acknowledged", got, err)
	}
	second, err := s.Put(t.Context(), "a", []byte("2"), state.Put{IfVersion: first})
	if err != nil || second == first {
		t.Errorf("Put = %q, %v, want another version than %q", second, err, first)
	}
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v, want mode 0600", info.Mode(), err)
	}
}

// TestNoValueGoesWhileTheTimeIsNotSettled has a clock that is ahead at the start, until somebody says what time it
// is: a value is not removed because of it.
func TestNoValueGoesWhileTheTimeIsNotSettled(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	var settled atomic.Bool
	q, err := Open(t.Context(), Options{
		Dir: t.TempDir(), Settled: settled.Load,
		Believed: func(now time.Time) time.Time { return now.Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ settled, stays bool }{{false, true}, {true, false}} {
		ahead.Store(int64(24 * time.Hour))
		settled.Store(c.settled)
		q.values.sweep()
		ahead.Store(0)
		if _, err := q.State().Get(t.Context(), "key"); (err == nil) != c.stays {
			t.Errorf("with a time that is settled: %v the value is there: %v, want %v", c.settled, err, c.stays)
		}
	}
}
