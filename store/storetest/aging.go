package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Aging tests that nothing grows old while the clock is doubted: events of any age stay, and their ids are
// known; and that both go once it is believed again. open opens an empty store whose events and ids grow old
// within a second.
func Aging(t *testing.T, open func(t *testing.T, aging func(time.Time) time.Time) queue.Queue) {
	t.Helper()
	var believed atomic.Bool
	q := open(t, func(now time.Time) time.Time {
		if believed.Load() {
			return now
		}
		return time.Unix(0, 0)
	})
	defer q.Close()
	one := event.Event{Source: "slack", ID: "1", Raw: []byte("{}")}
	publish := func() bool {
		r, err := q.Publish(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		return r.Duplicate
	}
	kept := func() int64 {
		s, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Events
	}
	publish()
	<-time.After(3 * time.Second) // longer than anything is kept
	if !publish() || kept() != 1 {
		t.Errorf("while the clock is doubted %d events are kept, want the one, and its id", kept())
	}
	believed.Store(true)
	for end := time.Now().Add(20 * time.Second); publish(); {
		if time.Now().After(end) {
			t.Fatal("an id is known for ever")
		}
		<-time.After(50 * time.Millisecond)
	}
}
