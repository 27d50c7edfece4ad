package transport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/transport"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := transport.NewMemoryStore(10, time.Hour)
	want := transport.Record{ID: "a", Principal: "ann", ProtocolVersion: "2025-11-25", Subscriptions: []string{"x"}}
	if err := s.Create(ctx, want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(ctx, "a")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	got.Subscriptions[0] = "changed by who got it"
	if err := s.Update(ctx, "a", func(r *transport.Record) { r.LogLevel = "debug" }); err != nil {
		t.Fatal(err)
	}
	want.LogLevel = "debug"
	got, err = s.Get(ctx, "a")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if err := s.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(ctx, "a")
	for what, err := range map[string]error{
		"Get": err, "Delete": s.Delete(ctx, "a"), "Update": s.Update(ctx, "a", func(*transport.Record) {}),
	} {
		if !errors.Is(err, transport.ErrNoSession) {
			t.Errorf("%s of what was deleted: %v", what, err)
		}
	}
}

func TestMemoryStoreForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := transport.NewMemoryStore(3, time.Hour)
		var gone []string
		watched := make(chan error, 1)
		go func() { watched <- s.Watch(ctx, func(id string) { gone = append(gone, id) }) }()
		create := func(id string) error { return s.Create(ctx, transport.Record{ID: id}) }
		for i := range 3 {
			if err := create(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if err := create("full"); !errors.Is(err, transport.ErrTooManySessions) {
			t.Fatalf("a store full of sessions in use: %v", err)
		}
		time.Sleep(2 * time.Minute) // the clock of synctest
		if err := s.Touch(ctx, []string{"0", "2", "unknown"}); err != nil {
			t.Fatal(err)
		}
		if err := create("3"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1"}, gone); diff != "" {
			t.Fatalf("room was made by forgetting (-want +got):\n%s", diff)
		}
		gone = nil
		time.Sleep(59 * time.Minute) // the clock of synctest
		if err := s.Touch(ctx, []string{"2"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the clock of synctest
		if err := s.Touch(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, "2"); err != nil || len(gone) != 2 {
			t.Fatalf("after an hour: %v, forgotten %v", err, gone)
		}
		cancel()
		if err := <-watched; err != nil {
			t.Fatal(err)
		}
	})
}

// TestReplicas lets two transports share a store and a key: a session opened on one is
// served by the other, with what it follows, and ends on both.
func TestReplicas(t *testing.T) {
	t.Parallel()
	o := transport.Options{Store: transport.NewMemoryStore(100, time.Hour), Key: []byte("the key that both replicas share")}
	one, two := newFixture(t, o), newFixture(t, o)
	p := one.peer().initialize()
	p.call("resources/subscribe", map[string]any{"uri": "test://all"})
	p.call("logging/setLevel", map[string]any{"level": "error"})

	elsewhere := two.peer()
	elsewhere.session = p.session
	s := elsewhere.stream()
	two.Notify("test://all")
	if m, _ := s.next(t); m.Params.URI != "test://all" {
		t.Fatalf("got %+v", m)
	}
	if x, _ := elsewhere.call("tools/call", tool("log", nil)); len(x.messages(t)) != 2 {
		t.Errorf("the log level was not taken along: %s", x.body)
	}
	if x := p.do(p.request(t.Context(), "DELETE", p.url, nil)); x.status != 204 {
		t.Fatalf("DELETE: %d", x.status)
	}
	third := newFixture(t, o).peer()
	third.session = p.session
	if x, _ := third.call("ping", nil); x.status != 404 {
		t.Errorf("after the end, elsewhere: %d", x.status)
	}
}
