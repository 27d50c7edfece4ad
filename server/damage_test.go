package server

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// An outside is a store whose newest event and epoch a test sets.
type outside struct {
	queue.Queue
	newest *event.Event
	epoch  string
}

func (o *outside) History(_ context.Context, _ event.Query) (event.Page, error) {
	if o.newest == nil {
		return event.Page{}, nil
	}
	return event.Page{Events: []event.Event{*o.newest}}, nil
}

func (o *outside) Stats(context.Context) (queue.Stats, error) {
	return queue.Stats{Epoch: o.epoch}, nil
}

// TestAStoreOutsideThatWentBackIsNoticed has a database that others empty and restore.
func TestAStoreOutsideThatWentBackIsNoticed(t *testing.T) {
	t.Parallel()
	at := func(epoch string, seq uint64) *event.Event {
		return &event.Event{Position: event.NewPosition(epoch, seq), ReceivedAt: time.Now().Add(-time.Hour)}
	}
	for name, c := range map[string]struct {
		looks []*event.Event // what each look finds
		epoch string
		lost  int
		count int64
	}{
		"it goes on":                    {[]*event.Event{at("a", 1), at("a", 5), at("a", 5)}, "a", 0, 0},
		"retention removes all":         {[]*event.Event{at("a", 5), nil, nil}, "a", 0, 0},
		"a reader that is late once":    {[]*event.Event{at("a", 5), at("a", 4), at("a", 6)}, "a", 0, 0},
		"an older copy":                 {[]*event.Event{at("a", 9), at("a", 4), at("a", 4), at("a", 5)}, "a", 1, 5},
		"emptied":                       {[]*event.Event{at("a", 9), nil, nil}, "b", 1, 0},
		"emptied, without an epoch yet": {[]*event.Event{at("a", 9), nil, nil, at("b", 1)}, "", 1, 0},
		"emptied, and filled again":     {[]*event.Event{at("a", 9), at("b", 1), at("b", 2)}, "b", 1, 0},
		"empty from the beginning":      {[]*event.Event{nil, nil, at("b", 1)}, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := memory.New(memory.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			o := &outside{Queue: m, epoch: c.epoch}
			w := &watchedStore{Queue: o, outside: true, log: slog.New(slog.DiscardHandler)}
			w.place.began = time.Now().Add(-2 * time.Hour)
			for _, e := range c.looks {
				o.newest = e
				if err := w.lookAt(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			list := w.damage()
			if len(list) != c.lost {
				t.Fatalf("%d losses: %+v, want %d", len(list), list, c.lost)
			}
			if c.lost > 0 && (list[0].Events != c.count || list[0].Since.IsZero() || !list[0].Lost || w.damaged().What == "") {
				t.Errorf("the loss is %+v, want %d events, with its times, and health to show it", list[0], c.count)
			}
		})
	}
}
