package server

import (
	"context"
	"errors"
	"testing"

	"slackmcp/store/memory"
	"slackmcp/store/state"
)

// fullState takes nothing while full.
type fullState struct {
	state.Store

	full bool
}

func (f *fullState) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	if f.full {
		return "", state.ErrUnavailable
	}
	return f.Store.Put(ctx, key, value, p)
}

func newMemoryState(t testing.TB) *memory.Store {
	t.Helper()
	m, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSpareState keeps in memory what its store does not take, and gives it back to the store with the next
// change that the store takes.
func TestSpareState(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := &fullState{Store: newMemoryState(t).State()}
	s := newSpareState(f)
	put := func(value string, p state.Put) string {
		t.Helper()
		v, err := s.Put(ctx, "a/1", []byte(value), p)
		if err != nil {
			t.Fatalf("Put of %s: %v", value, err)
		}
		return v
	}
	get := func(want string) state.Entry {
		t.Helper()
		e, err := s.Get(ctx, "a/1")
		if list, listErr := s.List(ctx, "a/", "", 10); err != nil || listErr != nil || string(e.Value) != want || len(list) != 1 || string(list[0].Value) != want || list[0].Version != e.Version {
			t.Fatalf("the value is %q, %v, and the list %+v, %v, want %s", e.Value, err, list, listErr, want)
		}
		return e
	}
	first := put("one", state.Put{IfAbsent: true})
	f.full = true
	for _, p := range []state.Put{{IfAbsent: true}, {IfVersion: "another"}} {
		if _, err := s.Put(ctx, "a/1", nil, p); !errors.Is(err, state.ErrConflict) {
			t.Errorf("Put %+v over what the store has: %v, want a conflict", p, err)
		}
	}
	if _, err := s.Put(ctx, "a/2", nil, state.Put{IfVersion: first}); !errors.Is(err, state.ErrConflict) {
		t.Errorf("Put over nothing: %v, want a conflict", err)
	}
	put("two", state.Put{IfVersion: first})
	two := get("two")
	for _, p := range []state.Put{{IfAbsent: true}, {IfVersion: first}, {IfVersion: inSpare + "none"}} {
		if _, err := s.Put(ctx, "a/1", nil, p); !errors.Is(err, state.ErrConflict) {
			t.Errorf("Put %+v: %v, want a conflict", p, err)
		}
	}
	put("three", state.Put{IfVersion: two.Version})
	three := get("three")
	f.full = false
	put("four", state.Put{IfVersion: three.Version})
	get("four")
	if e, err := f.Get(ctx, "a/1"); err != nil || string(e.Value) != "four" {
		t.Errorf("the store has %q, %v", e.Value, err)
	}
	f.full = true
	put("five", state.Put{})
	if err := s.Delete(ctx, "a/1", get("five").Version); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "a/1"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("after Delete: %v", err)
	}
}
