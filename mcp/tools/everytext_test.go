package tools_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/resources"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// group is a user group of the sandbox's workspace.
func group(t *testing.T, r *rig) string {
	t.Helper()
	groups, err := r.client.UserGroups(t.Context(), false, false)
	if err != nil || len(groups) == 0 {
		t.Fatalf("user groups: %d, %v", len(groups), err)
	}
	return groups[0].ID
}

// wholly makes the corpus one value of each shape that a payload can have.
func wholly() a {
	tree := a{"untrusted": false, "provenance": a{"kind": "self", "same_team": true, "verified": true}, "list": corpus}
	for i, text := range corpus {
		tree[text] = a{"text": text, fmt.Sprintf("member_%d", i): []any{a{text: text}}}
	}
	return tree
}

// receive puts events of every form into the log: their texts, their names and, where a
// sender chooses them, their ids and types are of the corpus. It returns them.
func receive(t *testing.T, r *rig) []event.Event {
	t.Helper()
	var list []event.Event
	inner := func(text string, more a) {
		in := a{
			"type": "message", "channel": sandbox.Random, "channel_type": "channel", "user": sandbox.Bob, "ts": "1700000000.000100",
			"text": text, "username": text, "blocks": []any{a{"type": "section", "text": a{"type": "mrkdwn", "text": text}}},
			"attachments": []any{a{"fallback": text, "fields": []any{a{"title": text}}}}, "files": []any{a{"name": text, "title": text}},
		}
		maps.Copy(in, more)
		list = append(list, eventtest.Envelope(fmt.Sprintf("EvText%d", len(list)), in, a{"event_context": text}))
	}
	for _, text := range corpus {
		for _, more := range []a{
			{"tree": wholly()},
			{"type": text, "subtype": text, "channel_type": text},
			{"subtype": "message_changed", "message": a{"text": text, "user": sandbox.Bob, "ts": "1700000000.000100"}},
			{"subtype": "bot_message", "bot_id": "B0OTHER0001", "bot_profile": a{"name": text}},
			{"subtype": "channel_topic", "topic": text},
			{"type": "reaction_added", "reaction": text, "item": a{"type": "message", "channel": sandbox.Random, "ts": "1700000000.000100"}},
			{"type": "channel_rename", "channel": a{"id": sandbox.Random, "name": text}},
			{"type": "user_change", "user": a{"id": sandbox.Bob, "name": text, "real_name": text, "profile": a{"display_name": text, "title": text}}},
			{"type": "emoji_changed", "subtype": "add", "name": text, "value": text},
			{"type": "subteam_updated", "subteam": a{"id": "S0AAAAAAA", "name": text, "handle": text}},
			{"type": "link_shared", "links": []any{a{"url": text, "domain": text}}},
		} {
			inner(text, more)
		}
		list = append(list, forms(t, text)...)
		for i, enc := range []event.Encoding{event.JSON, event.Form} {
			raw, err := json.Marshal(a{"untrusted": false, "provenance": a{"kind": "self"}, "note": text, "text": text, "tree": wholly()})
			if err != nil {
				t.Fatal(err)
			}
			if enc == event.Form {
				raw = []byte(url.Values{"text": {text}, text: {text}, "payload": {string(raw)}}.Encode())
			}
			list = append(list, event.Event{
				Source: "tickets", ID: fmt.Sprintf("%d %s", i, text), Kind: event.Kind{Type: text, Subtype: text}, Encoding: enc, Raw: raw, ReceivedAt: time.Unix(1_700_000_000, 0),
			})
		}
	}
	r.events.Append(list...)
	for i := range list {
		if list[i].Source == "" {
			list[i].Source = event.SourceSlack
		}
	}
	return list
}

// forms are a slash command and a click, as Slack posts them.
func forms(t *testing.T, text string) []event.Event {
	t.Helper()
	payload, err := json.Marshal(a{
		"type": "block_actions", "team": a{"id": sandbox.Team, "domain": text}, "user": a{"id": sandbox.Bob, "name": text, "team_id": sandbox.Team},
		"channel": a{"id": sandbox.Random, "name": text}, "message": a{"text": text}, "actions": []any{a{"value": text, "text": text}}, "trigger_id": text,
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []event.Event
	for _, form := range []url.Values{
		{"command": {"/lamp"}, "text": {text}, "user_id": {sandbox.Bob}, "user_name": {text}, "channel_id": {sandbox.Random}, "channel_name": {text}, "team_id": {sandbox.Team}, "trigger_id": {text}},
		{"payload": {string(payload)}},
	} {
		env, err := event.DecodeSlack([]byte(form.Encode()), event.Form)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, env.Event)
	}
	return list
}

// silent are the reading tools that show nothing that people wrote.
var silent = []string{"slack_get_user_presence", "slack_get_permalink", "slack_admin_list_groups"}

// readings are the arguments with which each reading tool is held against the corpus.
// A tool with a response_format is called in both.
func readings(p planted, events []event.Event, group string) map[string][]a {
	of, message := a{"channel": sandbox.Random}, a{"channel": sandbox.Random, "timestamp": p.first}
	r := map[string][]a{
		"slack_list_events":             {{"limit": 200}, {"source": "tickets", "limit": 200}},
		"slack_wait_for_event":          {{"cursor": "start", "limit": 100}},
		"slack_event_context":           {{"event_id": "EvText0"}, {"event_id": "EvAsk"}},
		"slack_get_permalink":           {message},
		"slack_read_channel_messages":   {of},
		"slack_read_thread_messages":    {{"channel": sandbox.Random, "thread_ts": p.first}},
		"slack_search_messages":         {{"query": marker}},
		"slack_list_unread":             {{"limit": 40}},
		"slack_list_scheduled_messages": {{}},
		"slack_get_reactions":           {message},
		"slack_read_emojis":             {{}, {"limit": 1}},
		"slack_search_emojis":           {{"query": "a,e,i,o,u", "limit": 200}},
		"slack_list_channels":           {{"types": "public_channel,private_channel,mpim,im", "include_archived": true}, {"query": marker}, {"query": marker, "limit": 1}},
		"slack_get_channel_info":        {of},
		"slack_list_channel_members":    {of},
		"slack_list_users":              {{}},
		"slack_search_users":            {{"query": marker}, {"query": marker, "limit": 1}, {"query": "bob@lantern-works.example"}},
		"slack_get_user_profiles":       {{"users": []string{sandbox.Bob, "U0NOBODY001"}}},
		"slack_get_user_presence":       {{"user": sandbox.Bob}},
		"slack_list_user_groups":        {{"include_disabled": true}},
		"slack_list_user_group_members": {{"user_group": group}},
		"slack_get_file_info":           {{"file_id": p.file}},
		"slack_read_file":               {{"file_id": p.file}},
		"slack_list_pins":               {of},
		"slack_list_bookmarks":          {of},
		"slack_read_canvas":             {{"canvas_id": p.canvas, "find": marker}},
		"slack_get_event":               {},
		"webhook_message_status":        {{"message_id": corpus[0]}},
		"slack_admin_list_groups":       {{}},
		"slack_admin_list_dead_letters": {{"group": deadGroup}},
	}
	for i := range events {
		r["slack_get_event"] = append(r["slack_get_event"], a{"event_id": events[i].ID, "source": events[i].Source},
			a{"event_id": view.EventURI(events[i].Source, events[i].ID)})
	}
	return r
}

// hostileRig is a workspace whose every text is of the corpus, and a log of such events.
func hostileRig(t *testing.T, botOnly bool) (*rig, *hostile, map[string][]a) {
	t.Helper()
	way := &hostile{canned: map[string][]byte{}}
	r := newRig(t, func(o *rigOptions) { o.client.Transport, o.botOnly = way, botOnly })
	p := plant(t, r)
	if _, err := r.client.ScheduleMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Text: corpus[6]}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.events.Append(eventtest.Envelope("EvAsk", a{
		"type": "app_mention", "channel": sandbox.Random, "user": sandbox.Bob, "ts": p.first, "text": corpus[0], "action_token": "a-token",
	}))
	r.events.Append(receipt(t, corpus[0]))
	cases := readings(p, receive(t, r), group(t, r))
	way.arm(nil)
	return r, way, cases
}

// receipt is a delivery receipt of a message with this id.
func receipt(t *testing.T, id string) event.Event {
	t.Helper()
	raw, err := json.Marshal(a{"id": id, "status": "delivered", "deliveredAt": "2024-12-01T12:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	return event.Event{
		Source: event.SourceReceipts, ID: event.DerivedID(event.SourceReceipts, raw), Raw: raw,
		Kind: event.Kind{Type: "delivery_receipt", Subtype: "delivered"}, ReceivedAt: time.Now(),
	}
}

// The tests here are not parallel: they are heavy, and others have deadlines.

// TestEveryReadingTool holds every reading tool of the catalog to show what others
// wrote inside marked objects only, wherever in Slack or in an event it was written.
func TestEveryReadingTool(t *testing.T) {
	r, _, cases := hostileRig(t, false)
	for _, name := range slices.Sorted(maps.Keys(r.tools)) {
		tool := r.tools[name]
		if !tool.Effect.ReadOnly() {
			continue
		}
		if len(cases[name]) == 0 {
			t.Errorf("%s reads, and no case holds it against the corpus", name)
		}
		for _, args := range cases[name] {
			for _, format := range formats(&tool) {
				args = maps.Clone(args)
				maps.Copy(args, format)
				res, err := r.try(name, args)
				if err != nil {
					t.Errorf("%s%v: %s", name, args, tools.Fault(err))
					continue
				}
				if n := contained(t, fmt.Sprint(name, format), res); n == 0 && !slices.Contains(silent, name) {
					t.Errorf("%s%v: nothing of the corpus came through: %s", name, args, res)
				}
			}
		}
	}
}

func formats(tool *toolset.Tool) []a {
	if !strings.Contains(string(tool.InputSchema), `"response_format"`) {
		return []a{{}}
	}
	return []a{{"response_format": "concise"}, {"response_format": "detailed"}}
}

// TestSearchOnBehalf is the search of an app without a user token.
func TestSearchOnBehalf(t *testing.T) {
	r, way, _ := hostileRig(t, true)
	var matches []any
	for range corpus {
		matches = append(matches, a{
			"author_name": "Bob", "author_user_id": sandbox.Bob, "team_id": sandbox.Team, "channel_id": sandbox.Random, "channel_name": "random",
			"message_ts": "1700000000.000100", "content": "said", "permalink": "https://lantern-works.slack.com/archives/" + sandbox.Random + "/p1700000000000100",
		})
	}
	canned, err := json.Marshal(a{"ok": true, "results": a{"messages": matches}})
	if err != nil {
		t.Fatal(err)
	}
	way.canned["assistant.search.context"] = canned
	for _, format := range []string{"concise", "detailed"} {
		res, err := r.try("slack_search_messages", a{"query": "lamp", "event_id": "EvAsk", "response_format": format})
		if err != nil {
			t.Fatal(tools.Fault(err))
		}
		if n := contained(t, "slack_search_messages", res); n < 3*len(corpus) {
			t.Errorf("only %d texts came through: %s", n, res)
		}
	}
}

// resourceReadings are the addresses with which each resource is held against the corpus.
func resourceReadings(cases map[string][]a) map[string][]string {
	thread := "slack://threads/" + sandbox.Random + "/" + fmt.Sprint(cases["slack_read_thread_messages"][0]["thread_ts"])
	addresses := map[string][]string{
		"slack://events":                               {"slack://events"},
		"slack://channels/{channel}/events":            {"slack://channels/" + sandbox.Random + "/events"},
		"slack://threads/{channel}/{thread_ts}/events": {thread + "/events", "slack://threads/" + sandbox.Random + "/1700000000.000100/events"},
		"webhook://{source}/events":                    {"webhook://tickets/events", "webhook://slack/events"},
		"slack://channels":                             {"slack://channels"},
		"slack://channels/{channel}":                   {"slack://channels/" + sandbox.Random},
		"slack://users":                                {"slack://users"},
		"slack://users/{user}":                         {"slack://users/" + sandbox.Bob},
		"slack://usergroups":                           {"slack://usergroups"},
		"slack://emojis":                               {"slack://emojis"},
		"slack://threads/{channel}/{thread_ts}":        {thread},
		"slack://events/{event_id}":                    {"slack://events/EvText0"},
		"webhook://{source}/events/{event_id}":         {"webhook://slack/events/EvText1"},
		"webhook://receipts/messages/{message_id}":     {"webhook://receipts/messages/" + view.Escape(corpus[0])},
	}
	for _, args := range cases["slack_get_event"] {
		uri, _ := args["event_id"].(string)
		switch {
		case strings.HasPrefix(uri, "slack://events/"):
			addresses["slack://events/{event_id}"] = append(addresses["slack://events/{event_id}"], uri)
		case strings.HasPrefix(uri, "webhook://"):
			addresses["webhook://{source}/events/{event_id}"] = append(addresses["webhook://{source}/events/{event_id}"], uri)
		}
	}
	return addresses
}

// TestEveryResource is TestEveryReadingTool for every resource.
func TestEveryResource(t *testing.T) {
	r, _, cases := hostileRig(t, false)
	set, err := resources.New(resources.Options{Events: r.events.Events(), Tools: slices.Collect(maps.Values(r.tools))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, addresses := access.With(t.Context(), tester), resourceReadings(cases)
	for _, res := range set.List() {
		if len(addresses[res.URI]) == 0 {
			t.Errorf("no case holds %s against the corpus", res.URI)
		}
		for _, uri := range addresses[res.URI] {
			text, err := set.Read(ctx, uri)
			if err != nil {
				t.Errorf("%s: %v", uri, err)
				continue
			}
			if n := contained(t, res.URI, json.RawMessage(text)); n == 0 {
				t.Errorf("%s: nothing of the corpus came through: %s", uri, text)
			}
		}
	}
}

// TestRefusalsDoNotSayWhy has Slack refuse every call in words of the corpus: nothing of
// them is in what a model is told, nor in a resource's error.
func TestRefusalsDoNotSayWhy(t *testing.T) {
	r, way, cases := hostileRig(t, false)
	set, err := resources.New(resources.Options{Events: r.events.Events(), Tools: slices.Collect(maps.Values(r.tools))})
	if err != nil {
		t.Fatal(err)
	}
	told := func(what, words string) {
		if strings.Contains(words, marker) || strings.ContainsAny(words, hidden) {
			t.Errorf("%s: words of Slack's stand in the error %q", what, words)
		}
	}
	for i, text := range corpus {
		code := text
		if i%2 == 0 {
			code = "missing_scope"
		}
		refusal, err := json.Marshal(a{
			"ok": false, "error": code, "needed": text, "provided": text, "warning": text, "req_method": text,
			"response_metadata": a{"messages": []string{"[ERROR] " + text + " [json-pointer:/blocks/0/" + text + "]"}, "warnings": []string{text}},
			"errors":            []any{a{"ok": false, "error": text, "user": sandbox.Bob}},
		})
		if err != nil {
			t.Fatal(err)
		}
		way.arm(refusal)
		for _, name := range slices.Sorted(maps.Keys(r.tools)) {
			args := arguments(name)
			if more := cases[name]; len(more) > 0 {
				args = more[0]
			}
			res, err := r.try(name, args)
			if err != nil {
				told(name, tools.Fault(err))
				continue
			}
			contained(t, name, res)
		}
		for _, uri := range []string{"slack://channels", "slack://users", "slack://usergroups", "slack://emojis", "slack://channels/" + sandbox.Random, "slack://users/" + sandbox.Bob} {
			if text, err := set.Read(access.With(t.Context(), tester), uri); err == nil {
				t.Errorf("%s was read while Slack refuses: %s", uri, text)
			} else {
				told(uri, err.Error())
			}
		}
	}
}
