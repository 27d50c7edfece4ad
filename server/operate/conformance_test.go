package operate_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"slackmcp/server/operate"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/store/storetest"
	"slackmcp/webhook/event"
)

// A seen queue is one that is worked through the socket; only Publish and Close are those
// of the store itself, which no operator calls.
type seenQueue struct {
	*operate.Client
	store queue.Queue
}

func (s *seenQueue) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	return s.store.Publish(ctx, e)
}

func (s *seenQueue) Close() error { return s.store.Close() }

// TestConformance holds the store behind the socket to the whole contract of a queue.
func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Backend: "memory", Unordered: true,
		Place: func(t testing.TB) string { return shortDir(t) },
		Open: func(t testing.TB, dir string, c storetest.Config) queue.Queue {
			if c.RetentionAge == 0 {
				c.RetentionAge = -1 // the suite's events are of long ago
			}
			q, err := memory.New(memory.Options{
				DedupeTTL: c.DedupeTTL, RetentionAge: c.RetentionAge, RetentionCount: c.RetentionCount,
			})
			if err != nil {
				t.Fatal(err)
			}
			return &seenQueue{Client: serve(t, dir, q), store: q}
		},
	})
}

// TestStateConformance holds the small values behind the socket to their whole contract.
func TestStateConformance(t *testing.T) {
	storetest.RunState(t, storetest.StateHarness{
		Place: func(t testing.TB) string { return shortDir(t) },
		Open: func(t testing.TB, dir string) storetest.StateStore {
			s, err := memory.New(memory.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return struct {
				state.Store
				io.Closer
			}{operate.NewState(serve(t, dir, s)), s}
		},
	})
}

// serve serves a queue, and its values, in a directory until the test ends.
func serve(t testing.TB, dir string, q queue.Queue) *operate.Client {
	t.Helper()
	s := operate.New(operate.Options{Path: operate.Path(dir), Hello: operate.Hello{Version: "test", Backend: "memory", Topic: "slack.events"}, Queue: q})
	if kept, ok := q.(interface{ State() state.Store }); ok {
		s.HandleState(kept.State())
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	c, err := operate.Dial(t.Context(), operate.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c
}

// shortDir is a directory whose name leaves room for a socket's.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "op") //nolint:usetesting // TempDir holds the name of the test, which is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Clean(dir)
}
