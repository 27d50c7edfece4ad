package webhook_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

func TestChallenge(t *testing.T) {
	r := newRig(t)
	body := []byte(`{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1\u0041 <b>\"é","type":"url_verification"}`)

	t.Run("a signed one is echoed and not stored", func(t *testing.T) {
		got := r.slack(body)
		var echo map[string]string
		if err := json.Unmarshal([]byte(got.body), &echo); err != nil || got.status != 200 || len(echo) != 1 || echo["challenge"] != `3eZbrw1A <b>"é` {
			t.Errorf("answered %d %s, want the challenge alone", got.status, got.body)
		}
		if ct := got.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("Content-Type is %q, want application/json: what was sent must never show as a page", ct)
		}
	})
	t.Run("an unsigned one is refused", func(t *testing.T) {
		if got := r.post(webhook.SlackPath, body); got.status != 401 || strings.Contains(got.body, "3eZ") {
			t.Errorf("answered %d %s, want 401 without the challenge", got.status, got.body)
		}
	})
	if n := len(r.stored()); n != 0 {
		t.Errorf("stored %d events, want none", n)
	}
	t.Run("a member named challenge does not make one", func(t *testing.T) {
		r.slack([]byte(`{"type":"event_callback","event_id":"Ev1","challenge":"x","event":{"type":"message"}}`)).want(t, 200, `{"status":"ok"}`)
		if n := len(r.stored()); n != 1 {
			t.Errorf("stored %d events, want 1", n)
		}
	})
}

func TestSSLCheck(t *testing.T) {
	unsigned := []func(*http.Request){asForm}
	tests := []struct {
		name   string
		body   string
		change []func(*http.Request)
		status int
	}{
		{"alone", "ssl_check=1", unsigned, 200},
		{"with the old token", "token=abc&ssl_check=1", unsigned, 200},
		{"with an event smuggled in", "ssl_check=1&payload=" + url.QueryEscape(`{"type":"view_submission"}`), unsigned, 200},
		{"in a longer name", "my_ssl_check=1", unsigned, 401},
		{"with another value", "ssl_check=10", unsigned, 401},
		{"in another value", "text=ssl_check=1", unsigned, 401},
		{"in JSON", `{"ssl_check":1}`, unsigned, 401},
		{"not as a form", "ssl_check=1", nil, 401},
		{"too long", "ssl_check=1&x=" + strings.Repeat("x", 1024), unsigned, 401},
		{"too long and chunked", "ssl_check=1&x=" + strings.Repeat("x", 1024), append(unsigned, chunked), 401},
		{"chunked", "ssl_check=1", append(unsigned, chunked), 200},
		{"with a bad signature", "ssl_check=1", append(unsigned, with("X-Slack-Signature", "v0=00")), 401},
		{"signed", "token=abc&ssl_check=1", append(unsigned, signed(secret, time.Now(), []byte("token=abc&ssl_check=1"))), 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			got := r.post(webhook.SlackPath, []byte(tt.body), tt.change...)
			if got.status != tt.status || (tt.status == 200 && got.body != "") {
				t.Errorf("answered %d %q, want %d", got.status, got.body, tt.status)
			}
			if n := len(r.stored()); n != 0 {
				t.Errorf("stored %d events, want none", n)
			}
		})
	}
}

func TestDuplicate(t *testing.T) {
	r := newRig(t)
	body := fixture(t, "app_mention")
	r.slack(body).want(t, 200, `{"status":"ok"}`)
	r.slack(body, with("X-Slack-Retry-Num", "1"), with("X-Slack-Retry-Reason", "http_timeout")).want(t, 200, `{"status":"ok"}`)
	if n := len(r.stored()); n != 1 {
		t.Errorf("stored %d events, want 1", n)
	}
	if ob := r.observed(2); ob.Outcome != webhook.Duplicate || ob.Retry != (event.Retry{Num: 1, Reason: "http_timeout"}) {
		t.Errorf("observed %s %+v, want a duplicate with Slack's retry", ob.Outcome, ob.Retry)
	}
}

func TestRetryHeadersAreRecordedAndDropNothing(t *testing.T) {
	tests := []struct {
		name, num, reason string
		want              event.Retry
	}{
		{"first", "", "", event.Retry{}},
		{"second", "1", "http_timeout", event.Retry{Num: 1, Reason: "http_timeout"}},
		{"last", "3", "connection_failed", event.Retry{Num: 3, Reason: "connection_failed"}},
		{"no reason", "2", "", event.Retry{Num: 2, Reason: "unknown"}},
		{"odd reason", "2", "drop table", event.Retry{Num: 2, Reason: "unknown"}},
		{"odd number", "x", "http_error", event.Retry{Reason: "unknown"}},
		{"huge number", "99999999999999999999", "http_error", event.Retry{Reason: "http_error"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			var change []func(*http.Request)
			if tt.num != "" {
				change = append(change, with("X-Slack-Retry-Num", tt.num))
			}
			if tt.reason != "" {
				change = append(change, with("X-Slack-Retry-Reason", tt.reason))
			}
			r.slack(fixture(t, "app_mention"), change...).want(t, 200, `{"status":"ok"}`)
			if events := r.stored(); len(events) != 1 || events[0].Retry != tt.want {
				t.Errorf("stored %d events, retry %+v, want one with %+v", len(events), events[0].Retry, tt.want)
			}
		})
	}
}

func TestForms(t *testing.T) {
	r := newRig(t)
	command := url.Values{
		"token": {"abc"}, "team_id": {"T1"}, "channel_id": {"C1"}, "user_id": {"U1"}, "command": {"/deploy"},
		"text": {"prod & staging"}, "response_url": {"https://hooks.slack.com/commands/1"}, "trigger_id": {"1.2.abc"},
	}.Encode()
	r.slack([]byte(command), asForm).want(t, 200, "")
	r.slack([]byte(command), asForm).want(t, 200, "")
	click := "payload=" + url.QueryEscape(`{"type":"block_actions","team":{"id":"T1"},"user":{"id":"U2"},"channel":{"id":"C2"},"message":{"ts":"1.5"},"trigger_id":"1.3.abc"}`)
	r.slack([]byte(click), with("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")).want(t, 200, "")

	events := r.stored()
	if len(events) != 2 {
		t.Fatalf("stored %d events, want the command once and the click", len(events))
	}
	for i, want := range []event.Event{
		{Kind: event.Kind{Type: "slash_command"}, Team: "T1", Channel: "C1", User: "U1", Raw: []byte(command)},
		{Kind: event.Kind{Type: "block_actions"}, Team: "T1", Channel: "C2", User: "U2", Thread: "1.5", Raw: []byte(click)},
	} {
		got := events[i]
		if got.Kind != want.Kind || got.Team != want.Team || got.Channel != want.Channel || got.User != want.User ||
			got.Thread != want.Thread || string(got.Raw) != string(want.Raw) || got.Encoding != event.Form {
			t.Errorf("event %d is %+v, want %+v", i, got, want)
		}
	}
}

func TestRateLimitNoticeIsAnEvent(t *testing.T) {
	r := newRig(t)
	r.slack(fixture(t, "app_rate_limited")).want(t, 200, `{"status":"ok"}`)
	events := r.find(event.Filter{Patterns: patterns(t, "app_rate_limited")})
	if len(events) != 1 || events[0].Team != "T0SEEDS01" || events[0].At.Unix() != 1763791200 {
		t.Errorf("stored %+v, want the notice with its team and minute", events)
	}
}

func patterns(t testing.TB, list ...string) []event.Pattern {
	t.Helper()
	ps, err := event.ParsePatterns(list...)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}
