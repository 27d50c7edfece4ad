package statetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"slackmcp/store/state"
)

// An Engine is a database server of the test's own.
type Engine interface {
	Start()
	Kill()
}

// Away holds what a store does while its engine is not there, and after: calls say
// ErrUnavailable within their time, and values, conditions and watchers go on by
// themselves when the engine is back.
func Away(t *testing.T, engine Engine, open func(t testing.TB) Store) {
	e := &env{T: t, h: Harness{Open: func(t testing.TB, _ string) Store { t.Helper(); return open(t) }}}
	s := e.open()
	v := e.put(s, "w/kept", "1", state.Put{TTL: time.Hour})
	l := e.watch(s, "w/")
	e.listening(s, l, "w/0")
	_, before := l.of("w/kept")
	// An engine that syncs every second may lose what it has just acknowledged.
	<-time.After(1500 * time.Millisecond)
	engine.Kill()
	for op, call := range map[string]func(context.Context) error{
		"Get":  func(ctx context.Context) error { _, err := s.Get(ctx, "w/kept"); return err },
		"Put":  func(ctx context.Context) error { _, err := s.Put(ctx, "w/x", nil, state.Put{}); return err },
		"List": func(ctx context.Context) error { _, err := s.List(ctx, "", "", 0); return err },
	} {
		ctx, cancel := context.WithTimeout(e.Context(), patience)
		if err := call(ctx); !errors.Is(err, state.ErrUnavailable) || ctx.Err() != nil {
			e.Errorf("%s without an engine: %v, want ErrUnavailable in time", op, err)
		}
		cancel()
	}
	late := e.open() // opened while the engine is away
	engine.Start()
	for name, one := range map[string]Store{"the store": s, "one opened meanwhile": late} {
		e.eventually(name+" to answer again", func() bool {
			got, err := one.Get(e.Context(), "w/kept")
			return err == nil && got.Version == v
		})
	}
	e.eventually("the watcher to be told of every key", func() bool {
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
