package visibility_test

import (
	"slices"
	"testing"
	"time"

	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

// An event in a conversation of members is for these, and those of whom something is known there, as long as that counts;
// everything else that somebody may see is for everybody. See judged.want for the rest.
func TestAudience(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		want := func(what string, e event.Event, most int, want ...string) {
			t.Helper()
			users, ok := j.Audience(&e, most)
			slices.Sort(users)
			if ok != (want != nil) || !slices.Equal(users, want) {
				t.Errorf("%s: it is for %q, %v, want %q", what, users, ok, want)
			}
		}
		room, hall := message(t, "CPRIV"), message(t, "COPEN")
		want("before Slack was asked", room, 9)
		j.want(room, who{"UANN": visible, "UBEN": hidden})
		listed := time.Now()
		j.want(hall, who{"UANN": visible, "UBEN": visible})
		want("a room", room, 9, "UANN", bot)
		want("a room, of too many", room, 1)
		want("a hall", hall, 9)
		ahead := room
		ahead.Position = event.NewPosition("abcdefgh", j.seq+1)
		j.applies(&event.Event{Source: event.SourceSlack, Kind: event.Kind{Type: "message"}})
		want("a room, as of now", ahead, 9, "UANN", bot)
		ahead.Position = event.NewPosition("abcdefgh", j.seq+1)
		want("a room, ahead of what is known", ahead, 9)
		j.happens(`{"type":"member_joined_channel","channel":"CPRIV","user":"UBEN","team":"T1"}`)
		want("a room that somebody may have joined", room, 9, "UANN", "UBEN", bot)
		want("a gap", event.Event{Source: event.SourceGaps, Kind: event.Kind{Type: event.KindGap}}, 9)
		if users, ok := j.Audience(&event.Event{Source: "unheard"}, 9); len(users) != 0 || !ok {
			t.Errorf("what nobody is shown is for %q, %v", users, ok)
		}
		e := slackEvent(t, `{"type":"app_uninstalled"}`)
		if users, ok := j.Audience(&e, 9); len(users) != 0 || !ok {
			t.Errorf("the app's life is for %q, %v", users, ok)
		}
		time.Sleep(visibility.TypesFresh)
		want("a room of which it is not known any more what it is", room, 9)
		j.want(room, who{"UANN": visible})
		want("a room, asked anew", room, 9, "UANN", "UBEN", bot)
		for time.Since(listed) < visibility.MembersFresh-10*time.Minute {
			time.Sleep(visibility.TypesFresh + time.Minute)
			j.want(room, who{"UANN": visible})
		}
		want("a room, asked now and then", room, 9, "UANN", "UBEN", bot)
		time.Sleep(visibility.MembersFresh - time.Since(listed))
		want("a room of old members", room, 9)
	})
}

// Of what is said where somebody is not nothing need be looked at; what is unknown has to be, or it stays so.
func TestHiddenConversations(t *testing.T) {
	t.Parallel()
	in(t, func(j *judged) {
		want := func(user string, wantHidden, wantOthers []string) {
			t.Helper()
			hides, others := j.Conversations(person(user))
			slices.Sort(hides)
			slices.Sort(others)
			if !slices.Equal(hides, wantHidden) || !slices.Equal(others, wantOthers) {
				t.Errorf("%s: hidden are %q and others %q, want %q and %q", user, hides, others, wantHidden, wantOthers)
			}
		}
		j.want(message(t, "CPRIV"), who{"UANN": visible, "UBEN": hidden})
		j.want(message(t, "COPEN"), who{"UANN": visible, "UGUEST": hidden})
		j.want(message(t, "DANN"), who{"UANN": visible, "UBEN": hidden})
		want("UANN", nil, []string{"COPEN", "CPRIV", "DANN"})
		want("UBEN", []string{"CPRIV", "DANN"}, []string{"COPEN"})
		want("UGUEST", []string{"COPEN", "CPRIV", "DANN"}, nil)
		want("UCY", nil, nil) // nobody has asked who that is
		j.happens(`{"type":"member_joined_channel","channel":"CPRIV","user":"UBEN","team":"T1"}`)
		want("UBEN", []string{"DANN"}, []string{"COPEN", "CPRIV"})
		time.Sleep(visibility.TypesFresh)
		want("UBEN", []string{"DANN"}, []string{"COPEN", "CPRIV"})
	})
}
