package journal

import (
	"fmt"
	"testing"

	"slackmcp/webhook/event"
)

// A thousand people wait for events, of which fifty may see one: where that is known no others are judged, and those who
// see it are woken. A reader of whom it cannot be known is judged.
func TestFewWatchersAreJudged(t *testing.T) {
	t.Parallel()
	const people, members = 1000, 50
	var room []string
	for i := range members {
		room = append(room, fmt.Sprint("U", i*people/members))
	}
	for _, known := range []bool{true, false} {
		w, judged := newWatchers(), 0
		wish := wishes(&event.Filter{Source: event.SourceSlack})
		watch := func(user string, audience func(*event.Event, int) ([]string, bool)) <-chan struct{} {
			changed, _ := w.add(wish, &event.Sight{Self: user, Audience: audience, Sees: func(e *event.Event) bool {
				judged++
				return e.Channel == "C1" && user != room[1]
			}})
			return changed
		}
		other := watch("", nil)
		all := map[string]<-chan struct{}{}
		for i := range people {
			user := fmt.Sprint("U", i)
			all[user] = watch(user, func(_ *event.Event, most int) ([]string, bool) { return room, known && most == people+1 })
		}
		w.notify(&event.Event{Source: event.SourceSlack, Channel: "C1"}, 1000)
		woken, want, see := w.round(), members+1, members
		if !known {
			want, see = people+1, people
		}
		if judged != want || woken != see || len(other) != 1 || len(all[room[0]]) != 1 || len(all[room[1]]) != 0 || len(all["U1"]) == 1 == known {
			t.Errorf("known %v: %d are judged and %d are woken, want %d and %d", known, judged, woken, want, see)
		}
	}
}
