package event_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
