package queuetest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/queue"
)

// A Harness tells the suite how to get at one backend.
type Harness struct {
	// Backend is what Stats has to call it.
	Backend string
	// Place makes an empty place for a store, a directory or a prefix, that nothing
	// else uses and that is removed when t ends.
	Place func(t testing.TB) string
	// Open opens the store at a place. A second Open after Close finds what was there,
	// if the backend is persistent.
	Open func(t testing.TB, place string, c Config) queue.Queue
	// Persistent says that a store outlives Close.
	Persistent bool
	// Unordered says that Consume refuses a group with a Key.
	Unordered bool
	// Bubble runs every test in a synctest bubble, where waiting takes no time. A
	// backend that waits for the network cannot.
	Bubble bool
	// Tick is the unit of all times in the suite: what the backend's clock and timers
	// can tell apart with certainty. 0 means one second with Bubble, and without it
	// 100 ms.
	Tick time.Duration
}

// Config is what a test asks of a store. A zero field is the backend's default.
type Config struct {
	DedupeTTL      time.Duration
	RetentionAge   time.Duration
	RetentionCount int
	// Lease is how long a claim lasts unless it is renewed, where a backend has such a
	// time.
	Lease time.Duration
}

// A test is one sentence of the contract.
type test struct {
	name string
	// restart says that the test closes and opens the store and expects to find
	// everything.
	restart bool
	// long says that the test waits for minutes, which only a bubble affords.
	long bool
	// keyed says that the test orders events by their key.
	keyed bool
	run   func(e *env)
}

// Run runs the suite. It needs no network and no program but what the harness uses.
func Run(t *testing.T, h Harness) {
	switch {
	case h.Tick != 0:
	case h.Bubble:
		h.Tick = time.Second
	default:
		h.Tick = 100 * time.Millisecond
	}
	for _, part := range []struct {
		name  string
		tests []test
	}{
		{"publish", publishTests()},
		{"groups", groupTests()},
		{"work", workTests()},
		{"letters", letterTests()},
		{"tail", tailTests()},
		{"history", historyTests()},
		{"retention", retentionTests()},
		{"life", lifeTests()},
	} {
		t.Run(part.name, func(t *testing.T) { h.run(t, part.tests) })
	}
}

func (h Harness) run(t *testing.T, tests []test) {
	for _, tc := range tests {
		if tc.restart && !h.Persistent || tc.long && !h.Bubble || tc.keyed && h.Unordered {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h.bubble(t, tc.run)
		})
	}
}

func (h Harness) bubble(t *testing.T, run func(*env)) {
	if !h.Bubble {
		run(newEnv(t, h))
		return
	}
	synctest.Test(t, func(t *testing.T) { run(newEnv(t, h)) })
}

// errHandler is what failing handlers return.
var errHandler = errors.New("handler refused")
