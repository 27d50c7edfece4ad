package statetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"slackmcp/store/state"
)

func watches() []test {
	return []test{
		{name: "a watcher is told of what was written and deleted below its prefix", run: watch},
		{name: "a watcher is told of changes by another process", shared: true, run: watchShared},
		{name: "a watcher is told one change at a time, and delays nobody", run: watchSlow},
		{name: "a watcher finds the end of what expires", run: watchExpiry},
		{name: "Watch ends with its context", run: watchEnds},
	}
}

// A log is what a watcher was told last of each key, and how often.
type log struct {
	mu    sync.Mutex
	last  map[string]state.Change
	times map[string]int
}

func (e *env) watch(s state.Store, prefix string) *log {
	l := &log{last: map[string]state.Change{}, times: map[string]int{}}
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

func (l *log) note(c state.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[c.Key] = c
	l.times[c.Key]++
}

func (l *log) of(key string) (c state.Change, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[key], l.times[key]
}

// listening writes until the watcher hears it: when it began to listen cannot be seen.
func (e *env) listening(s state.Store, l *log, key string) {
	e.Helper()
	e.eventually("the watcher to listen", func() bool {
		e.put(s, key, "", state.Put{})
		<-time.After(10 * time.Millisecond)
		_, times := l.of(key)
		return times > 0
	})
}

func watch(e *env) {
	s := e.open()
	check(e, s, s)
}

func watchShared(e *env) {
	a, b := e.open(), e.open()
	check(e, a, b)
}

// check writes by one store and watches by another.
func check(e *env, writer, watcher Store) {
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

func watchSlow(e *env) {
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
	// The watcher stands still; nobody else does.
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

func watchExpiry(e *env) {
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

func watchEnds(e *env) {
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
