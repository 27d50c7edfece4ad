//go:build unix

// Package backendtest holds the backends whose server is another process to what package
// queue promises when that process, or a consumer, dies, stands still or is away. It is
// imported by tests only.
//
// The sender that it plays repeats an event until it is acknowledged, as Slack does.
package backendtest

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Server is a database of the test's own.
type Server interface {
	// Start starts it, again with what it stored, and waits until it answers.
	Start()
	// Kill ends it as a crash would.
	Kill()
	// Pause stops its processes where they are; Resume lets them go on.
	Pause()
	Resume()
	// Addr is the host and port on which it listens.
	Addr() string
}

// A Rig is a server and a way to a queue on it.
type Rig struct {
	// Name says what it is in a table.
	Name   string
	Server Server
	// Place is where the queue is, in the words of the function given to Main.
	Place string
	// Open opens the queue at Place. It is closed by the caller.
	Open func(t testing.TB, place string) queue.Queue
	// MayLose is before a kill how long what was acknowledged may be lost with it; 0
	// where nothing may.
	MayLose time.Duration
}

func (r Rig) open(t testing.TB) queue.Queue {
	t.Helper()
	q := r.Open(t, r.Place)
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return q
}

// message is an event whose body tells its id.
func message(id string) event.Event {
	return event.Event{
		Source: "slack", ID: id, Kind: event.Kind{Type: "message"}, Channel: "C1",
		ReceivedAt: time.Now(), Raw: fmt.Appendf(nil, `{"event_id":%q,"text":"what was said"}`, id),
	}
}

// wait lets another process do something.
func wait(d time.Duration) { <-time.After(d) }

// eventually polls until check is nil.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		wait(5 * time.Millisecond)
	}
}

// quick is a policy that gives nothing up.
func quick() queue.Policy {
	return queue.Policy{MaxAttempts: 1 << 30, Base: 5 * time.Millisecond, Cap: 50 * time.Millisecond, Jitter: -1}
}

// group reads one group's counts.
func group(ctx context.Context, q queue.Queue, name string) (queue.GroupStats, error) {
	s, err := q.Stats(ctx)
	if err != nil {
		return queue.GroupStats{}, err
	}
	for _, g := range s.Groups {
		if g.Name == name {
			return g, nil
		}
	}
	return queue.GroupStats{}, fmt.Errorf("no group %s", name)
}

// balanced reports whether a group has finished all that was accepted.
func balanced(ctx context.Context, q queue.Queue, name string) error {
	s, err := q.Stats(ctx)
	if err != nil {
		return err
	}
	g, err := group(ctx, q, name)
	if err != nil {
		return err
	}
	if g.Waiting != 0 || g.Done+g.Dead+g.Expired != s.Accepted {
		return fmt.Errorf("%d accepted and %+v", s.Accepted, g)
	}
	return nil
}

// stored reads the ids of all events, oldest first.
func stored(t testing.TB, q queue.Queue) []string {
	t.Helper()
	var list []string
	for query := (event.Query{Order: event.OldestFirst, Limit: event.MaxLimit}); ; {
		p, err := q.History(context.Background(), query)
		if err != nil {
			t.Fatalf("History: %v", err)
		}
		for _, e := range p.Events {
			if want := message(e.ID).Raw; string(e.Raw) != string(want) {
				t.Errorf("%s is stored as %q, want %q", e.ID, e.Raw, want)
			}
			list = append(list, e.ID)
		}
		if !p.More {
			return list
		}
		query.After = p.Next
	}
}

// What the tests do to a server is short, unless scripts/chaos.sh asks for more.
var (
	kills = flag.Int("kills", 4, "how often a test kills its server")
	pause = flag.Duration("pause", 5*time.Second, "how long a test stops its server")
)

// KillCount is how often a test kills its server.
func KillCount() int { return *kills }

// PauseTime is how long a test stops its server.
func PauseTime() time.Duration { return *pause }
