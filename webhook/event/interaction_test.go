package event_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slackmcp/webhook/event"
)

func TestResponseHandlesAreInNoView(t *testing.T) {
	t.Parallel()
	payload := `{"type":"block_actions","trigger_id":"1.2.secret-trigger","response_url":"https://hooks.slack.com/actions/secret-a",` +
		`"response_urls":[{"block_id":"b","response_url":"https://hooks.slack.com/app/secret-b"}],"user":{"id":"U1"},"actions":[{"action_id":"go","value":"7"}]}`
	form := url.Values{"payload": {payload}}.Encode()
	command := url.Values{"command": {"/lamp"}, "text": {"on"}, "trigger_id": {"secret-trigger"}, "response_url": {"https://hooks.slack.com/commands/secret-c"}}.Encode()
	for name, tc := range map[string]struct {
		raw     string
		enc     event.Encoding
		urls    []string
		trigger string
	}{
		"an interaction in a form":  {form, event.Form, []string{"https://hooks.slack.com/actions/secret-a", "https://hooks.slack.com/app/secret-b"}, "1.2.secret-trigger"},
		"an interaction as JSON":    {payload, event.JSON, []string{"https://hooks.slack.com/actions/secret-a", "https://hooks.slack.com/app/secret-b"}, "1.2.secret-trigger"},
		"a command in a form":       {command, event.Form, []string{"https://hooks.slack.com/commands/secret-c"}, "secret-trigger"},
		"an event that has neither": {`{"type":"event_callback","event":{"type":"message"}}`, event.JSON, nil, ""},
		"handles of a wrong type":   {`{"type":"block_actions","response_url":7,"trigger_id":{}}`, event.JSON, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, err := event.DecodeSlack([]byte(tc.raw), tc.enc)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.urls, event.ResponseURLs(&env.Event)); diff != "" {
				t.Errorf("response URLs (-want +got):\n%s", diff)
			}
			if got := event.TriggerID(&env.Event); got != tc.trigger {
				t.Errorf("trigger id %q, want %q", got, tc.trigger)
			}
			shown, err := event.Sanitize(env.Raw, env.Encoding)
			if err != nil {
				t.Fatal(err)
			}
			if plain, _ := url.QueryUnescape(string(shown)); strings.Contains(plain, "secret") {
				t.Errorf("a view shows a handle: %s", plain)
			}
		})
	}
}

func TestDecodeCommand(t *testing.T) {
	t.Parallel()
	body := []byte(`{"token":"v","team_id":"T1","channel_id":"C1","user_id":"U1","command":"/lamp","text":"on & off","response_url":"https://hooks.slack.com/commands/x"}`)
	env, err := event.DecodeCommand(body)
	if err != nil {
		t.Fatal(err)
	}
	if env.Kind.Type != event.SlashCommand || env.Team != "T1" || env.Channel != "C1" || env.User != "U1" || env.ID != event.DerivedID("slack", body) {
		t.Errorf("decoded %+v", env.Event)
	}
	c, err := event.Inner[event.Command](&env.Event)
	if err != nil || c.Command != "/lamp" || c.Text != "on & off" {
		t.Errorf("the command reads %+v, %v", c, err)
	}
	for _, bad := range []string{``, `[]`, `{"command":{}}`, `{"command":`} {
		if _, err := event.DecodeCommand([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestValues: of every element that Slack documents, what was chosen or typed.
func TestValues(t *testing.T) {
	t.Parallel()
	for element, want := range map[string][]string{
		`{"type":"button","value":"yes"}`: {"yes"},
		`{"type":"button"}`:               nil,
		`{"type":"overflow","selected_option":{"text":{"type":"plain_text","text":"Edit"},"value":"edit"}}`: {"edit"},
		`{"type":"static_select","selected_option":{"value":"sv"}}`:                                         {"sv"},
		`{"type":"static_select","selected_option":null}`:                                                   nil,
		`{"type":"external_select","selected_option":{"value":"sv"}}`:                                       {"sv"},
		`{"type":"radio_buttons","selected_option":{"value":"r"}}`:                                          {"r"},
		`{"type":"checkboxes","selected_options":[{"value":"a"},{"value":"b"}]}`:                            {"a", "b"},
		`{"type":"multi_static_select","selected_options":[{"value":"a"},{"value":"b"}]}`:                   {"a", "b"},
		`{"type":"multi_external_select","selected_options":[]}`:                                            nil,
		`{"type":"users_select","selected_user":"U1"}`:                                                      {"U1"},
		`{"type":"multi_users_select","selected_users":["U1","U2"]}`:                                        {"U1", "U2"},
		`{"type":"channels_select","selected_channel":"C1"}`:                                                {"C1"},
		`{"type":"multi_channels_select","selected_channels":["C1","C2"]}`:                                  {"C1", "C2"},
		`{"type":"conversations_select","selected_conversation":"D1"}`:                                      {"D1"},
		`{"type":"multi_conversations_select","selected_conversations":["D1","C2"]}`:                        {"D1", "C2"},
		`{"type":"datepicker","selected_date":"2026-01-02"}`:                                                {"2026-01-02"},
		`{"type":"timepicker","selected_time":"09:30"}`:                                                     {"09:30"},
		`{"type":"datetimepicker","selected_date_time":1764000000}`:                                         {"1764000000"},
		`{"type":"plain_text_input","value":"some words"}`:                                                  {"some words"},
		`{"type":"number_input","value":"4.5"}`:                                                             {"4.5"},
		`{"type":"file_input","files":[{"id":"F1"},{"id":"F2"}]}`:                                           {"F1", "F2"},
		`{"type":"select","name":"n","selected_options":[{"value":"v"}]}`:                                   {"v"},
		`{"type":"rich_text_input","rich_text_value":{"type":"rich_text","elements":[]}}`:                   nil,
		`{"type":"datepicker","selected_date":null,"initial_date":"2026-01-02","value":null}`:               nil,
	} {
		var a event.Action
		if err := json.Unmarshal([]byte(element), &a); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a.Values(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", element, diff)
		}
	}
}
