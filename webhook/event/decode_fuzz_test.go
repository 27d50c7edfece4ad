package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slackmcp/webhook/event"
)

// FuzzDecodeSlack compares DecodeSlack with a decoder that is built on encoding/json: both
// accept the same bodies and read the same envelope from them.
func FuzzDecodeSlack(f *testing.F) {
	for _, body := range decodeSeeds() {
		f.Add([]byte(body))
	}
	for _, file := range fixtures(f) {
		f.Add(file.body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		env, err := event.DecodeSlack(body, event.JSON)
		if !bytes.Equal(body, before) {
			t.Fatal("DecodeSlack wrote to the body")
		}
		want, wantErr := reference(body)
		if !errors.Is(err, wantErr) {
			t.Fatalf("DecodeSlack(%q) = %v, want %v", body, err, wantErr)
		}
		if err != nil {
			return
		}
		if want.ID == "" {
			want.ID = event.DerivedID("slack", body)
		}
		want.Raw = body
		if diff := cmp.Diff(want, env, cmpopts.IgnoreFields(event.Envelope{}, "Event.At")); diff != "" {
			t.Fatalf("DecodeSlack(%q) (-want +got):\n%s", body, diff)
		}
	})
}

func decodeSeeds() []string {
	return []string{
		``, ` `, `{}`, `[]`, `null`, `{"type":"event_callback"}`, "\x00", "\xff", `{"a":1}x`, `{"a":1,}`, `[1,]`, `{"a"}`,
		`{"type":"event_callback","event":{"type":"message","channel":{"id":"C1"},"user":{"id":"U1"},"ts":"1.2"}}`,
		`{"type":"event_callback","event":{"type":"a","channel":"C1"},"event":{"type":"b"}}`,
		`{"t\u0079pe":"event_c\u0061llback","event":{"type":"x\ud83d\ude00\ud83d","subtype":"\"\\\/\b\f\n\r\t"}}`,
		`{"type":"event_callback","event":{"type":"message","item":{"channel":"C2","ts":1.5}},"event_time":"12"}`,
		`{"type":"event_callback","event":{"type":"message","channel":null,"item":{"channel":"C2"},"item":3}}`,
		`{"type":"event_callback","api_app_id":"A1","event":{"type":"message","bot_profile":{"app_id":"A1"}}}`,
		`{"type":"event_callback","event":{"type":"message","user":"U1"},"authorizations":[{"user_id":"U1","is_bot":true},{"user_id":"U2"}]}`,
		`{"type":"event_callback","event":{"user":"U1"},"authorizations":[[],{"user_id":"U1","is_bot":true}],"authorizations":7}`,
		`{"type":"event_callback","event":{"type":"message","subtype":"message_changed","message":{"ts":"5.1","thread_ts":"4.1","user":"U9","app_id":"A"},"ts":"6.1"},"api_app_id":"A"}`,
		`{"type":"event_callback","event":{"type":"message","previous_message":{"ts":"5.1","user":"U9","bot_profile":{"app_id":"A"}},"ts":"6.1"},"api_app_id":"A"}`,
		`{"type":"block_actions","team":{"id":"T"},"user":{"id":"U"},"channel":{"id":"C"},"container":{"message_ts":"1.1","channel_id":"C9"},"message":{"ts":"1.1","thread_ts":"0.9"}}`,
		`{"type":"event_callback","event":{"type":"assistant_thread_started","assistant_thread":{"user_id":"U","channel_id":"D","thread_ts":"7.7"}}}`,
		`{"type":"event_callback","event":{"type":"pin_added","item":{"message":{"ts":"1.1","thread_ts":"0.9"}},"actor_id":"U1","channel":{"creator":"U2"}}}`,
		`{"type":"event_callback","event":{"type":"link_shared","message_ts":"U1-2","subteam":{"updated_by":7},"invite_request":{"requester_ids":["U1"]},"actor":{"id":"U2"}}}`,
		`{"type":5,"event_id":-1.5e+7,"team_id":true}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":"\u12g4"}`, "{\"a\":\"\x1f\"}",
	}
}

// TestDecodeDepth holds the limit to that of encoding/json. The bodies are no seeds of
// the fuzz test: there they would only slow it down.
func TestDecodeDepth(t *testing.T) {
	for _, body := range []string{
		strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000), strings.Repeat(`[`, 10_001) + strings.Repeat(`]`, 10_001),
		`{"a":` + strings.Repeat(`{"b":`, 9_999) + `1` + strings.Repeat(`}`, 10_000),
		`{"event":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`,
	} {
		_, err := event.DecodeSlack([]byte(body), event.JSON)
		_, want := reference([]byte(body))
		if !errors.Is(err, want) {
			t.Errorf("DecodeSlack(%.20s…) = %v, want %v", body, err, want)
		}
	}
}

// reference decodes with encoding/json.
func reference(body []byte) (event.Envelope, error) {
	switch {
	case len(body) == 0:
		return event.Envelope{}, event.ErrEmpty
	case !utf8.Valid(body):
		return event.Envelope{}, event.ErrNotUTF8
	case len(bytes.Trim(body, " \t\r\n")) == 0:
		return event.Envelope{}, event.ErrEmpty
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err != nil && strings.Contains(err.Error(), "exceeded max depth") {
		return event.Envelope{}, event.ErrTooDeep
	}
	if !json.Valid(body) {
		return event.Envelope{}, event.ErrNotJSON
	}
	root, ok := v.(map[string]any)
	if !ok {
		return event.Envelope{}, event.ErrNotObject
	}
	return referenceEnvelope(root), nil
}

func referenceEnvelope(root map[string]any) event.Envelope {
	inner := object(root, "event")
	item, message, previous := object(inner, "item"), object(inner, "message"), object(inner, "previous_message")
	assistant, container, clicked := object(inner, "assistant_thread"), object(root, "container"), object(root, "message")
	var auth map[string]any
	if list, _ := root["authorizations"].([]any); len(list) > 0 {
		auth, _ = list[0].(map[string]any)
	}
	callback := text(root["type"]) == "event_callback"
	kind := event.Kind{Type: text(root["type"])}
	if callback {
		kind = event.Kind{Type: text(inner["type"]), Subtype: text(inner["subtype"])}
	}
	marked, at := object(item, "message"), text(inner["message_ts"])
	if strings.Trim(at, "0123456789.") != "" {
		at = ""
	}
	thread := first(inner["thread_ts"], item["thread_ts"], item["ts"], marked["thread_ts"], marked["ts"], assistant["thread_ts"], at,
		container["thread_ts"], clicked["thread_ts"], container["message_ts"], clicked["ts"], root["message_ts"])
	if callback && (kind.Type == "message" || kind.Type == "app_mention") {
		thread = first(inner["thread_ts"], message["thread_ts"], message["ts"], previous["thread_ts"], previous["ts"], inner["ts"])
	}
	if kind.Type == "" {
		kind.Type = event.Unknown
	}
	var env event.Envelope
	env.Type = text(root["type"])
	env.Challenge, _ = root["challenge"].(string)
	env.Event = event.Event{
		Source: "slack", ID: text(root["event_id"]), Kind: kind,
		Team:        first(root["team_id"], id(root["team"]), auth["team_id"]),
		Channel:     first(id(inner["channel"]), inner["channel_id"], inner["new_channel_id"], item["channel"], assistant["channel_id"], id(root["channel"]), container["channel_id"]),
		ChannelType: text(inner["channel_type"]),
		User:        first(id(inner["user"]), inner["user_id"], message["user"], previous["user"], assistant["user_id"], id(root["user"]), referenceDoer(inner)),
		Thread:      thread,
		FromSelf:    callback && referenceFromSelf(root, auth),
	}
	return env
}

func referenceDoer(inner map[string]any) string {
	group := object(inner, "subteam")
	var requester any
	switch of := object(inner, "invite_request")["requester_ids"].(type) {
	case []any:
		if len(of) > 0 {
			requester = of[0]
		}
	case map[string]any:
		requester = of["0"]
	}
	return first(inner["actor_id"], id(inner["actor"]), object(inner, "channel")["creator"], group["updated_by"], group["created_by"],
		id(inner["accepting_user"]), id(inner["approving_user"]), id(inner["declining_user"]), id(object(inner, "invite")["inviting_user"]),
		id(object(inner, "app_request")["user"]), requester)
}

func referenceFromSelf(root, auth map[string]any) bool {
	inner := object(root, "event")
	switch text(inner["type"]) {
	case "member_joined_channel", "member_left_channel":
		return false
	}
	equal := func(a, b any) bool { return text(a) != "" && text(a) == text(b) }
	app := root["api_app_id"]
	for _, m := range []map[string]any{inner, object(inner, "message"), object(inner, "previous_message")} {
		if equal(m["app_id"], app) || equal(object(m, "bot_profile")["app_id"], app) {
			return true
		}
		foreign := text(app) != "" && text(m["app_id"])+text(object(m, "bot_profile")["app_id"]) != ""
		if !foreign && text(m["user"]) != "" && text(object(m, "metadata")["event_type"]) == event.AssistantMark {
			return true
		}
	}
	me := auth["user_id"]
	return auth["is_bot"] == true && (equal(id(inner["user"]), me) || equal(inner["user_id"], me) ||
		equal(object(inner, "message")["user"], me) || equal(object(inner, "previous_message")["user"], me))
}

func object(m map[string]any, name string) map[string]any {
	o, _ := m[name].(map[string]any)
	return o
}

func id(v any) any {
	if o, ok := v.(map[string]any); ok {
		return o["id"]
	}
	return v
}

// text is a field's text; the fields that are too long count as absent.
func text(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) <= 512 {
			return v
		}
	case json.Number:
		if len(v) <= 512 {
			return string(v)
		}
	}
	return ""
}

func first(vs ...any) string {
	for _, v := range vs {
		if s := text(v); s != "" {
			return s
		}
	}
	return ""
}
