package sqlite

import (
	"os"
	"testing"

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
