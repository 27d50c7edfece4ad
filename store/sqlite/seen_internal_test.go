package sqlite

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"slackmcp/store/internal/eventlog"
)

func idOf(i int64) *eventlog.Key {
	key := eventlog.KeyOf("slack", fmt.Sprint(i))
	return &key
}

// TestSeenFindsEveryID grows the hash table many times, drops the older half, and grows it
// again: all that was not dropped is found, and what was never added is hardly ever taken
// for a candidate. The numbers pass the border at which their lower half begins anew.
func TestSeenFindsEveryID(t *testing.T) {
	t.Parallel()
	const begin, n = int64(1)<<32 - 20_000, int64(50_000)
	s := newSeen(0)
	check := func(from, to int64) {
		t.Helper()
		for i := from; i < to; i++ {
			if !slices.Contains(s.candidates(nil, idOf(i)), i) {
				t.Fatalf("the id of event %d is not found", i)
			}
		}
		strange := 0
		for i := range int64(10_000) {
			strange += len(s.candidates(nil, idOf(-i-1)))
		}
		if strange > 20 {
			t.Errorf("10,000 ids that were never added have %d candidates, want hardly any", strange)
		}
	}
	for i := range n {
		s.add(idOf(begin+i), begin+i)
	}
	check(begin, begin+n)
	if s.len() != n {
		t.Errorf("%d ids are remembered, want %d", s.len(), n)
	}
	s.drop(begin+n/2, n/2)
	check(begin+n/2, begin+n)
	if got := s.candidates(nil, idOf(begin)); len(got) > 0 {
		t.Errorf("a dropped id has the candidates %v", got)
	}
	for i := n; i < 2*n; i++ {
		s.add(idOf(begin+i), begin+i)
	}
	check(begin+n/2, begin+2*n)
	if want := n + n/2; s.len() != want {
		t.Errorf("%d ids are remembered, want %d", s.len(), want)
	}
	if most := 4 * int(n+n/2); len(s.slots) > most {
		t.Errorf("the hash table has %d slots for %d ids, want at most %d", len(s.slots), n+n/2, most)
	}
}

// TestSeenWithEqualFingerprints has ids that are the same to the hash table: each
// is a candidate, the newest first.
func TestSeenWithEqualFingerprints(t *testing.T) {
	t.Parallel()
	s := newSeen(0)
	for i := range int64(300) {
		key := eventlog.Key{9, 9, 9, 9}
		binary.BigEndian.PutUint64(key[8:], uint64(i))
		s.add(&key, i+1)
	}
	got := s.candidates(nil, &eventlog.Key{9, 9, 9, 9})
	if len(got) != 300 || got[0] != 300 || got[299] != 1 {
		t.Errorf("%d candidates, the first %d and the last %d, want 300 from 300 to 1", len(got), got[0], got[299])
	}
}
