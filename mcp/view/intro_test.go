package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

// TestIntroductionOfNamesakes: of two authors of one name, known by their messages alone, each is told
// apart where the id is left out.
func TestIntroductionOfNamesakes(t *testing.T) {
	t.Parallel()
	r := view.NewJudge(view.JudgeOptions{}).Reading(t.Context())
	var met view.Introduction
	names := map[string]string{}
	for _, user := range []string{"U1AA", "U2AA", "U1AA", "U2AA"} {
		m := r.Message(&slackapi.Message{User: user, Username: "Alice", TS: "1700000000.000100"}, view.MessageOptions{})
		met.Message(&m)
		if m.User != "" {
			names[m.UserName] = m.User
		}
		if names[m.UserName] != user {
			t.Errorf("%s is called %q, which is %q", user, m.UserName, names[m.UserName])
		}
	}
}

// TestIntroductionOfEvents: each id stands beside the first of its name, and stays where another has the
// name; a day stands where it changes.
func TestIntroductionOfEvents(t *testing.T) {
	t.Parallel()
	var met view.Introduction
	both := []string{"message", "app_mention"}
	for i, tc := range []struct{ is, want view.Event }{
		{
			view.Event{Time: "1 Dec 09:00", Channel: "C1AA", ChannelName: "general", User: "U1AA", UserName: "Alice"},
			view.Event{Time: "1 Dec 09:00", Channel: "C1AA", ChannelName: "general", User: "U1AA", UserName: "Alice"},
		},
		{
			view.Event{Time: "1 Dec 08:59", Channel: "C1AA", ChannelName: "general", User: "U1AA", UserName: "Alice"},
			view.Event{Time: "08:59", ChannelName: "general", UserName: "Alice"},
		},
		{ // a channel of the same name, which another organisation shares
			view.Event{Time: "30 Nov 08:59", Channel: "C2AA", ChannelName: "general", User: "U1AA", UserName: "Alice"},
			view.Event{Time: "30 Nov 08:59", Channel: "C2AA", ChannelName: "general", UserName: "Alice"},
		},
		{
			view.Event{Time: "30 Nov 08:58", Channel: "C2AA", ChannelName: "general", User: "U2AA", UserName: "Alice"},
			view.Event{Time: "08:58", Channel: "C2AA", ChannelName: "general", User: "U2AA", UserName: "Alice"},
		},
		{ // the first of a name that two have is told by its id too, once the other was shown
			view.Event{Time: "30 Nov 08:57", Channel: "C1AA", ChannelName: "general", User: "U1AA", UserName: "Alice"},
			view.Event{Time: "08:57", Channel: "C1AA", ChannelName: "general", User: "U1AA", UserName: "Alice"},
		},
		{
			view.Event{Time: "30 Nov 2025 08:58", Channel: "D1AA", User: "U3AA", Type: "message", Types: both},
			view.Event{Time: "30 Nov 2025 08:58", Channel: "D1AA", User: "U3AA", Type: "app_mention"},
		},
		{
			view.Event{Time: "30 Nov 2025 08:57", Channel: "D1AA", User: "U3AA", Type: "reaction_added"},
			view.Event{Time: "08:57", Channel: "D1AA", User: "U3AA", Type: "reaction_added"},
		},
		{
			view.Event{Channel: "C3AA", ChannelName: "mpdm-alice--bob--carla-1"},
			view.Event{Channel: "C3AA", ChannelName: "mpdm-alice--bob--carla-1"},
		},
		{view.Event{Channel: "C3AA", ChannelName: "mpdm-alice--bob--carla-1"}, view.Event{Channel: "C3AA"}},
	} {
		if met.Event(&tc.is); !cmp.Equal(tc.want, tc.is) {
			t.Errorf("row %d (-want +got):\n%s", i, cmp.Diff(tc.want, tc.is))
		}
	}
}

// TestANameWithoutAnIdentity: a message that names its author, and is of no user and no bot by Slack's word, has that
// name as one that somebody chose, also beside a person of the name.
func TestANameWithoutAnIdentity(t *testing.T) {
	t.Parallel()
	r := view.NewJudge(view.JudgeOptions{}).Reading(t.Context())
	want := view.Provenance{Kind: view.KindBot, SameTeam: true}
	var met view.Introduction
	for _, m := range []slackapi.Message{{User: "U1AA", Username: "Alice"}, {Username: "Alice"}} {
		m.TS = "1700000000.000100"
		v := r.Message(&m, view.MessageOptions{Unshared: true})
		if met.Message(&v); v.UserName != "Alice" || m.User == "" && v.Provenance != want {
			t.Errorf("shown is %+v", v)
		}
	}
	e := eventtest.Envelope("Ev1", a{"type": "message", "channel": "C1", "username": "Alice", "ts": "1700000000.000100", "text": "hi"})
	if v := r.Event(&e, view.EventOptions{}); v.UserName != "Alice" || v.User != "" || v.Provenance.Kind != view.KindBot || v.Provenance.Verified {
		t.Errorf("shown is %+v", v)
	}
}
