package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/store/state"
)

func stateValues() []stateTest {
	return []stateTest{
		{name: "what is put is got", run: putGet},
		{name: "every character and length that the contract names", run: stateBounds},
		{name: "what is no key, no value or no condition is refused", run: stateRefusals},
		{name: "a value handed over is not kept, one handed out is the caller's", run: ownership},
		{name: "IfAbsent writes only where nothing is", run: ifAbsent},
		{name: "IfVersion writes only over that version", run: ifVersion},
		{name: "a version is never used twice", run: versions},
		{name: "Delete removes, and checks the version", run: deletes},
		{name: "a value expires", run: expires},
		{name: "a new write sets or ends the life anew", run: extends},
		{name: "counting by IfVersion loses nothing", run: stateCounts},
		{name: "one of many that want to be first is", run: stateFirst},
		{name: "values outlive Close", persistent: true, run: restarts},
		{name: "another process sees what was put", shared: true, run: shares},
		{name: "counting by IfVersion in two processes loses nothing", shared: true, run: stateCountsShared},
		{name: "after Close everything is unavailable", run: closed},
		{name: "a context that is over ends a call", run: cancelled},
	}
}

func putGet(e *stateEnv) {
	s := e.open()
	if _, err := s.Get(e.Context(), "a"); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Get of nothing: %v, want ErrNotFound", err)
	}
	v := e.put(s, "a", "1", state.Put{})
	got := e.get(s, "a")
	if got.Key != "a" || string(got.Value) != "1" || got.Version != v || !got.ExpiresAt.IsZero() {
		e.Errorf("Get = %+v, want value 1, version %s, no end", got, v)
	}
	e.put(s, "a", "2", state.Put{})
	if got := e.get(s, "a"); string(got.Value) != "2" || got.Version == v {
		e.Errorf("Get = %+v, want value 2 and another version than %s", got, v)
	}
}

func stateBounds(e *stateEnv) {
	s := e.open()
	long := strings.Repeat("k", 256)
	for _, key := range []string{"azAZ09._:/=-", long, "/", "//", "a/", "/a", "a//b", ".", "..", "_", "a.b/c_d:e", strings.Repeat("_/", 128)} {
		e.put(s, key, "v of "+key, state.Put{})
	}
	if got := e.get(s, "a//b"); string(got.Value) != "v of a//b" {
		e.Errorf("Get(a//b) = %q", got.Value)
	}
	list, err := s.List(e.Context(), "", "", 0)
	if err != nil || len(list) != 12 {
		e.Errorf("List: %d entries, %v, want 12", len(list), err)
	}
	for _, one := range list {
		if string(one.Value) != "v of "+one.Key {
			e.Errorf("under %q is %q", one.Key, one.Value)
		}
	}
	for name, value := range map[string][]byte{
		"empty": {}, "nil": nil, "zeros": {0, 0, '|', 0, '\n', 0xff}, "largest": bytes.Repeat([]byte{0xfe, '|'}, state.MaxValue/2),
	} {
		if _, err := s.Put(e.Context(), name, value, state.Put{}); err != nil {
			e.Fatalf("Put(%s): %v", name, err)
		}
		if got := e.get(s, name); !bytes.Equal(got.Value, value) {
			e.Errorf("%s: %d bytes came back as %d others", name, len(value), len(got.Value))
		}
	}
}

func stateRefusals(e *stateEnv) {
	s := e.open()
	for _, key := range []string{"", strings.Repeat("k", 257), "a b", "ä", "a*", "a\x00", "a>", "{a}", "a\n"} {
		_, getErr := s.Get(e.Context(), key)
		_, putErr := s.Put(e.Context(), key, nil, state.Put{})
		deleteErr := s.Delete(e.Context(), key, "")
		for op, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": deleteErr} {
			if err == nil || errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrUnavailable) {
				e.Errorf("%s(%q) = %v, want a refusal", op, key, err)
			}
		}
	}
	if _, err := s.List(e.Context(), "a b", "", 0); err == nil {
		e.Error("List of a prefix that no key has was not refused")
	}
	for what, p := range map[string]state.Put{
		"a negative TTL": {TTL: -1}, "both conditions": {IfAbsent: true, IfVersion: "1"}, "a TTL of a nanosecond": {TTL: 1},
	} {
		if _, err := s.Put(e.Context(), "a", nil, p); err == nil {
			e.Errorf("Put with %s was not refused", what)
		}
	}
	if _, err := s.Put(e.Context(), "a", make([]byte, state.MaxValue+1), state.Put{}); err == nil {
		e.Error("Put of too large a value was not refused")
	}
}

func ownership(e *stateEnv) {
	s := e.open()
	value := []byte("mine")
	if _, err := s.Put(e.Context(), "a", value, state.Put{}); err != nil {
		e.Fatal(err)
	}
	copy(value, "XXXX")
	got := e.get(s, "a")
	if string(got.Value) != "mine" {
		e.Fatalf("the caller's later writing shows: %q", got.Value)
	}
	copy(got.Value, "YYYY")
	if again := e.get(s, "a"); string(again.Value) != "mine" {
		e.Errorf("a reader's writing shows to the next: %q", again.Value)
	}
}

func ifAbsent(e *stateEnv) {
	s := e.open()
	v := e.put(s, "a", "1", state.Put{IfAbsent: true})
	if _, err := s.Put(e.Context(), "a", []byte("2"), state.Put{IfAbsent: true}); !errors.Is(err, state.ErrConflict) {
		e.Errorf("the second: %v, want ErrConflict", err)
	}
	if got := e.get(s, "a"); string(got.Value) != "1" || got.Version != v {
		e.Errorf("Get = %+v, want what the first wrote", got)
	}
	if err := s.Delete(e.Context(), "a", ""); err != nil {
		e.Fatal(err)
	}
	e.put(s, "a", "3", state.Put{IfAbsent: true})
}

func ifVersion(e *stateEnv) {
	s := e.open()
	if _, err := s.Put(e.Context(), "a", nil, state.Put{IfVersion: "1"}); !errors.Is(err, state.ErrConflict) {
		e.Errorf("over nothing: %v, want ErrConflict", err)
	}
	v1 := e.put(s, "a", "1", state.Put{})
	v2 := e.put(s, "a", "2", state.Put{IfVersion: v1})
	if _, err := s.Put(e.Context(), "a", []byte("x"), state.Put{IfVersion: v1}); !errors.Is(err, state.ErrConflict) {
		e.Errorf("over an old version: %v, want ErrConflict", err)
	}
	if got := e.get(s, "a"); string(got.Value) != "2" || got.Version != v2 {
		e.Errorf("Get = %+v, want 2 of version %s", got, v2)
	}
}

func versions(e *stateEnv) {
	s := e.open()
	seen := map[string]bool{}
	for n := range 30 {
		v := e.put(s, "a", fmt.Sprint(n), state.Put{})
		if seen[v] {
			e.Fatalf("version %s came twice", v)
		}
		seen[v] = true
		if n%3 == 0 {
			if err := s.Delete(e.Context(), "a", v); err != nil {
				e.Fatal(err)
			}
		}
	}
}

func deletes(e *stateEnv) {
	s := e.open()
	if err := s.Delete(e.Context(), "a", ""); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Delete of nothing: %v, want ErrNotFound", err)
	}
	old := e.put(s, "a", "1", state.Put{})
	v := e.put(s, "a", "2", state.Put{})
	if err := s.Delete(e.Context(), "a", old); !errors.Is(err, state.ErrConflict) {
		e.Errorf("Delete of an old version: %v, want ErrConflict", err)
	}
	if err := s.Delete(e.Context(), "a", v); err != nil {
		e.Errorf("Delete: %v", err)
	}
	if _, err := s.Get(e.Context(), "a"); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Get after Delete: %v, want ErrNotFound", err)
	}
	if err := s.Delete(e.Context(), "a", v); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Delete again: %v, want ErrNotFound", err)
	}
}

const life = 1500 * time.Millisecond

func expires(e *stateEnv) {
	s := e.open()
	before := time.Now()
	v := e.put(s, "a", "1", state.Put{TTL: life})
	e.put(s, "long", "1", state.Put{TTL: time.Hour})
	got, err := s.Get(e.Context(), "a")
	if err == nil {
		// A shared server's clock is a little different.
		if d := got.ExpiresAt.Sub(before); d < life-time.Second || d > life+30*time.Second {
			e.Errorf("it expires %v after the write, want %v", d, life)
		}
	} else if time.Since(before) < life {
		e.Errorf("Get: %v before its time", err)
	}
	e.eventually("expiry", func() bool {
		_, err := s.Get(e.Context(), "a")
		return errors.Is(err, state.ErrNotFound)
	})
	if d := time.Since(before); d < life-10*time.Millisecond {
		e.Errorf("it went after %v, want %v", d, life)
	}
	if list, err := s.List(e.Context(), "", "", 0); err != nil || len(list) != 1 || list[0].Key != "long" {
		e.Errorf("List = %v, %v, want the other one", list, err)
	}
	if _, err := s.Put(e.Context(), "a", nil, state.Put{IfVersion: v}); !errors.Is(err, state.ErrConflict) {
		e.Errorf("IfVersion of what expired: %v, want ErrConflict", err)
	}
	if err := s.Delete(e.Context(), "a", v); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Delete of what expired: %v, want ErrNotFound", err)
	}
	e.put(s, "a", "2", state.Put{IfAbsent: true})
}

func extends(e *stateEnv) {
	s := e.open()
	e.put(s, "ever", "1", state.Put{TTL: life})
	e.put(s, "longer", "1", state.Put{TTL: life})
	e.put(s, "ends", "1", state.Put{})
	e.put(s, "ever", "2", state.Put{})
	e.put(s, "longer", "2", state.Put{TTL: time.Hour})
	e.put(s, "ends", "2", state.Put{TTL: life})
	e.eventually("the end", func() bool {
		_, err := s.Get(e.Context(), "ends")
		return errors.Is(err, state.ErrNotFound)
	})
	<-time.After(2 * time.Second) // longer than the unit of any server
	if got := e.get(s, "ever"); string(got.Value) != "2" || !got.ExpiresAt.IsZero() {
		e.Errorf("Get(ever) = %+v, want 2 without an end", got)
	}
	if got := e.get(s, "longer"); string(got.Value) != "2" || time.Until(got.ExpiresAt) < 50*time.Minute {
		e.Errorf("Get(longer) = %+v, want 2 for an hour", got)
	}
}

// add counts one up, as often as it takes.
func stateAdd(ctx context.Context, s state.Store) error {
	for {
		got, err := s.Get(ctx, "n")
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, "n", append(got.Value, 'x'), state.Put{IfVersion: got.Version})
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

func stateCount(e *stateEnv, stores ...state.Store) {
	e.put(stores[0], "n", "", state.Put{})
	const each = 25
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range each {
				if err := stateAdd(e.Context(), stores[i%len(stores)]); err != nil {
					e.Errorf("add: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := e.get(stores[0], "n"); len(got.Value) != 4*each {
		e.Errorf("%d of %d writes are there", len(got.Value), 4*each)
	}
}

func stateCounts(e *stateEnv)       { stateCount(e, e.open()) }
func stateCountsShared(e *stateEnv) { stateCount(e, e.open(), e.open()) }

func stateFirst(e *stateEnv) {
	s := e.open()
	var won, lost atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch _, err := s.Put(e.Context(), "key", fmt.Append(nil, i), state.Put{IfAbsent: true}); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, state.ErrConflict):
				lost.Add(1)
			default:
				e.Errorf("Put: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		e.Errorf("%d were first and %d were not, want 1 and 7", won.Load(), lost.Load())
	}
}

func restarts(e *stateEnv) {
	s := e.h.Open(e.T, e.place)
	v := e.put(s, "a/b", "1", state.Put{TTL: time.Hour})
	e.put(s, "gone", "1", state.Put{})
	if err := errors.Join(s.Delete(e.Context(), "gone", ""), s.Close(), s.Close()); err != nil {
		e.Fatal(err)
	}
	again := e.open()
	if got := e.get(again, "a/b"); string(got.Value) != "1" || got.Version != v || got.ExpiresAt.IsZero() {
		e.Errorf("Get = %+v, want it as it was, version %s", got, v)
	}
	if _, err := again.Get(e.Context(), "gone"); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Get of what was deleted: %v", err)
	}
	if v2 := e.put(again, "a/b", "2", state.Put{IfVersion: v}); v2 == v {
		e.Errorf("version %s came twice", v)
	}
}

func shares(e *stateEnv) {
	a, b := e.open(), e.open()
	for n := range 50 {
		v := e.put(a, "a", fmt.Sprint(n), state.Put{})
		if got := e.get(b, "a"); string(got.Value) != fmt.Sprint(n) || got.Version != v {
			e.Fatalf("the other process has %q of version %s, want %d of %s", got.Value, got.Version, n, v)
		}
	}
	if err := b.Delete(e.Context(), "a", ""); err != nil {
		e.Fatal(err)
	}
	if _, err := a.Get(e.Context(), "a"); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Get of what the other process deleted: %v", err)
	}
}

func closed(e *stateEnv) {
	s := e.h.Open(e.T, e.place)
	e.put(s, "a", "1", state.Put{})
	if err := s.Close(); err != nil {
		e.Fatal(err)
	}
	_, getErr := s.Get(e.Context(), "a")
	_, putErr := s.Put(e.Context(), "a", nil, state.Put{})
	_, listErr := s.List(e.Context(), "", "", 0)
	for op, err := range map[string]error{
		"Get": getErr, "Put": putErr, "List": listErr, "Delete": s.Delete(e.Context(), "a", ""),
		"Watch": s.Watch(e.Context(), "", func(state.Change) {}),
	} {
		if !errors.Is(err, state.ErrUnavailable) {
			e.Errorf("%s after Close: %v, want ErrUnavailable", op, err)
		}
	}
}

func cancelled(e *stateEnv) {
	s := e.open()
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	if _, err := s.Put(ctx, "a", nil, state.Put{}); !errors.Is(err, context.Canceled) {
		e.Errorf("Put: %v, want context.Canceled", err)
	}
	if _, err := s.Get(e.Context(), "a"); !errors.Is(err, state.ErrNotFound) {
		e.Errorf("Get: %v, want that nothing was written", err)
	}
	if err := s.Watch(ctx, "", func(state.Change) {}); err != nil {
		e.Errorf("Watch: %v, want nil", err)
	}
}
