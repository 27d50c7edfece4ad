package mcp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"

	"slackmcp/mcp"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// A shape is a message of the table in internal/words, and what a person sees of it and does not.
type shape struct {
	Case    string
	Message object
	Sees    []string
	Hides   []string
	ts, id  string
}

// shapes is the table, in the sandbox's general channel: U01 is Alice, U02 nobody knows.
func shapes(t *testing.T) []*shape {
	t.Helper()
	raw, err := os.ReadFile("../internal/words/testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.NewReplacer("U01", sandbox.Alice, "U02", "U0UNKNOWN02", `"B8"`, `"B0ALERTS001"`).Replace(string(raw)))
	var all []*shape
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		s.ts, s.id = fmt.Sprintf("17000%05d.000100", i), fmt.Sprintf("EvShape%d", i)
		maps.Copy(s.Message, object{"type": "message", "ts": s.ts, "team": ownTeam})
		if s.Message["bot_id"] != nil {
			s.Message["app_id"] = "A0ALERTS001"
		}
		if s.Message["user"] != nil {
			for _, f := range list(s.Message["files"]) {
				f["user"] = s.Message["user"]
			}
		}
	}
	return all
}

// list is a list of objects.
func list(v any) []object {
	items, _ := v.([]any)
	var all []object
	for _, item := range items {
		if o, ok := item.(object); ok {
			all = append(all, o)
		}
	}
	return all
}

// shapeSlack is a sandbox whose histories, threads and searches hold the table.
func shapeSlack(t *testing.T, all []*shape) *slackapi.Client {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	real := box.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(messages []object) {
			_ = json.NewEncoder(w).Encode(object{"ok": true, "messages": messages, "has_more": false})
		}
		switch strings.TrimPrefix(r.URL.Path, "/api/") {
		case "conversations.history":
			answer(within(all, r.FormValue("oldest"), r.FormValue("latest")))
		case "conversations.replies":
			answer(within(all, r.FormValue("ts"), r.FormValue("ts")))
		case "search.messages":
			found := within(all, "", "")
			for _, m := range found {
				m["channel"] = object{"id": sandbox.General, "name": "general"}
			}
			_ = json.NewEncoder(w).Encode(object{"ok": true, "messages": object{"matches": found, "total": len(found), "paging": object{"page": 1, "pages": 1}}})
		default:
			real.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	if err := box.SetBaseURL(srv.URL); err != nil {
		t.Fatal(err)
	}
	client, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, UserToken: sandbox.DefaultUserToken, URL: srv.URL + "/api/", Pace: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func within(all []*shape, oldest, latest string) []object {
	found := []object{}
	for _, s := range all {
		if s.ts >= oldest && (latest == "" || s.ts <= latest) {
			found = append(found, maps.Clone(s.Message))
		}
	}
	return found
}

// spokenIn is what a view of a message or an event says: its text and its files.
func spokenIn(t *testing.T, raw []byte) string {
	t.Helper()
	var v struct {
		Text  string         `json:"text"`
		Files []view.FileRef `json:"files"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return view.Said(v.Text, v.Files)
}

// places are where an assistant meets a message. Each returns what it says there, by the message's ts;
// whole is given all that the place returns.
func (h *fixture) places(all []*shape, whole func(place string, raw []byte)) map[string]map[string]string {
	h.t.Helper()
	c := h.connect()
	found := map[string]map[string]string{}
	note := func(place string, raw json.RawMessage) string {
		h.t.Helper()
		var v struct {
			TS string `json:"ts"`
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			h.t.Fatal(err)
		}
		if found[place] == nil {
			found[place] = map[string]string{}
		}
		found[place][v.TS] = spokenIn(h.t, raw)
		return v.TS
	}
	rows := func(place, member, tool string, args object) (last string) {
		h.t.Helper()
		var out map[string]json.RawMessage
		whole(place, h.result(c, tool, args, &out))
		var many []json.RawMessage
		if json.Unmarshal(out[member], &many) != nil {
			many = []json.RawMessage{out[member]}
		}
		for _, one := range many {
			note(place, one)
		}
		_ = json.Unmarshal(out["next_cursor"], &last)
		return last
	}
	rows("search", "messages", "slack_search_messages", object{"query": "x", "limit": 100})
	for cursor := "start"; len(found["wait"]) < len(all); {
		cursor = rows("wait", "events", "slack_wait_for_event", object{"cursor": cursor, "timeout_seconds": 1, "limit": 20})
	}
	for cursor := ""; ; {
		args := object{"limit": 20}
		if cursor != "" {
			args["cursor"] = cursor
		}
		if cursor = rows("events list", "events", "slack_list_events", args); len(found["events list"]) >= len(all) || cursor == "" {
			break
		}
	}
	for _, s := range all {
		for _, format := range []string{"detailed", "concise"} {
			rows("history", "messages", "slack_read_channel_messages", object{"channel": sandbox.General, "oldest": s.ts, "latest": s.ts, "inclusive": true, "response_format": format})
			rows("thread", "messages", "slack_read_thread_messages", object{"channel": sandbox.General, "thread_ts": s.ts, "response_format": format})
		}
		rows("events get", "event", "slack_get_event", object{"event_id": s.id})
		rows("context", "event", "slack_event_context", object{"event_id": s.id})
		text, err := h.read(c, "slack://events/"+s.id)
		if err != nil {
			h.t.Fatal(err)
		}
		var out struct {
			Event json.RawMessage `json:"event"`
		}
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			h.t.Fatal(err)
		}
		whole("resource", []byte(text))
		note("resource", out.Event)
	}
	for cursor := "start"; ; {
		p := h.poll(object{"name": "message.created", "cursor": cursor, "maxEvents": 20, "arguments": object{"include_own": true}})
		for _, o := range p.Events {
			raw, err := json.Marshal(o.Data)
			if err != nil {
				h.t.Fatal(err)
			}
			whole("MCP Events", raw)
			note("MCP Events", raw)
		}
		if cursor = p.Cursor; !p.HasMore {
			break
		}
	}
	return found
}

// result calls a tool, reads its structured result and returns that whole.
func (h *fixture) result(c *client.Client, tool string, args object, out any) []byte {
	h.t.Helper()
	res := h.call(c, tool, args)
	raw, err := json.Marshal(res.StructuredContent)
	if err != nil || res.IsError {
		h.t.Fatalf("%s: %v, %+v", tool, err, res)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		h.t.Fatalf("%s: %v in %s", tool, err, raw)
	}
	return raw
}

// publish puts an event of each message into the log.
func publish(log *eventtest.Log, all []*shape, shared bool) {
	for _, s := range all {
		m := maps.Clone(s.Message)
		m["channel"], m["channel_type"] = sandbox.General, "channel"
		log.Append(eventtest.Envelope(s.id, m, object{"is_ext_shared_channel": shared}))
	}
}

// TestEveryPlaceShowsWhatAPersonSees holds the table against each place where an assistant meets a
// message; webhook/rule holds it against rules.
func TestEveryPlaceShowsWhatAPersonSees(t *testing.T) {
	t.Parallel()
	all := shapes(t)
	if len(all) < 60 {
		t.Fatalf("the table has %d messages", len(all))
	}
	var log *eventtest.Log
	h := newFixture(t, func(o *mcp.Options) {
		log, _ = o.Events.(*eventtest.Log)
		o.Slack, o.Choice = shapeSlack(t, all), toolset.Choice{Toolsets: []string{"all"}}
	})
	publish(log, all, false)
	places := h.places(all, func(string, []byte) {})
	places["channel push"] = pushed(t, all)
	if len(places) != 10 {
		t.Errorf("%d places are looked at", len(places))
	}
	for place, said := range places {
		for _, s := range all {
			if place == "MCP Events" && s.Message["subtype"] == "channel_join" {
				continue // message.created is what somebody wrote
			}
			got, ok := said[s.ts]
			if !ok {
				t.Errorf("%s, %s: is not there", place, s.Case)
			}
			for _, want := range s.Sees {
				if named := strings.ReplaceAll(want, "<@"+sandbox.Alice+">", "@alice"); !strings.Contains(got, want) && !strings.Contains(got, named) {
					t.Errorf("%s, %s: %q is not in %q", place, s.Case, want, got)
				}
			}
			for _, hidden := range s.Hides {
				if strings.Contains(got, hidden) {
					t.Errorf("%s, %s: %q is in %q", place, s.Case, hidden, got)
				}
			}
		}
	}
}

// pushed is what a channel pushes when Alice, on whose words it waits, writes each message.
func pushed(t *testing.T, all []*shape) map[string]string {
	t.Helper()
	r := newChannelRig(t, mcp.Channel{Senders: []string{sandbox.Alice}, Watch: []string{sandbox.General}})
	r.handshake()
	got := map[string]string{}
	for _, s := range all {
		m := maps.Clone(s.Message)
		if maps.Copy(m, object{"user": sandbox.Alice, "channel": sandbox.General, "channel_type": "channel"}); m["subtype"] == "me_message" || m["subtype"] == "channel_join" {
			delete(m, "subtype") // such are not pushed
		}
		delete(m, "bot_id")
		delete(m, "app_id")
		r.events.Append(eventtest.Envelope(s.id, m))
		l := r.next()
		got[l.Params.Meta["ts"]] = l.Params.Content
	}
	return got
}

// spoiled are the types of elements in a person's blocks in which others' words stand.
var spoiled = map[string]bool{"call": true, "hologram": true, "message_mention": true, "canvas": true}

// spoil puts the canary before each text of words. With only, it does so in what other people than the
// author of a message wrote.
func spoil(v any, only bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			spoil(item, only)
		}
	case object:
		kind, _ := v["type"].(string)
		only = only && !spoiled[kind]
		for k, item := range v {
			if s, ok := item.(string); ok && !only && !program[k] && !strings.HasSuffix(k, "_id") && !strings.HasSuffix(k, "ts") {
				v[k] = canary + " " + s
			}
			spoil(item, only)
		}
	}
}

// program are the members of messages that hold no words.
var program = map[string]bool{
	"type": true, "subtype": true, "user": true, "id": true, "style": true, "status": true, "mode": true, "filetype": true, "team": true, "initial_user": true,
}

// byPerson makes a message that of a person, in which others' words have the canary: in attachments, in
// files, and in what blocks refer to.
func byPerson(s *shape) {
	delete(s.Message, "bot_id")
	delete(s.Message, "app_id")
	s.Message["user"] = sandbox.Alice
	spoil(s.Message["blocks"], true)
	for _, at := range list(s.Message["attachments"]) {
		if s.Case == "a pasted table" {
			continue // which the person did
		}
		spoil(at, false)
	}
	for _, f := range list(s.Message["files"]) {
		spoil(f, false)
		f["user"] = "U0UNKNOWN02"
	}
	if root, ok := s.Message["root"].(object); ok {
		spoil(root, false)
	}
}

// TestLockdownOfEveryShape: no words of people outside come through in any shape of a message.
func TestLockdownOfEveryShape(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*shape){
		"an outsider's": func(s *shape) {
			bot := s.Message["bot_id"] != nil
			spoil(s.Message, false)
			if !bot {
				maps.Copy(s.Message, object{"user": "U0UNKNOWN02", "team": otherTeam})
			}
			for _, f := range list(s.Message["files"]) {
				f["user"] = "U0UNKNOWN02"
			}
		},
		"a colleague's": byPerson,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := shapes(t)
			for _, s := range all {
				change(s)
			}
			var log *eventtest.Log
			h := newFixture(t, func(o *mcp.Options) {
				log, _ = o.Events.(*eventtest.Log)
				o.Slack, o.Lockdown, o.Choice = shapeSlack(t, all), view.Guests, toolset.Choice{Toolsets: []string{"all"}}
			})
			publish(log, all, true)
			places := h.places(all, func(place string, raw []byte) { clean(t, place, string(raw), nil) })
			if name == "an outsider's" {
				return
			}
			for place, said := range places {
				for ts, want := range map[string]string{all[10].ts: "the build is green", all[5].ts: "<https://d.example/plan>", all[4].ts: "web-3 | 97%"} {
					if place != "search" && !strings.Contains(said[ts], want) {
						t.Errorf("%s: a colleague's %q is not in %q", place, want, said[ts])
					}
				}
			}
		})
	}
}
