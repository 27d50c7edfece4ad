package server

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// TestClicksBesideAReplicaOfAnEarlierBuild lets a replica of an earlier build be done with a
// click of which it knows nothing: this build handles it all the same, and what the other one's
// group has not handled holds nothing back when that replica is gone.
func TestClicksBesideAReplicaOfAnEarlierBuild(t *testing.T) {
	t.Parallel()
	store, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	publish := func(id string) {
		t.Helper()
		e := event.Event{Source: event.SourceSlack, ID: id, Kind: event.Kind{Type: "block_actions"}, ReceivedAt: time.Now(), Raw: []byte("{}")}
		if _, err := store.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	old, stop := context.WithCancel(t.Context())
	took, gone := make(chan string, 10), make(chan error, 1)
	go func() {
		gone <- store.Consume(old, queue.Group{Name: earlierAsksGroup}, func(_ context.Context, d queue.Delivery) error {
			took <- d.Event.ID
			return nil
		})
	}()
	publish("before")
	<-took
	a := newAsks(config.Config{}, store, store.State(), func() event.Position {
		stats, err := store.Stats(t.Context())
		if err != nil {
			t.Error(err)
		}
		return stats.Newest
	}, slog.New(slog.DiscardHandler))
	settled := make(chan string, 10)
	a.settle = func(_ context.Context, e *event.Event) error {
		settled <- e.ID
		return nil
	}
	a.sweep = func(context.Context) error { return nil }
	ctx, end := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- a.run(ctx) }()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(time.Millisecond) {
		if groups, err := store.Groups(t.Context()); err == nil && len(groups) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new group is not there")
		}
	}
	publish("beside")
	if id := <-settled; id != "beside" {
		t.Errorf("handled %s", id)
	}
	stop()
	if err := <-gone; err != nil {
		t.Error(err)
	}
	publish("after")
	if id := <-settled; id != "after" {
		t.Errorf("handled %s", id)
	}
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(time.Millisecond) {
		stats, err := store.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waiting := int64(0)
		for _, g := range stats.Groups {
			waiting += g.Waiting + g.InFlight
		}
		if waiting == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the groups hold events: %+v", stats.Groups)
		}
	}
	end()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
