package mcp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"slackmcp/internal/egress"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// An exercise is a way to call a tool, and what has to come of it.
type exercise struct {
	args object
	// want is what insiders wrote, and has to be in the result.
	want []string
}

// exercises has an entry for every tool. One that is missing fails the test.
func exercises() map[string][]exercise {
	one := func(args object, want ...string) []exercise { return []exercise{{args, want}} }
	channel := object{"channel": sharedIn}
	message := object{"channel": ownIn, "timestamp": "1700000001.000100"}
	plain := []string{inside + " plain"}
	named := strings.ToLower(inside) + "-own"
	return map[string][]exercise{
		"slack_list_events":      append(one(object{"limit": 200}, inside+" event"), exercise{object{"limit": 200, "source": "orders"}, nil}),
		"slack_get_event":        one(object{"event_id": "EvInside"}, inside+" event"),
		"slack_wait_for_event":   one(object{"cursor": "start", "limit": 100, "timeout_seconds": 1, "include_self": true}, inside+" event"),
		"slack_event_context":    {{object{"event_id": "EvInside"}, append(plain, inside+" event")}, {object{"event_id": "EvOutside"}, plain}},
		"slack_reply_to_event":   one(object{"event_id": "EvInside", "text": "mine"}, "mine"),
		"webhook_message_status": one(object{"message_id": "m1"}, "delivered"),
		"slack_ask":              one(object{"channel": ownIn, "question": "mine?", "choices": []string{"yes"}, "timeout_seconds": 0}),

		"slack_post_message": one(object{"channel": ownIn, "text": "mine"}, "mine"), "slack_thread_reply": one(object{"channel": ownIn, "thread_ts": earlier, "texts": []string{"mine"}}),
		"slack_read_channel_messages": {{object{"channel": sharedIn}, insiders}, {object{"channel": ownIn}, append([]string{inside + " by Slackbot"}, insiders...)}},
		"slack_read_thread_messages":  one(object{"channel": sharedIn, "thread_ts": earlier}, insiders...),
		"slack_update_message":        one(with(object{"text": "mine"}, message)), "slack_delete_message": one(message),
		"slack_schedule_message":        one(object{"channel": ownIn, "text": "mine", "post_at": "2h"}),
		"slack_list_scheduled_messages": one(object{}), "slack_cancel_scheduled_message": one(object{"channel": ownIn, "scheduled_message_id": "Q0OTHER0001"}),
		"slack_post_ephemeral": one(object{"channel": ownIn, "user": insider, "text": "mine"}), "slack_get_permalink": one(message),
		"slack_search_messages": one(object{"query": "x"}, inside+" hit", inside+" hit posted for me", inside+" hit composed"), "slack_list_unread": one(object{}, inside+" topic", inside+" purpose", named), "slack_mark_read": one(message),

		"slack_add_reactions": one(with(object{"emojis": []string{"eyes"}}, message)), "slack_remove_reactions": one(with(object{"emojis": []string{"eyes"}}, message)),
		"slack_get_reactions": one(message, inside+" liked", "lantern", "eyes"), "slack_read_emojis": one(object{}, "lantern"), "slack_search_emojis": one(object{"query": "lant"}, "lantern"),

		"slack_list_channels":        {{object{}, []string{named}}, {object{"query": "s"}, []string{inside + " topic", inside + " purpose", named}}},
		"slack_get_channel_info":     {{channel, []string{inside + " purpose"}}, {object{"channel": ownIn}, []string{inside + " topic", named}}},
		"slack_list_channel_members": one(channel, insider, outsider), "slack_create_channel": one(object{"name": "mine"}), "slack_join_channel": one(channel, inside+" purpose"),
		"slack_leave_channel": one(channel), "slack_invite_to_channel": one(object{"channel": sharedIn, "users": []string{insider}}),
		"slack_set_channel_topic": one(object{"channel": sharedIn, "topic": "mine"}), "slack_archive_channel": one(channel), "slack_open_conversation": one(object{"users": []string{insider, outsider}}),

		"slack_list_users": one(object{}, inside+" "+insider), "slack_search_users": {{object{"query": "u0"}, []string{inside + " " + insider}}, {object{"query": "x@y.example"}, []string{`"users":[]`}}},
		"slack_get_user_profiles": one(object{"users": []string{insider, outsider}}, inside+" "+insider, outsider), "slack_get_user_presence": one(object{"user": outsider}),
		"slack_list_user_groups": one(object{}, inside+" group", inside+" sister group", inside+" group of sisters"), "slack_list_user_group_members": one(object{"user_group": "S0INSIDE001"}, insider),

		"slack_get_file_info": {{object{"file_id": "F0INSIDE001"}, []string{inside + " title"}}, {object{"file_id": "F0OUTSIDE001"}, []string{"F0OUTSIDE001"}}},
		"slack_read_file":     {{object{"file_id": "F0OUTSIDE001"}, []string{view.FlagWithheld}}},
		"slack_upload_file":   one(object{"filename": "mine.txt", "content": "mine"}), "slack_share_file": one(object{"file_id": "F0INSIDE001", "channel": ownIn}),
		"slack_create_canvas": one(object{"title": "mine"}), "slack_read_canvas": one(object{"canvas_id": "F0CANVAS001", "find": "x"}, view.FlagWithheld), "slack_edit_canvas": one(object{"canvas_id": "F0CANVAS001", "operation": "insert_at_end", "markdown": "mine"}),
		"slack_list_pins": one(channel, inside+" pinned"), "slack_add_pin": one(message), "slack_remove_pin": one(message),
		"slack_list_bookmarks": one(channel, inside+"bookmark"), "slack_add_bookmark": one(object{"channel": sharedIn, "title": "mine", "link": "https://x.example"}, "mine"), "slack_remove_bookmark": one(object{"channel": sharedIn, "bookmark_id": "Bk1"}),

		"slack_admin_list_groups": one(object{}), "slack_admin_list_dead_letters": one(object{"group": "handlers", "limit": 200}, inside+" event"),
		"slack_admin_redrive_dead_letters": one(object{"group": "handlers", "event_ids": "EvInside"}), "slack_admin_drop_dead_letters": one(object{"group": "handlers", "event_ids": "EvInside"}),
		"slack_admin_replay_events": one(object{"group": "handlers", "event_ids": "EvInside"}),
	}
}

// addresses has an entry for every resource, with what has to be in it.
var addresses = map[string]exercise{
	"slack://events": {object{"slack://events": ""}, []string{inside + " event"}}, "slack://events/{event_id}": {object{"slack://events/EvInside": "", "slack://events/EvOutside": ""}, nil},
	"slack://channels/{channel}/events":            {object{"slack://channels/" + sharedIn + "/events": ""}, []string{inside + " event"}},
	"slack://threads/{channel}/{thread_ts}/events": {object{"slack://threads/" + sharedIn + "/" + earlier + "/events": ""}, nil},
	"webhook://{source}/events":                    {object{"webhook://orders/events": ""}, nil},
	"webhook://{source}/events/{event_id}":         {object{"webhook://orders/events/o1": ""}, nil},
	"webhook://receipts/messages/{message_id}":     {object{"webhook://receipts/messages/m1": ""}, []string{"delivered"}},
	"slack://gaps":                          {object{"slack://gaps": ""}, nil},
	"slack://channels":                      {object{"slack://channels": ""}, []string{strings.ToLower(inside) + "-own"}},
	"slack://channels/{channel}":            {object{"slack://channels/" + sharedIn: ""}, []string{inside + " purpose"}},
	"slack://users":                         {object{"slack://users": ""}, []string{inside + " " + insider}},
	"slack://users/{user}":                  {object{"slack://users/" + outsider: ""}, []string{outsider}},
	"slack://usergroups":                    {object{"slack://usergroups": ""}, []string{inside + " group", inside + " sister group", inside + " group of sisters"}},
	"slack://emojis":                        {object{"slack://emojis": ""}, []string{"lantern"}},
	"slack://threads/{channel}/{thread_ts}": {object{"slack://threads/" + sharedIn + "/" + earlier: ""}, insiders},
}

// happenings are the events of the log: for each type of the extension one by an insider, with what
// has to be in its data, and one by an outsider or about one.
var happenings = map[string]struct {
	insider, outsider object
	want              string
}{
	"message.created":         {spoken(insider, "1700001000.000100", inside+" event"), with(spoken(outsider, "1700001001.000100", canary), object{"blocks": canary, "new": canary}), inside + " event"},
	"message.changed":         {object{"type": "message", "subtype": "message_changed", "message": spoken(insider, earlier, inside+" now"), "previous_message": spoken(insider, earlier, inside+" before")}, object{"type": "message", "subtype": "message_changed", "message": spoken(outsider, earlier, canary), "previous_message": spoken(outsider, earlier, canary)}, inside + " before"},
	"message.deleted":         {object{"type": "message", "subtype": "message_deleted", "deleted_ts": earlier, "previous_message": spoken(insider, earlier, inside)}, object{"type": "message", "subtype": "message_deleted", "deleted_ts": earlier, "previous_message": spoken(outsider, earlier, canary)}, earlier},
	"mention.received":        {with(spoken(insider, "1700001002.000100", inside+" mention"), object{"type": "app_mention"}), with(spoken(outsider, "1700001003.000100", canary), object{"type": "app_mention"}), inside + " mention"},
	"direct_message.received": {with(spoken(insider, "1700001004.000100", inside+" direct"), object{"channel_type": "im"}), with(spoken(outsider, "1700001005.000100", canary), object{"channel_type": "im"}), inside + " direct"},
	"thread.replied":          {with(spoken(insider, "1700001006.000100", inside+" reply"), object{"thread_ts": earlier, "subtype": "thread_broadcast", "root": spoken(outsider, earlier, canary)}), with(spoken(outsider, "1700001007.000100", canary), object{"thread_ts": earlier}), inside + " reply"},
	"reaction.added":          {object{"type": "reaction_added", "user": insider, "reaction": "lantern", "item": object{"type": "message", "channel": sharedIn, "ts": earlier}}, object{"type": "reaction_added", "user": outsider, "reaction": strings.ToLower(canary), "item": object{"type": "message", "channel": sharedIn, "ts": earlier}}, "lantern"},
	"reaction.removed":        {object{"type": "reaction_removed", "user": insider, "reaction": "lantern", "item": object{"type": "message", "channel": sharedIn, "ts": earlier}}, object{"type": "reaction_removed", "user": outsider, "reaction": strings.ToLower(canary), "item": object{"type": "message", "channel": sharedIn, "ts": earlier}}, "lantern"},
	"channel.created":         {object{"type": "channel_created", "channel": object{"id": ownIn, "name": inside + "-made", "creator": insider}}, object{"type": "channel_created", "channel": object{"id": "C0THEIRS001", "name": canary, "creator": outsider}}, inside + "-made"},
	"channel.renamed":         {object{"type": "channel_rename", "channel": object{"id": ownIn, "name": inside + "-renamed", "creator": insider}}, object{"type": "channel_rename", "channel": object{"id": sharedIn, "name": canary}}, inside + "-renamed"},
	"channel.archived":        {object{"type": "channel_archive", "channel": ownIn, "user": insider}, object{"type": "channel_archive", "channel": sharedIn, "user": outsider, "note": canary}, ownIn},
	"member.joined":           {object{"type": "member_joined_channel", "channel": sharedIn, "user": insider, "inviter": outsider}, object{"type": "member_joined_channel", "channel": sharedIn, "user": outsider, "user_name": canary}, insider},
	"member.left":             {object{"type": "member_left_channel", "channel": sharedIn, "user": insider}, object{"type": "member_left_channel", "channel": sharedIn, "user": outsider, "user_name": canary}, insider},
	"user.changed":            {object{"type": "user_change", "user": person(insider)}, object{"type": "user_change", "user": person(outsider)}, inside + " " + insider},
	"file.shared":             {object{"type": "file_shared", "file_id": "F0INSIDE001", "user_id": insider, "channel_id": sharedIn}, object{"type": "file_shared", "file_id": "F0OUTSIDE001", "user_id": outsider, "channel_id": sharedIn, "file": fileOf("F0OUTSIDE001")}, "F0INSIDE001"},
	"interaction.received":    {nil, nil, inside + " chosen"},
	"webhook.received":        {nil, nil, "orders"},
	"gap.detected":            {nil, nil, "downtime"},
}

// others are events that no type of the extension is about, of which the tools and resources tell.
func others() (list []event.Event) {
	for i, inner := range []object{
		{"type": "pin_added", "user": insider, "channel_id": sharedIn, "item": object{"type": "message", "channel": sharedIn, "message": spoken(outsider, earlier, canary)}},
		{"type": "star_added", "user": insider, "item": object{"type": "file", "file": fileOf("F0OUTSIDE001")}},
		{"type": "shared_channel_invite_received", "invite": object{"id": "I01", "inviting_user": object{"id": outsider, "name": canary}}, "channel": object{"id": sharedIn, "name": canary}},
		{"type": "link_shared", "user": outsider, "channel": sharedIn, "links": []object{{"url": "https://x/" + canary, "domain": canary}}},
		{"type": "subteam_created", "subteam": object{"id": "S01", "name": canary, "handle": canary, "is_external": true}},
		{"type": "function_executed", "inputs": object{"x": canary}, "function": object{"id": "Fn1", "title": canary}},
		{"type": "message_metadata_posted", "user_id": outsider, "metadata": object{"event_payload": object{"x": canary}}},
		{"type": "something_new", "user": insider, "text": canary},
	} {
		list = append(list, eventtest.Envelope(fmt.Sprintf("EvOther%d", i), inner, object{"is_ext_shared_channel": true}))
	}
	for i, envelope := range []object{
		{"team_id": otherTeam, "is_ext_shared_channel": false, "authorizations": []object{{"team_id": otherTeam, "user_id": "U0THEIRBOT1", "is_bot": true}}},
		{"team_id": otherTeam, "is_ext_shared_channel": true, "authorizations": []object{{"team_id": otherTeam, "user_id": "U0THEIRBOT1", "is_bot": true}, {"team_id": ownTeam, "user_id": ownBot, "is_bot": true}}},
	} {
		for _, user := range []string{outsider, missing} {
			m := with(spoken(user, "1700001010.000100", canary+" of a foreign installation"), object{"channel": sharedIn, "team": otherTeam})
			list = append(list, eventtest.Envelope(fmt.Sprintf("EvForeign%d%s", i, user), m, envelope))
		}
	}
	for i, m := range conversation(sharedIn) {
		list = append(list, eventtest.Envelope(fmt.Sprintf("EvSaid%d", i), with(m, object{"channel": sharedIn}), object{"is_ext_shared_channel": true, "api_app_id": "A0SELF00001"}))
	}
	return list
}

// receive fills a log with all that was received.
func receive(t *testing.T, log *eventtest.Log) {
	t.Helper()
	add := func(events ...event.Event) {
		for _, e := range events {
			e.ReceivedAt = time.Now()
			log.Append(e)
		}
	}
	place := func(o object) object {
		if o["type"] == "message" || o["type"] == "app_mention" {
			return with(maps.Clone(o), object{"channel": sharedIn}) // tests at the same time share o
		}
		return o
	}
	for _, name := range slicesSorted(happenings) {
		h := happenings[name]
		if h.insider == nil {
			continue
		}
		id, other := "EvIn-"+name, "EvOut-"+name
		if name == "message.created" {
			id, other = "EvInside", "EvOutside"
		}
		add(eventtest.Envelope(id, place(h.insider), object{"is_ext_shared_channel": true}), eventtest.Envelope(other, place(h.outsider), object{"is_ext_shared_channel": true}))
	}
	add(others()...)
	for i, user := range []string{insider, outsider} {
		value := []string{inside + " chosen", canary + " typed"}[i]
		payload, err := json.Marshal(object{
			"type": "block_actions", "user": object{"id": user, "name": canary}, "team": nil, "enterprise": nil, "channel": object{"id": sharedIn, "name": canary},
			"message": spoken(outsider, earlier, canary), "view": object{"title": canary, "state": object{"values": canary}, "callback_id": canary + " form"},
			"callback_id": canary + " words",
			"actions": []object{
				{"type": "plain_text_input", "action_id": "a", "value": value, "text": object{"text": canary}},
				{"type": "button", "action_id": canary + " action", "block_id": canary + " block", "value": canary + " of a button"},
				{"type": "static_select", "action_id": "m", "selected_option": object{"value": canary + " of a menu"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		env, err := event.DecodeSlack([]byte("payload="+strings.NewReplacer("\"", "%22", " ", "+").Replace(string(payload))), event.Form)
		if err != nil {
			t.Fatal(err)
		}
		env.ID = fmt.Sprintf("Interaction%d", i)
		add(env.Event)
	}
	add(
		event.Event{Source: "orders", ID: canary + " of an id", Kind: event.Kind{Type: "paid"}, Raw: []byte(`{}`)},
		event.Event{Source: "orders", ID: "o1", Kind: event.Kind{Type: "paid " + canary}, Raw: []byte(`{"text":"` + canary + `","` + canary + `":1}`)},
		event.Event{Source: event.SourceReceipts, ID: "r1", Kind: event.Kind{Type: "delivery_receipt"}, Raw: []byte(`{"id":"m1","status":"delivered","deliveredAt":"2026-01-02T03:04:05Z"}`)},
		event.Event{Source: event.SourceGaps, ID: "1-downtime", Kind: event.Kind{Type: event.KindGap}, Raw: []byte(`{"type":"gap_detected","gap":{"id":"1-downtime","kind":"downtime","from":"2026-01-02T03:04:05Z","to":"2026-01-02T04:04:05Z"}}`)},
	)
}

func slicesSorted[T any](m map[string]T) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// lockedFixture is a server under lockdown, with every tool, before the Slack of canaries.
func lockedFixture(t *testing.T, change ...func(*mcp.Options)) *fixture {
	t.Helper()
	client := newCanarySlack(t)
	var log *eventtest.Log
	h := newFixture(t, append([]func(*mcp.Options){func(o *mcp.Options) {
		log, _ = o.Events.(*eventtest.Log)
		o.Slack, o.Lockdown, o.LockdownApps = client, view.Guests, []string{"A0LISTED001"}
		o.Choice = toolset.Choice{Toolsets: []string{"all"}}
		o.Posts = view.NewPosts(o.Questions, view.OfBot)
		o.Posts.Wrote(t.Context(), sharedIn, mineTS, "tester")
		o.Posts.Fixed(t.Context(), sharedIn, fixedTS)
		o.Posts.Wrote(t.Context(), ownIn, mineTS, "tester")
		o.Posts.Fixed(t.Context(), ownIn, fixedTS)
		o.Operator = &deadLetters{log: log}
		o.Gaps = func(context.Context) (any, error) { return object{"gaps": []any{}}, nil }
	}}, change...)...)
	h.scopes = append(h.scopes, access.Admin)
	receive(t, log)
	return h
}

// deadLetters is a store whose one group has given up every event of a log, with reasons that quote
// it.
type deadLetters struct {
	operator.Store // nil: what the tools do not call
	log            *eventtest.Log
}

func (d *deadLetters) Stats(context.Context) (queue.Stats, error) {
	return queue.Stats{Newest: d.log.Newest(), Groups: []queue.GroupStats{{Name: "handlers", Dead: 1}}}, nil
}

func (d *deadLetters) Get(_ context.Context, source, id string) (event.Event, error) {
	return d.log.Event(source, id)
}

func (d *deadLetters) History(_ context.Context, q event.Query) (event.Page, error) {
	return d.log.Page(q)
}

func (d *deadLetters) DeadLetters(_ context.Context, _ string, q queue.LetterQuery) (list []queue.DeadLetter, err error) {
	page, err := d.log.Page(event.Query{Order: event.OldestFirst, After: q.After, Limit: event.MaxLimit})
	for _, e := range page.Events {
		reason := "handler refused: " + string(e.Raw)
		list = append(list, queue.DeadLetter{Event: e, Attempts: 5, Reason: strings.ReplaceAll(reason, inside, "x"), DiedAt: e.ReceivedAt})
	}
	return list, err
}

func (d *deadLetters) Redrive(_ context.Context, _ string, at ...event.Position) (int, error) {
	return len(at), nil
}

func (d *deadLetters) Drop(_ context.Context, _ string, at ...event.Position) (int, error) {
	return len(at), nil
}

func (d *deadLetters) Replay(_ context.Context, _ string, at ...event.Position) (int, error) {
	return len(at), nil
}

// clean reports canaries in what an assistant was given, and what is missing.
func clean(t *testing.T, what, got string, want []string) {
	t.Helper()
	if i := strings.Index(strings.ToUpper(got), canary); i >= 0 {
		t.Errorf("%s: an outsider's words came through: …%s", what, got[max(0, i-300):min(len(got), i+100)])
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s: %q is missing in %s", what, w, got)
		}
	}
}

func TestLockdownOfEveryTool(t *testing.T) {
	t.Parallel()
	h := lockedFixture(t)
	c := h.connect()
	table, listed := exercises(), map[string]bool{}
	tools, _, _ := h.list()
	for _, tool := range tools {
		listed[tool.Name] = true
		if len(table[tool.Name]) == 0 {
			t.Errorf("%s has no exercise: add one, with what insiders wrote in its result", tool.Name)
		}
		for _, x := range table[tool.Name] {
			for _, format := range []string{"", "concise", "detailed"} {
				args := with(object{}, x.args)
				if format != "" {
					if !strings.Contains(string(tool.Input), "response_format") {
						continue
					}
					args["response_format"] = format
				}
				res := h.call(c, tool.Name, args)
				raw, err := json.Marshal(res)
				if err != nil {
					t.Fatal(err)
				}
				if res.IsError {
					t.Errorf("%s %v failed: %s", tool.Name, args, raw)
				}
				clean(t, fmt.Sprint(tool.Name, " ", args), string(raw), x.want)
			}
		}
	}
	for _, name := range slicesSorted(table) {
		if !listed[name] {
			t.Errorf("%s is exercised, and not a tool any more", name)
		}
	}
}

// TestLockdownOfNames finds no user by an outsider's handle or name, and the error repeats neither.
func TestLockdownOfNames(t *testing.T) {
	t.Parallel()
	h := lockedFixture(t)
	c := h.connect()
	for _, name := range []string{"@" + canary, strings.ToLower(canary)} {
		res := h.call(c, "slack_get_user_presence", object{"user": name})
		raw, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if !res.IsError {
			t.Errorf("%s finds %s", name, raw)
		}
		clean(t, name, string(raw), []string{"user_not_found"})
	}
}

func TestLockdownOfEveryResource(t *testing.T) {
	t.Parallel()
	h := lockedFixture(t)
	c := h.connect()
	var uris []string
	list, err := c.ListResources(t.Context(), protocol.ListResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Resources {
		uris = append(uris, r.URI)
	}
	templates, err := c.ListResourceTemplates(t.Context(), protocol.ListResourceTemplatesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range templates.ResourceTemplates {
		uris = append(uris, r.URITemplate.Raw())
	}
	for _, uri := range uris {
		x, ok := addresses[uri]
		if !ok {
			t.Errorf("%s has no exercise: add one, with what insiders wrote in it", uri)
		}
		for address := range x.args {
			text, err := h.read(c, address)
			if err != nil {
				t.Errorf("%s: %v", address, err)
			}
			clean(t, address, text, x.want)
		}
	}
	if len(uris) != len(addresses) {
		t.Errorf("%d resources are exercised, and %d are there", len(addresses), len(uris))
	}
}

func TestLockdownOfEveryEventType(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1000)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var body object
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Error(err)
		}
		if body["type"] == "verification" {
			_ = json.NewEncoder(w).Encode(object{"challenge": body["challenge"]})
			return
		}
		received <- string(raw)
	}))
	defer hook.Close()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	client, err := egress.New(egress.Options{HTTPSOnly: true, Hosts: []string{"127.0.0.1"}, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	h := lockedFixture(t, func(o *mcp.Options) {
		o.Push.Webhooks.Caller = func(context.Context, string, string) (*access.Principal, error) { return eventtest.Service(), nil }
		o.Push.Webhooks.State, o.Push.Webhooks.Client, o.Push.Webhooks.Exclusive, o.Push.Webhooks.ChallengesPerMinute = store.State(), client, true, 10_000
	})
	var types struct {
		Events []struct {
			Name string `json:"name"`
		} `json:"events"`
	}
	if x := h.ask("events/list", nil); x.Error != nil || json.Unmarshal(x.Result, &types) != nil || len(types.Events) == 0 {
		t.Fatalf("events/list: %+v %s", x.Error, x.Result)
	}
	for _, typ := range types.Events {
		want, ok := happenings[typ.Name]
		if !ok {
			t.Errorf("%s has no exercise: add an event by an insider and one by an outsider", typ.Name)
			continue
		}
		params := object{"name": typ.Name, "cursor": "start", "maxEvents": 200}
		x := h.ask("events/poll", params)
		if x.Error != nil {
			t.Fatalf("%s: %+v", typ.Name, x.Error)
		}
		clean(t, "a poll of "+typ.Name, string(x.Result), []string{want.want})
		var p polled
		if err := json.Unmarshal(x.Result, &p); err != nil || len(p.Events) == 0 {
			t.Fatalf("%s: %v in %s", typ.Name, err, x.Result)
		}
		stream := h.stream(params)
		var streamed strings.Builder
		for n := stream.next(); ; n = stream.next() {
			raw, err := json.Marshal(n)
			if err != nil {
				t.Fatal(err)
			}
			streamed.Write(raw)
			if n.Method == "" || n.Params.EventID == p.Events[len(p.Events)-1].EventID {
				break
			}
		}
		stream.close()
		clean(t, "a stream of "+typ.Name, streamed.String(), []string{want.want})
		x = h.ask("events/subscribe", object{"name": typ.Name, "cursor": "start", "delivery": object{
			"mode": "webhook", "url": hook.URL, "secret": "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-nine bytes")),
		}})
		if x.Error != nil {
			t.Fatalf("%s: %+v", typ.Name, x.Error)
		}
		var posted strings.Builder
		for range p.Events {
			select {
			case body := <-received:
				posted.WriteString(body)
			case <-time.After(30 * time.Second):
				t.Fatalf("%s: only %s was posted", typ.Name, posted.String())
			}
		}
		clean(t, "a webhook of "+typ.Name, posted.String(), []string{want.want})
	}
}

func TestLockdownOfCompletionsAndPrompts(t *testing.T) {
	t.Parallel()
	h := lockedFixture(t)
	c := h.connect()
	complete := func(ref any, argument string) string {
		req := protocol.CompleteRequest{}
		req.Params.Ref = ref
		req.Params.Argument = protocol.CompleteArgument{Name: argument}
		res, err := c.Complete(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(res.Completion.Values, " ")
	}
	list, err := c.ListPrompts(t.Context(), protocol.ListPromptsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Prompts {
		req := protocol.GetPromptRequest{}
		req.Params.Name, req.Params.Arguments = p.Name, map[string]string{}
		for _, a := range p.Arguments {
			req.Params.Arguments[a.Name] = "EvOutside"
			clean(t, p.Name+" "+a.Name, complete(protocol.PromptReference{Type: "ref/prompt", Name: p.Name}, a.Name), nil)
		}
		res, err := c.GetPrompt(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		clean(t, p.Name, string(raw), nil)
	}
	clean(t, "a channel", complete(protocol.PromptReference{Type: "ref/prompt", Name: "slack_catch_up"}, "channel"), []string{"#" + strings.ToLower(inside) + "-own"})
	clean(t, "a channel of an address", complete(protocol.ResourceReference{Type: "ref/resource", URI: "slack://channels/{channel}/events"}, "channel"), []string{ownIn})
	clean(t, "a user of an address", complete(protocol.ResourceReference{Type: "ref/resource", URI: "slack://users/{user}"}, "user"), []string{insider})
}

func TestLockdownOfChannelPushes(t *testing.T) {
	t.Parallel()
	slack := newCanarySlack(t)
	r := newChannelRig(t, mcp.Channel{Senders: []string{insider, outsider}, Watch: []string{sharedIn}}, func(o *mcp.Options) {
		o.Slack, o.Lockdown = slack, view.Guests
	})
	r.handshake()
	for i, m := range conversation(sharedIn) {
		r.events.Append(eventtest.Envelope(fmt.Sprintf("EvSaid%d", i), with(m, object{"channel": sharedIn}), object{"is_ext_shared_channel": true}))
	}
	r.events.Append(eventtest.Envelope("EvEnd", with(spoken(insider, "1700009999.000100", inside+" end"), object{"channel": sharedIn}), object{"is_ext_shared_channel": true}))
	var pushed strings.Builder
	for !strings.Contains(pushed.String(), inside+" end") {
		l := r.next()
		raw, err := json.Marshal(l)
		if err != nil || l.Method == "" {
			t.Fatal(err, l)
		}
		pushed.Write(raw)
	}
	clean(t, "what is pushed", pushed.String(), []string{inside + " plain", inside + " shares", inside + " shared", inside + " uploads", inside + " mentions"})
}
