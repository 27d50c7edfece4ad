package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"slackmcp/webhook/event"
)

func TestSanitizeJSON(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"nothing to leave out", `{"a": 1 , "b":[ ]}`, `{"a": 1 , "b":[ ]}`},
		{"the only member", `{"token":"x"}`, `{}`},
		{"the first member", `{"token":"x", "a":1}`, `{"a":1}`},
		{"the last member", `{"a":1 , "token":"x" }`, `{"a":1  }`},
		{"one in the middle", `{"a":1, "token":"x", "b":2}`, `{"a":1, "b":2}`},
		{"two in a row at the start", `{"token":"x","trigger_id":"y","a":1}`, `{"a":1}`},
		{"two in a row at the end", `{"a":1,"token":"x","trigger_id":"y"}`, `{"a":1}`},
		{"all", `{ "token" : "x" , "response_url":"y" }`, `{  }`},
		{"the same name twice", `{"token":"x","a":1,"token":"y"}`, `{"a":1}`},
		{"at any depth", `{"event":{"bot_access_token":"x","list":[{"response_url":"y","b":2}]}}`, `{"event":{"list":[{"b":2}]}}`},
		{"whatever the value is", `{"token":{"token":["x"]},"a":1,"authorization":[1,{"b":"}"}]}`, `{"a":1}`},
		{"numbers keep their digits", `{"n":1.10,"big":123456789012345678901234567890,"e":1E+2,"token":0}`, `{"n":1.10,"big":123456789012345678901234567890,"e":1E+2}`},
		{"escapes stay as they are", `{"t\u00e9xt":"\u003c\/","token":"x"}`, `{"t\u00e9xt":"\u003c\/"}`},
		{"a name with escapes is no disguise", `{"to\u006ben":"x","a":1}`, `{"a":1}`},
		{"a name in another case is no disguise", `{"Token":"x","botAccessToken":"x","Client-Secret":"x","REFRESH_TOKEN":"x","a":1}`, `{"a":1}`},
		{"ids of revoked tokens stay", `{"tokens":{"oauth":["U1"],"bot":["U2"]}}`, `{"tokens":{"oauth":["U1"],"bot":["U2"]}}`},
		{"words in a text stay", `{"text":"my token: response_url"}`, `{"text":"my token: response_url"}`},
		{"an interaction's handles", `{"interactivity":{"interactivity_pointer":"1.2","interactor":{"secret":"s","id":"U1"}}}`, `{"interactivity":{"interactor":{"id":"U1"}}}`},
		{"a list", `[{"token":"x"},1]`, `[{},1]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := event.Sanitize([]byte(tt.raw), event.JSON)
			if err != nil || string(got) != tt.want {
				t.Errorf("Sanitize(%s)\n got %s, %v\nwant %s", tt.raw, got, err, tt.want)
			}
		})
	}
	for raw, want := range map[string]error{
		``: event.ErrEmpty, ` `: event.ErrEmpty, "{\"a\":\"\xff\"}": event.ErrNotUTF8, `{"token":}`: event.ErrNotJSON, `{"a":1,}`: event.ErrNotJSON,
		`{"token":"x",}`: event.ErrNotJSON, `{}{}`: event.ErrNotJSON, `{"a":1`: event.ErrNotJSON, "\x00": event.ErrNotJSON,
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001): event.ErrTooDeep,
	} {
		if got, err := event.Sanitize([]byte(raw), event.JSON); !errors.Is(err, want) || got != nil {
			t.Errorf("Sanitize(%.40q) = %s, %v, want %v", raw, got, err, want)
		}
	}
}

func TestSanitizeForm(t *testing.T) {
	payload := func(s string) string { return "payload=" + url.QueryEscape(s) }
	tests := []struct{ name, raw, want string }{
		{"nothing to leave out", "a=%7e&b=+&c", "a=%7e&b=+&c"},
		{"a slash command", "token=x&command=%2Fgo&text=a+b&response_url=https%3A%2F%2Fh&trigger_id=1.2", "command=%2Fgo&text=a+b"},
		{"a name with escapes is no disguise", "tok%65n=x&a=1", "a=1"},
		{"a payload without secrets stays as it was written", "payload=%7b%22a%22%3a1%7d", "payload=%7b%22a%22%3a1%7d"},
		{"a payload with secrets", payload(`{"type":"block_actions","token":"x","n":1.10}`) + "&a=1", payload(`{"type":"block_actions","n":1.10}`) + "&a=1"},
		{"a payload under a name with escapes", "p%61yload=" + url.QueryEscape(`{"token":"x"}`), "payload=%7B%7D"},
		{"only secrets", "token=x", ""},
		{"a payload that is no JSON", "payload=x%FF&token=x", "payload=x%FF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := event.Sanitize([]byte(tt.raw), event.Form)
			if err != nil || string(got) != tt.want {
				t.Errorf("Sanitize(%s)\n got %s, %v\nwant %s", tt.raw, got, err, tt.want)
			}
		})
	}
	for _, raw := range []string{"a=\xff", ""} {
		if got, err := event.Sanitize([]byte(raw), event.Form); err == nil {
			t.Errorf("Sanitize(%q) = %q, want an error: what cannot be read cannot be shown", raw, got)
		}
	}
}

func TestSanitizeDoesNotWriteToRaw(t *testing.T) {
	raw := []byte(`{"token":"x","a":1}`)
	before := bytes.Clone(raw)
	clean, err := event.Sanitize(raw, event.JSON)
	if err != nil {
		t.Fatal(err)
	}
	clean[0] = '!'
	if !bytes.Equal(raw, before) {
		t.Errorf("raw became %s", raw)
	}
}

// FuzzSanitize compares with a walk over what encoding/json parsed.
func FuzzSanitize(f *testing.F) {
	for _, body := range decodeSeeds() {
		f.Add([]byte(body))
	}
	for _, file := range fixtures(f) {
		f.Add(file.body)
	}
	for _, s := range []string{
		`{"token":1}`, `{"a":1,"token":2}`, `{"token":1,"a":2}`, `{"a":{"Trigger_ID":[1,{"b":2}]},"x-token":3,"c":[{"apiKey":{}}]}`,
		`[{"token":{"token":1}},{"a":"token"}]`, `{"to\u006ben":1,"\ud800token":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := event.Sanitize(raw, event.JSON)
		if err != nil {
			if _, want := reference(raw); want == nil {
				t.Fatalf("Sanitize(%q) = %v, and it can be decoded", raw, err)
			}
			return
		}
		// cmp.Diff takes a time exponential in the depth.
		if !reflect.DeepEqual(strip(parse(t, raw)), parse(t, got)) {
			t.Fatalf("Sanitize(%q) = %q, want only the secret members left out", raw, got)
		}
		again, err := event.Sanitize(got, event.JSON)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("Sanitize(%q) = %q, %v, want nothing more to leave out", got, again, err)
		}
	})
}

func parse(t *testing.T, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return v
}

// strip removes secret members; what counts as one is written anew here.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			n := strings.NewReplacer("_", "", "-", "").Replace(asciiLower(name))
			switch n {
			case "responseurl", "triggerid", "interactivitypointer", "authorization", "password", "passwd", "secret", "clientsecret",
				"signingsecret", "webhooksecret", "apikey", "privatekey", "bearer", "cookie", "setcookie":
				delete(v, name)
				continue
			}
			if strings.HasSuffix(n, "token") && len(name) <= 64 {
				delete(v, name)
				continue
			}
			v[name] = strip(v[name])
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// TestWhole gives programs what a sender sent, and of Slack's nothing that acts.
func TestWhole(t *testing.T) {
	const shop, slack = `{"cart_token":"kept","token":"kept","password":"kept"}`, `{"token":"x","api_app_id":"A1","type":"event_callback"}`
	for name, tc := range map[string]struct {
		e    event.Event
		want string
	}{
		"another sender":        {event.Event{Source: "shop", Raw: []byte(shop)}, shop},
		"its form":              {event.Event{Source: "shop", Raw: []byte("token=kept&a=1"), Encoding: event.Form}, "token=kept&a=1"},
		"Slack":                 {event.Event{Source: event.SourceSlack, Raw: []byte(slack)}, `{"api_app_id":"A1","type":"event_callback"}`},
		"a second app of Slack": {event.Event{Source: "second", Raw: []byte(slack)}, `{"api_app_id":"A1","type":"event_callback"}`},
		"a command of it":       {event.Event{Source: "second", Raw: []byte("token=x&api_app_id=A1"), Encoding: event.Form}, "api_app_id=A1"},
		"an interaction of it":  {event.Event{Source: "second", Raw: []byte("payload=%7B%22api_app_id%22%3A%22A1%22%2C%22token%22%3A%22x%22%7D"), Encoding: event.Form}, "payload=%7B%22api_app_id%22%3A%22A1%22%7D"},
	} {
		if got, err := tc.e.Whole(); err != nil || string(got) != tc.want {
			t.Errorf("%s: %s %v, want %s", name, got, err, tc.want)
		}
	}
}
