package event_test

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"slackmcp/webhook/event"
)

func TestDecodeSlackFixtures(t *testing.T) {
	at := func(sec int64, micro int64) time.Time { return time.Unix(sec, micro*1000).UTC() }
	const team = "T0SEEDS01"
	want := map[string]event.Event{
		"message.channels.json": {
			ID: "Ev0MSGCHAN", Kind: event.Kind{Type: "message"}, Team: team, Channel: "C0GENERAL", ChannelType: "channel",
			User: "U0ALICE01", Thread: "1763791200.000100", At: at(1763791200, 100),
		},
		"message.groups.json": {
			ID: "Ev0MSGGROU", Kind: event.Kind{Type: "message"}, Team: team, Channel: "G0PRIVATE", ChannelType: "group",
			User: "U0BOB0001", Thread: "1763791100.000200", At: at(1763791201, 300),
		},
		"user_change.json": {
			ID: "Ev0USRCHG1", Kind: event.Kind{Type: "user_change"}, Team: team, User: "U0ALICE01", At: at(1763791203, 500),
		},
		"channel_created.json": {
			ID: "Ev0CHANCR1", Kind: event.Kind{Type: "channel_created"}, Team: team, Channel: "C0NEWONE1", User: "U0ALICE01", At: at(1763791205, 700),
		},
		"reaction_added.json": {
			ID: "Ev0REACAD1", Kind: event.Kind{Type: "reaction_added"}, Team: team, Channel: "C0GENERAL",
			User: "U0BOB0001", Thread: "1763791200.000100", At: at(1763791208, 1000),
		},
		"message.message_changed.json": {
			ID: "Ev0MSGCHG1", Kind: event.Kind{Type: "message", Subtype: "message_changed"}, Team: team, Channel: "C0GENERAL",
			ChannelType: "channel", User: "U0ALICE01", Thread: "1763791100.000200", At: at(1763791212, 1400),
		},
		"app_rate_limited.json": {
			Kind: event.Kind{Type: "app_rate_limited"}, Team: team, At: at(1763791200, 0),
		},
		"future_event.json": {
			ID: "Ev0FUTURE1", Kind: event.Kind{Type: "hologram_projected", Subtype: "in_3d"}, Team: team, User: "U0ALICE01", At: at(1763791213, 1500),
		},
	}
	for _, f := range fixtures(t) {
		env, err := event.DecodeSlack(f.body, event.JSON)
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		w, ok := want[f.name]
		if !ok {
			continue
		}
		w.Source, w.Raw = "slack", f.body
		if w.ID == "" {
			w.ID = event.DerivedID("slack", f.body)
		}
		if diff := cmp.Diff(w, env.Event); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.name, diff)
		}
		delete(want, f.name)
	}
	if len(want) > 0 {
		t.Errorf("no fixture for %v", want)
	}
}

func TestDecodeSlackOddities(t *testing.T) {
	kind := func(typ, sub string) event.Event { return event.Event{Kind: event.Kind{Type: typ, Subtype: sub}} }
	tests := []struct {
		name, body string
		want       event.Event
	}{
		{"nothing at all", `{}`, kind("unknown", "")},
		{"an event without a type", `{"type":"event_callback","event":{"a":1}}`, kind("unknown", "")},
		{"a callback without an event", `{"type":"event_callback"}`, kind("unknown", "")},
		{"an event that is no object", `{"type":"event_callback","event":"message"}`, kind("unknown", "")},
		{"an event that is null", `{"type":"event_callback","event":null}`, kind("unknown", "")},
		{"numbers where strings belong", `{"type":"event_callback","event_id":17,"team_id":3,"event":{"type":"message","channel":1,"ts":1763791200.0001}}`, event.Event{
			ID: "17", Team: "3", Kind: event.Kind{Type: "message"}, Channel: "1", Thread: "1763791200.0001", At: time.Unix(1763791200, 100_000).UTC(),
		}},
		{"the last of two members counts", `{"type":"a","type":"event_callback","event":{"type":"x","subtype":"y","channel":"C1"},"event":{"type":"z"}}`, kind("z", "")},
		{"the last of two members counts, an object too", `{"type":"event_callback","event":{"type":"x","channel":{"id":"C1"},"channel":{"name":"n"}}}`, kind("x", "")},
		{"names with escapes", `{"typ\u0065":"event_callback","\u0065vent":{"t\u0079pe":"message"}}`, kind("message", "")},
		{"names in another case are other names", `{"Type":"event_callback","type":"x"}`, kind("x", "")},
		{"ids in another case are other members", `{"type":"x","Event_ID":"Ev1","TEAM_ID":"T1","event":{"Channel":"C1"}}`, kind("x", "")},
		{"values with escapes", `{"type":"event_callback","event":{"type":"caf\u00e9 \ud83d\ude00"}}`, kind("café 😀", "")},
		{"half a surrogate pair", `{"type":"\ud83dx"}`, kind("\ufffdx", "")},
		{"an id that is far too long", `{"type":"x","event_id":"` + strings.Repeat("E", 513) + `"}`, kind("x", "")},
		{"an id as long as can be", `{"type":"x","event_id":"` + strings.Repeat("E", 512) + `"}`, event.Event{ID: strings.Repeat("E", 512), Kind: event.Kind{Type: "x"}}},
		{"seconds as a string", `{"type":"x","event_time":"1763791200"}`, event.Event{Kind: event.Kind{Type: "x"}, At: time.Unix(1763791200, 0).UTC()}},
		{"a time that is none", `{"type":"x","event_time":"yesterday"}`, kind("x", "")},
		{"a time that is negative", `{"type":"x","event_time":-5}`, kind("x", "")},
		{"a time beyond all years", `{"type":"x","event_time":999999999999}`, kind("x", "")},
		{"a time that is not the first choice", `{"type":"event_callback","event_time":1763791200,"event":{"type":"x","event_ts":"soon"}}`, event.Event{Kind: event.Kind{Type: "x"}, At: time.Unix(1763791200, 0).UTC()}},
		{"the team of an organisation's app", `{"type":"x","team_id":null,"authorizations":[{"team_id":"T9"},{"team_id":"T8"}]}`, event.Event{Kind: event.Kind{Type: "x"}, Team: "T9"}},
		{"an assistant's thread", `{"type":"event_callback","event":{"type":"assistant_thread_started","assistant_thread":{"user_id":"U1","channel_id":"D1","thread_ts":"1.2"}}}`, event.Event{
			Kind: event.Kind{Type: "assistant_thread_started"}, User: "U1", Channel: "D1", Thread: "1.2",
		}},
		{"a deleted reply", `{"type":"event_callback","event":{"type":"message","subtype":"message_deleted","channel":"C1","ts":"9.9","previous_message":{"user":"U1","ts":"2.2","thread_ts":"1.1"}}}`, event.Event{
			Kind: event.Kind{Type: "message", Subtype: "message_deleted"}, User: "U1", Channel: "C1", Thread: "1.1", At: time.Unix(9, 900_000_000).UTC(),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, err := event.DecodeSlack([]byte(tt.body), event.JSON)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Source, tt.want.Raw = "slack", []byte(tt.body)
			if tt.want.ID == "" {
				tt.want.ID = event.DerivedID("slack", []byte(tt.body))
			}
			if diff := cmp.Diff(tt.want, env.Event); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromSelf(t *testing.T) {
	const auth = `"authorizations":[{"user_id":"UBOT","is_bot":true}]`
	tests := []struct {
		name, body string
		want       bool
	}{
		{"our app's id", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","app_id":"A1"}}`, true},
		{"our app's id in the profile", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","bot_profile":{"app_id":"A1"}}}`, true},
		{"another app", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","app_id":"A2"}}`, false},
		{"no app at all", `{"type":"event_callback","event":{"type":"message"}}`, false},
		{"our bot user", `{"type":"event_callback","event":{"type":"reaction_added","user":"UBOT"},` + auth + `}`, true},
		{"another user", `{"type":"event_callback","event":{"type":"message","user":"U1"},` + auth + `}`, false},
		{"the person who authorised us", `{"type":"event_callback","event":{"type":"message","user":"U1"},"authorizations":[{"user_id":"U1","is_bot":false}]}`, false},
		{"our message was edited", `{"type":"event_callback","event":{"type":"message","subtype":"message_changed","message":{"user":"UBOT"}},` + auth + `}`, true},
		{"our message was deleted", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","subtype":"message_deleted","previous_message":{"app_id":"A1"}}}`, true},
		{"we were invited", `{"type":"event_callback","event":{"type":"member_joined_channel","user":"UBOT","inviter":"U1"},` + auth + `}`, false},
		{"we were removed", `{"type":"event_callback","event":{"type":"member_left_channel","user":"UBOT"},` + auth + `}`, false},
		{"what is no callback", `{"type":"x","api_app_id":"A1","event":{"type":"message","app_id":"A1"}}`, false},
		{"a person's assistant", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","user":"U1","metadata":{"event_type":"slack_webhook_server_assistant"}},` + auth + `}`, true},
		{"a person's assistant, in our app's name", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","user":"U1","app_id":"A1","metadata":{"event_type":"slack_webhook_server_assistant"}},` + auth + `}`, true},
		{"an assistant's message was edited", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","subtype":"message_changed","message":{"user":"U1","metadata":{"event_type":"slack_webhook_server_assistant","event_payload":{}}}},` + auth + `}`, true},
		{"an assistant's message, filled in", `{"type":"event_callback","event":{"type":"message","user":"U1","app_id":"A1","metadata":{"event_type":"slack_webhook_server_assistant"}},` + auth + `}`, true},
		{"another app's forged mark", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","user":"U1","app_id":"A2","metadata":{"event_type":"slack_webhook_server_assistant"}},` + auth + `}`, false},
		{"another mark", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","user":"U1","metadata":{"event_type":"task_created"}},` + auth + `}`, false},
		{"the mark of nobody", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","metadata":{"event_type":"slack_webhook_server_assistant"}},` + auth + `}`, false},
		{"the mark as a text", `{"type":"event_callback","api_app_id":"A1","event":{"type":"message","user":"U1","text":"slack_webhook_server_assistant"},` + auth + `}`, false},
		{"a click on our message", `{"type":"block_actions","api_app_id":"A1","message":{"app_id":"A1","user":"UBOT"},"user":{"id":"U1"}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, err := event.DecodeSlack([]byte(tt.body), event.JSON)
			if err != nil || env.FromSelf != tt.want {
				t.Errorf("FromSelf = %v, %v, want %v", env.FromSelf, err, tt.want)
			}
		})
	}
}

func TestDecodeForms(t *testing.T) {
	tests := []struct {
		name, body string
		want       event.Event
	}{
		{"a slash command", "command=%2Fdeploy&text=a+b&team_id=T1&channel_id=C1&user_id=U1", event.Event{
			Kind: event.Kind{Type: "slash_command"}, Team: "T1", Channel: "C1", User: "U1",
		}},
		{"a click", "payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%7D%2C%22container%22%3A%7B%22channel_id%22%3A%22C1%22%2C%22message_ts%22%3A%221.5%22%7D%7D", event.Event{
			Kind: event.Kind{Type: "block_actions"}, User: "U1", Channel: "C1", Thread: "1.5",
		}},
		{"a name with escapes", "p%61yload=%7B%22type%22:%22shortcut%22%7D", event.Event{Kind: event.Kind{Type: "shortcut"}}},
		{"two payloads", "payload=%7B%22type%22:%22a%22%7D&payload=%7B%22type%22:%22b%22%7D", event.Event{Kind: event.Kind{Type: "b"}}},
		{"anything", "a=1", event.Event{Kind: event.Kind{Type: "unknown"}}},
		{"broken escapes", "command=%zz&text=100%", event.Event{Kind: event.Kind{Type: "slash_command"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, err := event.DecodeSlack([]byte(tt.body), event.Form)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Source, tt.want.Encoding, tt.want.Raw = "slack", event.Form, []byte(tt.body)
			tt.want.ID = event.DerivedID("slack", []byte(tt.body))
			if diff := cmp.Diff(tt.want, env.Event); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for body, want := range map[string]error{
		"": event.ErrEmpty, " ": event.ErrEmpty, "a=\xff": event.ErrNotUTF8, "payload=": event.ErrEmpty, "payload=x": event.ErrNotJSON,
		"payload=%FF": event.ErrNotUTF8, "payload=%5B%5D": event.ErrNotObject,
	} {
		if _, err := event.DecodeSlack([]byte(body), event.Form); !errors.Is(err, want) {
			t.Errorf("DecodeSlack(%q) = %v, want %v", body, err, want)
		}
	}
}

func TestDerivedID(t *testing.T) {
	ids := map[string]bool{}
	for _, of := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"slack", "{}"}} {
		id := event.DerivedID(of[0], []byte(of[1]))
		if ids[id] || len(id) != len("sha256-")+64 {
			t.Errorf("DerivedID(%q, %q) = %s, want one of its own", of[0], of[1], id)
		}
		ids[id] = true
	}
}

func TestInner(t *testing.T) {
	type message struct {
		Type, Text, Command string
	}
	tests := []struct {
		name, body string
		enc        event.Encoding
		want       message
	}{
		{"an event", `{"type":"event_callback","event":{"type":"message","text":"hi"}}`, event.JSON, message{"message", "hi", ""}},
		{"a notice", `{"type":"app_rate_limited","event":{"type":"x"}}`, event.JSON, message{"app_rate_limited", "", ""}},
		{"an event under a name in another case", `{"type":"event_callback","Event":{"type":"x"}}`, event.JSON, message{"event_callback", "", ""}},
		{"a click", `payload=%7B%22type%22%3A%22block_actions%22%7D`, event.Form, message{"block_actions", "", ""}},
		{"a slash command", `command=%2Fgo&text=now`, event.Form, message{"", "now", "/go"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, err := event.DecodeSlack([]byte(tt.body), tt.enc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := event.Inner[message](&env.Event)
			if err != nil || got != tt.want {
				t.Errorf("Inner = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	t.Run("the wrong shape", func(t *testing.T) {
		e := event.Event{Raw: []byte(`{"type":"event_callback","event":{"type":7}}`)}
		if _, err := event.Inner[message](&e); err == nil {
			t.Error("no error for a number in a string")
		}
	})
}

// FuzzForm compares with net/url where that reads a form at all, and looks that no
// form is shown with a secret.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"command=%2Fgo&text=a+b", "payload=%7B%22type%22%3A%22x%22%7D", "a=1&&b&=c&a=2", "token=x&t%6Fken=y&a=%zz", "payload=%7B%22token%22%3A1%7D&payload=x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		if want, err := url.ParseQuery(string(form)); err == nil && utf8.Valid(form) {
			for name, values := range want {
				if got, ok := event.FormValue(form, name); !ok || string(got) != values[len(values)-1] {
					t.Errorf("FormValue(%q, %q) = %q, %v, want %q", form, name, got, ok, values[len(values)-1])
				}
			}
		}
		shown, err := event.Sanitize(form, event.Form)
		if err != nil {
			return
		}
		for _, name := range []string{"token", "response_url", "trigger_id"} {
			if got, ok := event.FormValue(shown, name); ok {
				t.Errorf("Sanitize(%q) = %q, which shows %s %q", form, shown, name, got)
			}
		}
		if _, err := event.DecodeSlack(form, event.Form); err == nil {
			if again, err := event.Sanitize(shown, event.Form); err == nil && !bytes.Equal(again, shown) {
				t.Errorf("Sanitize(%q) = %q, and again %q", form, shown, again)
			}
		}
	})
}

// TestDecodingAllocatesForWhatIsKept bounds the allocations of one message: its fields, and
// the members of the four objects that they stand in.
func TestDecodingAllocatesForWhatIsKept(t *testing.T) {
	body, err := os.ReadFile("../testdata/slack/message.channels.json")
	if err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		if _, err := event.DecodeSlack(body, event.JSON); err != nil {
			t.Fatal(err)
		}
	})
	if n > 24 {
		t.Errorf("decoding a message allocates %.0f times, want at most 24", n)
	}
}

// TestObjectsThatHoldThemselvesAreDecoded nests members that are looked for as deep as JSON may be.
func TestObjectsThatHoldThemselvesAreDecoded(t *testing.T) {
	nested := strings.Repeat(`{"event":`, 9_999) + `{"type":"x"}` + strings.Repeat(`}`, 9_999)
	if _, err := event.DecodeSlack([]byte(nested), event.JSON); err != nil {
		t.Error(err)
	}
	if _, err := event.DecodeSlack([]byte(`{"event":`+nested+`}`), event.JSON); !errors.Is(err, event.ErrTooDeep) {
		t.Errorf("%v, want ErrTooDeep", err)
	}
}
