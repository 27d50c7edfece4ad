package view_test

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// A documented is one kind of event or interaction of Slack's, in the shape in which Slack sends it,
// and what a person has to be told of it.
type documented struct {
	Name    string `json:"name"`
	Event   a      `json:"event,omitempty"`   // of an event_callback
	Payload a      `json:"payload,omitempty"` // of an interaction
	Shows   shows  `json:"shows"`
}

// shows are the fields of a view that say where, by whom, and what.
type shows struct {
	Channel  string `json:"channel,omitempty"`
	User     string `json:"user,omitempty"`
	TS       string `json:"ts,omitempty"`
	ThreadTS string `json:"thread_ts,omitempty"`
	Text     string `json:"text"`
}

func (d *documented) event(t *testing.T, envelope ...a) event.Event {
	t.Helper()
	if d.Event != nil {
		return eventtest.Envelope("Ev1", d.Event, envelope...)
	}
	form := url.Values{"payload": {mustJSON(t, d.Payload)}}.Encode()
	env, err := event.DecodeSlack([]byte(form), event.Form)
	if err != nil {
		t.Fatal(err)
	}
	return env.Event
}

func documentedEvents(t *testing.T) []documented {
	t.Helper()
	raw, err := os.ReadFile("testdata/events.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryDocumentedEventIsTold: the view of each keeps the conversation, the person who did it, and
// what it is about.
func TestEveryDocumentedEventIsTold(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"slash_command": true, "url_verification": true} // have a form of their own
	for _, d := range documentedEvents(t) {
		e := d.event(t)
		seen[e.Kind.Type] = true
		v := open(t).Event(&e, view.EventOptions{})
		got := shows{Channel: v.Channel, User: v.User, TS: v.TS, ThreadTS: v.ThreadTS, Text: v.Text}
		if diff := cmp.Diff(d.Shows, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.Name, diff)
		}
	}
	for _, typ := range view.Types() {
		if !seen[typ] {
			t.Errorf("testdata/events.json has no %s", typ)
		}
	}
}

// TestDocumentedEventsHoldNothingUnlisted spoils each: under lockdown no word of it may come through.
func TestDocumentedEventsHoldNothingUnlisted(t *testing.T) {
	t.Parallel()
	for _, d := range documentedEvents(t) {
		if d.Event["type"] == "emoji_changed" {
			continue // no user chose the names: they are the workspace's own
		}
		outside := strings.NewReplacer(insider, missing, "U0INSIDE02", missing, homeTeam, "T0PARTNER01")
		var of documented
		if err := json.Unmarshal([]byte(outside.Replace(mustJSON(t, d))), &of); err != nil {
			t.Fatal(err)
		}
		spoil(of.Event)
		spoil(of.Payload)
		e := of.event(t, inShared(true))
		if got := seen(t, locked(t, view.Guests, nil), &e); strings.Contains(got, canary) {
			t.Errorf("%s is shown as %s", d.Name, got)
		}
	}
}

// TestWhatPassesOfADeed: under lockdown the pieces of what an event tells are judged each by its own author.
func TestWhatPassesOfADeed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		event a
		shown string
	}{
		"a colleague pins an outsider's message":           {a{"type": "pin_added", "user": insider, "channel_id": "C0SHARED01", "item": a{"type": "message", "message": a{"user": outsider, "ts": "1.000001", "text": canary}}}, "pinned a message by <@" + outsider + ">"},
		"an outsider pins a colleague's message":           {a{"type": "pin_added", "user": outsider, "channel_id": "C0SHARED01", "item": a{"type": "message", "message": a{"user": insider, "ts": "1.000001", "text": ours}}}, "pinned a message by @ann:\n> " + ours},
		"a colleague's own emoji":                          {a{"type": "reaction_added", "user": insider, "reaction": "lantern", "item_user": outsider, "item": a{"channel": "C0SHARED01", "ts": "1.000001"}}, "reacted with :lantern: to a message by <@" + outsider + ">"},
		"an outsider's own emoji":                          {a{"type": "reaction_added", "user": outsider, "reaction": canary, "item_user": insider, "item": a{"channel": "C0SHARED01", "ts": "1.000001"}}, "reacted with an emoji to a message by @ann"},
		"a deletion of an outsider's message":              {a{"type": "message", "subtype": "message_deleted", "channel": "C0SHARED01", "ts": "2.000001", "deleted_ts": "1.000001", "previous_message": a{"user": outsider, "text": canary, "ts": "1.000001"}}, ""},
		"a deletion of a colleague's message":              {a{"type": "message", "subtype": "message_deleted", "channel": "C0SHARED01", "ts": "2.000001", "deleted_ts": "1.000001", "previous_message": a{"user": insider, "text": ours, "ts": "1.000001"}}, ours},
		"the profile of an outsider":                       {a{"type": "user_change", "user": a{"id": outsider, "team_id": "T0PARTNER01", "name": canary, "profile": a{"display_name": canary}}}, "changed their profile or account"},
		"links of an outsider":                             {a{"type": "link_shared", "user": outsider, "channel": "C0SHARED01", "message_ts": "1.000001", "links": []any{a{"url": "https://" + canary}}}, "wrote links that the app previews"},
		"an inviter":                                       {a{"type": "member_joined_channel", "user": outsider, "channel": "C0SHARED01", "inviter": insider}, "joined the channel, invited by @ann"},
		"a new name of a channel that outsiders may share": {a{"type": "channel_rename", "channel": a{"id": "C0SHARED01", "name": canary}}, "the channel was renamed to"},
	} {
		e := eventtest.Envelope("Ev1", tc.event, inShared(true))
		r := locked(t, view.Guests, nil)
		v := r.Event(&e, view.EventOptions{})
		if v.Text != tc.shown {
			t.Errorf("%s: told as %q, want %q", name, v.Text, tc.shown)
		}
		if all := seen(t, r, &e); strings.Contains(all, canary) || !strings.ContainsAny(tc.shown, "<@") && !slices.Contains(v.Flags, view.FlagWithheld) && !strings.Contains(tc.shown, ours) {
			t.Errorf("%s: shown as %s", name, all)
		}
	}
}
