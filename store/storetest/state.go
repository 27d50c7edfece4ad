package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/state"
)

// A StateStore is a state.Store that can be closed.
type StateStore interface {
	state.Store
	Close() error
}

// StateOf returns the small values of a store, which close with it.
func StateOf(s interface {
	State() state.Store
	Close() error
},
) StateStore {
	return struct {
		state.Store
		io.Closer
	}{s.State(), s}
}

// A StateHarness tells that suite how to get at one backend.
type StateHarness struct {
	// Place makes an empty place for a store that nothing else uses.
	Place func(t testing.TB) string
	// Open opens the store at a place.
	Open func(t testing.TB, place string) StateStore
	// Persistent says that a store outlives Close.
	Persistent bool
	// Shared says that two stores may be open at one place at once, and see each other.
	Shared bool
	// Bubble runs every test in a synctest bubble, where waiting takes no time. A backend
	// that waits for the network cannot.
	Bubble bool
}

// RunState runs the suite of package state.
func RunState(t *testing.T, h StateHarness) {
	for _, tc := range append(append(stateValues(), stateLists()...), stateWatches()...) {
		if tc.persistent && !h.Persistent || tc.shared && !h.Shared {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T) { tc.run(&stateEnv{T: t, h: h, place: h.Place(t)}) }
			if !h.Bubble {
				run(t)
				return
			}
			synctest.Test(t, run)
		})
	}
}

// A stateTest is one sentence of the contract.
type stateTest struct {
	name               string
	persistent, shared bool
	run                func(*stateEnv)
}

// A stateEnv is one test's store or stores.
type stateEnv struct {
	*testing.T

	h     StateHarness
	place string
}

// open opens a store at the test's place and closes it when the test ends.
func (e *stateEnv) open() StateStore {
	e.Helper()
	s := e.h.Open(e.T, e.place)
	e.Cleanup(func() {
		if err := s.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
	return s
}

func (e *stateEnv) put(s state.Store, key, value string, p state.Put) string {
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

func (e *stateEnv) get(s state.Store, key string) state.Entry {
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
func (e *stateEnv) eventually(what string, check func() bool) {
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

func stateLists() []stateTest {
	return []stateTest{
		{name: "List has what begins with the prefix, in order", run: listsPrefix},
		{name: "pages of List have every entry once", run: statePages},
	}
}

func stateKeys(e *stateEnv, s state.Store, prefix, after string, limit int) []string {
	e.Helper()
	list, err := s.List(e.Context(), prefix, after, limit)
	if err != nil {
		e.Fatalf("List(%q, %q): %v", prefix, after, err)
	}
	var got []string
	for _, one := range list {
		got = append(got, one.Key)
	}
	return got
}

func listsPrefix(e *stateEnv) {
	s := e.open()
	if got := stateKeys(e, s, "", "", 0); got != nil {
		e.Errorf("List of nothing = %v", got)
	}
	all := []string{"a", "a-b", "a/1", "a/10", "a/2", "a/2/x", "a0", "aB", "a_", "ab", "b", "b/1"}
	for i, key := range all {
		e.put(s, all[(i*7)%len(all)], key, state.Put{TTL: time.Duration(i%2) * time.Hour})
	}
	slices.Sort(all)
	for prefix, want := range map[string][]string{
		"": all, "a/": {"a/1", "a/10", "a/2", "a/2/x"}, "a/1": {"a/1", "a/10"}, "a/2/": {"a/2/x"}, "b": {"b", "b/1"}, "c": nil, "a/3": nil, "/": nil,
	} {
		if got := stateKeys(e, s, prefix, "", 0); !slices.Equal(got, want) {
			e.Errorf("List(%q) = %v, want %v", prefix, got, want)
		}
	}
	if err := s.Delete(e.Context(), "a/10", ""); err != nil {
		e.Fatal(err)
	}
	if got, want := stateKeys(e, s, "a/", "a/1", 2), []string{"a/2", "a/2/x"}; !slices.Equal(got, want) {
		e.Errorf("List(a/, a/1, 2) = %v, want %v", got, want)
	}
	if got, want := stateKeys(e, s, "b", "a", 0), []string{"b", "b/1"}; !slices.Equal(got, want) {
		e.Errorf("List(b, a) = %v, want %v", got, want)
	}
}

func statePages(e *stateEnv) {
	s := e.open()
	const n = 250
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("p/%03d", i))
		e.put(s, want[i], fmt.Sprint(i), state.Put{})
	}
	if got := stateKeys(e, s, "p/", "", 0); len(got) != 100 {
		e.Errorf("a page without a limit has %d entries, want 100", len(got))
	}
	if got := stateKeys(e, s, "p/", "", 5000); len(got) != n {
		e.Errorf("a page of too many has %d entries, want all %d", len(got), n)
	}
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		page := stateKeys(e, s, "p/", after, 60)
		got = append(got, page...)
		if len(page) < 60 {
			break
		}
	}
	if !slices.Equal(got, want) {
		e.Errorf("the pages have %d entries, want each of %d once, in order", len(got), n)
	}
}

func stateWatches() []stateTest {
	return []stateTest{
		{name: "a watcher is notified of what was written and deleted below its prefix", run: stateWatch},
		{name: "a watcher is notified of changes by another process", shared: true, run: watchShared},
		{name: "a watcher is notified of one change at a time, and delays no other", run: watchSlow},
		{name: "a watcher finds the end of what expires", run: watchExpiry},
		{name: "Watch ends with its context", run: watchEnds},
	}
}

// A changeLog is what a watcher was notified of last for each key, and how often.
type changeLog struct {
	mu    sync.Mutex
	last  map[string]state.Change
	times map[string]int
}

func (e *stateEnv) watch(s state.Store, prefix string) *changeLog {
	l := &changeLog{last: map[string]state.Change{}, times: map[string]int{}}
	ctx, cancel := context.WithCancel(e.Context())
	var wg sync.WaitGroup
	began := make(chan struct{})
	wg.Go(func() {
		close(began)
		if err := s.Watch(ctx, prefix, l.note); err != nil {
			e.Errorf("Watch: %v", err)
		}
	})
	<-began
	e.Cleanup(func() { cancel(); wg.Wait() })
	return l
}

func (l *changeLog) note(c state.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[c.Key] = c
	l.times[c.Key]++
}

func (l *changeLog) of(key string) (c state.Change, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[key], l.times[key]
}

// listening writes until the watcher hears it: when it began to listen cannot be seen.
func (e *stateEnv) listening(s state.Store, l *changeLog, key string) {
	e.Helper()
	e.eventually("the watcher to listen", func() bool {
		e.put(s, key, "", state.Put{})
		<-time.After(10 * time.Millisecond)
		_, times := l.of(key)
		return times > 0
	})
}

func stateWatch(e *stateEnv) {
	s := e.open()
	checkWatch(e, s, s)
}

func watchShared(e *stateEnv) {
	a, b := e.open(), e.open()
	checkWatch(e, a, b)
}

// checkWatch writes by one store and watches by another.
func checkWatch(e *stateEnv, writer, watcher StateStore) {
	e.Helper()
	l := e.watch(watcher, "w/")
	e.listening(writer, l, "w/0")
	e.put(writer, "w/1", "1", state.Put{})
	e.put(writer, "other", "1", state.Put{})
	e.eventually("the write", func() bool { c, times := l.of("w/1"); return times > 0 && !c.Gone })
	if err := writer.Delete(e.Context(), "w/1", ""); err != nil {
		e.Fatal(err)
	}
	e.eventually("the deletion", func() bool { c, _ := l.of("w/1"); return c.Gone })
	e.put(writer, "w/1", "2", state.Put{IfAbsent: true})
	e.eventually("the write after it", func() bool { c, _ := l.of("w/1"); return !c.Gone })
	if _, times := l.of("other"); times > 0 {
		e.Error("it was told of a key outside of its prefix")
	}
}

func watchSlow(e *stateEnv) {
	s := e.open()
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	in := make(chan struct{}, 1)
	release := make(chan struct{})
	var mu sync.Mutex
	seen := map[string]bool{}
	busy := false
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Watch(ctx, "s/", func(c state.Change) {
			mu.Lock()
			if busy {
				e.Error("two changes at a time")
			}
			busy = true
			seen[c.Key] = true
			mu.Unlock()
			select {
			case in <- struct{}{}:
			default:
			}
			<-release
			mu.Lock()
			busy = false
			mu.Unlock()
		})
		if err != nil {
			e.Errorf("Watch: %v", err)
		}
	})
	e.eventually("the first change", func() bool {
		e.put(s, "s/first", "", state.Put{})
		select {
		case <-in:
			return true
		default:
			return false
		}
	})
	// The watcher stands still; nothing else waits for it.
	for n := range 100 {
		e.put(s, fmt.Sprintf("s/%d", n%10), fmt.Sprint(n), state.Put{})
	}
	close(release)
	e.eventually("the changes of meanwhile", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == 11
	})
	cancel()
	wg.Wait()
}

func watchExpiry(e *stateEnv) {
	s := e.open()
	l := e.watch(s, "w/")
	e.listening(s, l, "w/0")
	e.put(s, "w/1", "1", state.Put{TTL: life})
	e.eventually("the end, told or seen", func() bool {
		c, _ := l.of("w/1")
		_, err := s.Get(e.Context(), "w/1")
		return c.Gone || errors.Is(err, state.ErrNotFound)
	})
}

func watchEnds(e *stateEnv) {
	s := e.open()
	ctx, cancel := context.WithCancel(e.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- s.Watch(ctx, "", func(state.Change) {}) }()
	}
	cancel()
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				e.Errorf("Watch: %v", err)
			}
		case <-time.After(patience):
			e.Fatal("Watch does not end")
		}
	}
}

// A Server is a database server of the test's own.
type Server interface {
	Start()
	Kill()
}

// Away holds what a store does while its server is not there, and after: calls say
// ErrUnavailable within their time, and values, conditions and watchers go on by
// themselves when the server is back.
func Away(t *testing.T, server Server, open func(t testing.TB) StateStore) {
	e := &stateEnv{T: t, h: StateHarness{Open: func(t testing.TB, _ string) StateStore { t.Helper(); return open(t) }}}
	s := e.open()
	v := e.put(s, "w/kept", "1", state.Put{TTL: time.Hour})
	l := e.watch(s, "w/")
	e.listening(s, l, "w/0")
	_, before := l.of("w/kept")
	// An server that syncs every second may lose what it has just acknowledged.
	<-time.After(1500 * time.Millisecond)
	server.Kill()
	for op, call := range map[string]func(context.Context) error{
		"Get":  func(ctx context.Context) error { _, err := s.Get(ctx, "w/kept"); return err },
		"Put":  func(ctx context.Context) error { _, err := s.Put(ctx, "w/x", nil, state.Put{}); return err },
		"List": func(ctx context.Context) error { _, err := s.List(ctx, "", "", 0); return err },
	} {
		ctx, cancel := context.WithTimeout(e.Context(), patience)
		if err := call(ctx); !errors.Is(err, state.ErrUnavailable) || ctx.Err() != nil {
			e.Errorf("%s without a server: %v, want ErrUnavailable in time", op, err)
		}
		cancel()
	}
	late := e.open() // opened while the server is away
	server.Start()
	for name, one := range map[string]StateStore{"the store": s, "one opened meanwhile": late} {
		e.eventually(name+" to answer again", func() bool {
			got, err := one.Get(e.Context(), "w/kept")
			return err == nil && got.Version == v
		})
	}
	e.eventually("the watcher to be notified of every key", func() bool {
		_, times := l.of("w/kept")
		return times > before
	})
	e.put(late, "w/kept", "2", state.Put{IfVersion: v})
	e.put(late, "w/new", "1", state.Put{})
	e.eventually("the watcher to hear on", func() bool { c, times := l.of("w/new"); return times > 0 && !c.Gone })
	if err := late.Delete(e.Context(), "w/new", ""); err != nil {
		e.Fatal(err)
	}
	e.eventually("the watcher to hear of a deletion", func() bool { c, _ := l.of("w/new"); return c.Gone })
}
