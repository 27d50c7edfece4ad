// Package statetest is the contract of package state as tests: every backend passes all
// of them. It is imported by tests only.
package statetest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/state"
)

// A Store is a state.Store that can be closed.
type Store interface {
	state.Store
	Close() error
}

// A Harness tells the suite how to get at one backend.
type Harness struct {
	// Place makes an empty place for a store that nothing else uses.
	Place func(t testing.TB) string
	// Open opens the store at a place.
	Open func(t testing.TB, place string) Store
	// Persistent says that a store outlives Close.
	Persistent bool
	// Shared says that two stores may be open at one place at once, and see each other.
	Shared bool
	// Bubble runs every test in a synctest bubble, where waiting takes no time. A backend
	// that waits for the network cannot.
	Bubble bool
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, tc := range append(append(values(), lists()...), watches()...) {
		if tc.persistent && !h.Persistent || tc.shared && !h.Shared {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T) { tc.run(&env{T: t, h: h, place: h.Place(t)}) }
			if !h.Bubble {
				run(t)
				return
			}
			synctest.Test(t, run)
		})
	}
}

// A test is one sentence of the contract.
type test struct {
	name               string
	persistent, shared bool
	run                func(*env)
}

// An env is one test's store or stores.
type env struct {
	*testing.T

	h     Harness
	place string
}

// open opens a store at the test's place and closes it when the test ends.
func (e *env) open() Store {
	e.Helper()
	s := e.h.Open(e.T, e.place)
	e.Cleanup(func() {
		if err := s.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
	return s
}

func (e *env) put(s state.Store, key, value string, p state.Put) string {
	e.Helper()
	v, err := s.Put(e.Context(), key, []byte(value), p)
	if err != nil {
		e.Fatalf("Put(%s): %v", key, err)
	}
	if v == "" {
		e.Fatalf("Put(%s): the version is empty", key)
	}
	return v
}

func (e *env) get(s state.Store, key string) state.Entry {
	e.Helper()
	got, err := s.Get(e.Context(), key)
	if err != nil {
		e.Fatalf("Get(%s): %v", key, err)
	}
	return got
}

// patience is how long the suite waits for what has to come.
const patience = time.Minute

// eventually polls until check reports true.
func (e *env) eventually(what string, check func() bool) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), patience)
	defer cancel()
	for !check() {
		select {
		case <-ctx.Done():
			e.Fatalf("%s: not within %v", what, patience)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
