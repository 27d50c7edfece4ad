//go:build unix

package nats_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A reader is a Tail and a group whose sightings can be waited for.
type reader struct {
	t    *testing.T
	mu   sync.Mutex
	seen []string
	work map[string]bool
}

// attach lets a reader follow and work until the test ends.
func attach(t *testing.T, q queue.Queue) *reader {
	t.Helper()
	r := &reader{t: t, work: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Tail(ctx, queue.Start{}, func(e event.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen = append(r.seen, e.ID)
			return nil
		}); err != nil {
			t.Errorf("Tail: %v", err)
		}
	})
	running.Go(func() {
		if err := q.Consume(ctx, queue.Group{Name: "g"}, func(_ context.Context, d queue.Delivery) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.work[d.Event.ID] = true
			return nil
		}); err != nil {
			t.Errorf("Consume: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r
}

// await waits until the tail saw exactly these ids in this order, and the group worked
// them all.
func (r *reader) await(want ...string) {
	r.t.Helper()
	eventually(r.t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Equal(r.seen, want) {
			return fmt.Errorf("the tail saw %v, want %v", r.seen, want)
		}
		for _, id := range want {
			if !r.work[id] {
				return fmt.Errorf("the group did not work %s", id)
			}
		}
		return nil
	})
}

// eventually tries until there is no error.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		pause(10 * time.Millisecond)
	}
}

func openAt(t *testing.T, s *server) *nats.Store {
	t.Helper()
	return openWith(t, nats.Options{URL: s.url(), Lease: lease})
}

func openWith(t *testing.T, o nats.Options) *nats.Store {
	t.Helper()
	q, err := nats.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return q
}

// publish stores events as soon as the server takes them.
func publish(t *testing.T, q queue.Queue, ids ...string) []event.Position {
	t.Helper()
	var at []event.Position
	for _, id := range ids {
		eventually(t, func() error {
			r, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Raw: []byte("{}")})
			if err == nil {
				at = append(at, r.Position)
			}
			return err
		})
	}
	return at
}

func expired(err error) bool {
	_, ok := errors.AsType[*event.CursorExpiredError](err)
	return ok
}

// TestServerLosesItsNewestEvents puts the server back to an earlier state, as a power loss does: the tail
// sees what is published then in the places that it had read before.
func TestServerLosesItsNewestEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := openAt(t, s)
	r := attach(t, q)
	publish(t, q, "a", "b", "c")
	r.await("a", "b", "c")
	before := s.save()
	publish(t, q, "d", "e")
	r.await("a", "b", "c", "d", "e")
	s.putBack(before)
	publish(t, q, "x", "y", "z")
	r.await("a", "b", "c", "d", "e", "x", "y", "z")
	if _, err := q.History(t.Context(), event.Query{After: event.NewPosition("other", 1)}); !expired(err) {
		t.Errorf("History after a foreign position: %v, want it expired", err)
	}
}

// save restarts the server and returns a copy of what it has on its disk.
func (s *server) save() (dir string) {
	s.t.Helper()
	s.signal(os.Interrupt) // so that all is on the disk
	_ = s.cmd.Wait()
	dir = filepath.Join(s.t.TempDir(), "before")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.dir, "jetstream"))); err != nil {
		s.t.Fatal(err)
	}
	s.Start()
	return dir
}

// putBack kills the server and starts it with what it had.
func (s *server) putBack(dir string) {
	s.t.Helper()
	s.Kill()
	if err := os.RemoveAll(filepath.Join(s.dir, "jetstream")); err != nil {
		s.t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(s.dir, "jetstream"), os.DirFS(dir)); err != nil {
		s.t.Fatal(err)
	}
	s.Start()
}

// TestServerLosesAnEventThatIsBeingHandled puts the server back while a handler has an event that is lost
// with it: the one that has its place then is another, and is handled, too.
func TestServerLosesAnEventThatIsBeingHandled(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q, err := nats.Open(t.Context(), nats.Options{URL: s.url(), Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	handled, release := make(chan string, 16), make(chan struct{})
	go func() {
		_ = q.Consume(t.Context(), queue.Group{Name: "g"}, func(_ context.Context, d queue.Delivery) error {
			handled <- d.Event.ID
			if d.Event.ID == "lost" {
				<-release
			}
			return nil
		})
	}()
	publish(t, q, "a")
	until(t, func() bool {
		st, err := q.Stats(t.Context())
		return err == nil && len(st.Groups) == 1 && st.Groups[0].Done == 1
	})
	before := s.save()
	lost := publish(t, q, "lost")
	s.putBack(before)
	other := publish(t, q, "other")
	if lost[0] != other[0] {
		t.Fatalf("positions %v were lost and %v given: want the same", lost, other)
	}
	defer close(release)
	for deadline := time.After(time.Minute); ; {
		select {
		case id := <-handled:
			if id == "other" {
				return
			}
		case <-deadline:
			t.Fatal("the event in the place of the lost one was not handled")
		}
	}
}

// TestStoreWasEmptied: a stream that was deleted is made anew, with a new epoch, and all go
// on in it.
func TestStoreWasEmptied(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := openAt(t, s)
	r := attach(t, q)
	at := publish(t, q, "a", "b")
	r.await("a", "b")
	nc, err := natsgo.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "EVENTS-slack_2eevents"); err != nil {
		t.Fatal(err)
	}
	publish(t, q, "c")
	r.await("a", "b", "c")
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Epoch == at[0].Epoch() || stats.Accepted != 1 || len(stats.Groups) != 1 {
		t.Errorf("Stats = %+v, %v, want one event and one group in a new epoch", stats, err)
	}
	if _, err := q.History(t.Context(), event.Query{After: at[0]}); !expired(err) {
		t.Errorf("History after a position of the old store: %v, want it expired", err)
	}
}

// TestOpenBeforeTheServer opens a queue, and uses it, before there is a server.
func TestOpenBeforeTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.Kill()
	q := openAt(t, s)
	r := attach(t, q)
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "a", Raw: []byte("{}")}); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Publish without a server: %v, want ErrUnavailable", err)
	}
	s.Start()
	publish(t, q, "0", "1", "2")
	r.await("0", "1", "2")
}

// TestPurged: the server's disk lets go of what retention and the TTL are over for.
func TestPurged(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := openWith(t, nats.Options{URL: s.url(), RetentionAge: 400 * time.Millisecond, DedupeTTL: 800 * time.Millisecond})
	attach(t, q)
	publish(t, q, "a", "b", "c")
	eventually(t, func() error {
		stats, err := q.Stats(t.Context())
		if err == nil && (stats.Events != 0 || stats.SeenIDs != 0 || stats.Expired != 3) {
			err = fmt.Errorf("%+v, want nothing kept and no id seen", stats)
		}
		return err
	})
	publish(t, q, "a")
}
