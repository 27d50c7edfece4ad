package tools_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi/sandbox"
)

type anyJSON = map[string]any

// TestEveryTool calls each tool with success, against a workspace that behaves like
// Slack; the rig holds each result against its schema.
func TestEveryTool(t *testing.T) {
	everyTool(t, newRig(t), sandbox.AliceDM)
}

// TestEveryToolWithAUserTokenAlone does so as a person: without a bot token every tool works but for
// the questions, which need the bot's buttons.
func TestEveryToolWithAUserTokenAlone(t *testing.T) {
	var shown tokensOf
	r := newRig(t, func(o *rigOptions) {
		o.alone, o.client.UserToken, o.client.Transport = true, "xoxp-sandbox-"+sandbox.Grace, &shown
	})
	everyTool(t, r, "")
	var p struct {
		WrittenAs string `json:"written_as"`
	}
	if r.call("slack_post_message", a{"channel": "#general", "text": "as Grace"}, &p); p.WrittenAs != "user" {
		t.Errorf("the result does not say as whom it was written: %+v", p)
	}
	if said := r.fails("slack_post_message", a{"channel": "C0NOTTHERE1", "text": "x"}); strings.Contains(said, "bot") {
		t.Errorf("a failure speaks of a bot: %s", said)
	}
	if _, there := r.tools["slack_ask"]; there {
		t.Error("slack_ask is offered without a bot")
	}
	if len(shown.all) != 1 || !shown.all["xoxp-sandbox-"+sandbox.Grace] {
		t.Errorf("tokens that were shown: %v", shown.all)
	}
}

// TestEveryToolWithTheManifestsScopes calls each tool with success where Slack grants exactly what the
// manifests ask for: an app of both tokens, one of a user token alone, and a person who has signed in. The file
// is held to the manifests by the tests of the command manifest.
func TestEveryToolWithTheManifestsScopes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var apps map[string]struct {
		Bot  []string `json:"bot"`
		User []string `json:"user"`
	}
	if err := json.Unmarshal(raw, &apps); err != nil || len(apps) != 3 {
		t.Fatalf("%d apps: %v", len(apps), err)
	}
	for name, scopes := range apps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alone, dm := len(scopes.Bot) == 0, sandbox.AliceDM
			r := newRig(t, func(o *rigOptions) {
				o.sandbox.BotScopes, o.sandbox.UserScopes, o.alone = scopes.Bot, scopes.User, alone
				if alone {
					o.client.UserToken = "xoxp-sandbox-" + sandbox.Grace
				}
			})
			if alone {
				dm = ""
			}
			everyTool(t, r, dm)
		})
	}
}

// tokensOf is a transport that keeps the tokens of its requests.
type tokensOf struct {
	mu  sync.Mutex
	all map[string]bool
}

func (s *tokensOf) RoundTrip(r *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.GetBody != nil && token == "" {
		if body, err := r.GetBody(); err == nil {
			raw, _ := io.ReadAll(body)
			form, _ := url.ParseQuery(string(raw))
			token = form.Get("token")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]bool{}
	}
	if token != "" { // what is uploaded needs none
		s.all[token] = true
	}
	return http.DefaultTransport.RoundTrip(r)
}

// everyTool calls each tool of a rig. dm is the direct message with Alice where that is known.
func everyTool(t *testing.T, r *rig, dm string) {
	t.Helper()
	post := func(text string) posted {
		var p posted
		r.call("slack_post_message", a{"channel": "#general", "text": text}, &p)
		return p
	}
	ask, err := r.slack.PostAs("bob", "#general", "<@"+sandbox.BotUser+"> is the lamp on?", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	r.events.Append(eventtest.Envelope("EvAsk", a{"type": "app_mention", "channel": sandbox.General, "channel_type": "channel", "user": sandbox.Bob, "ts": ask, "text": "is the lamp on?", "team": sandbox.Team}))

	t.Run("messages", func(t *testing.T) {
		p := post("one")
		var changed posted
		r.call("slack_update_message", a{"timestamp": p.Permalink, "markdown": "**two**"}, &changed)
		if changed.TS != p.TS {
			t.Errorf("changed %s, want %s", changed.TS, p.TS)
		}
		r.call("slack_get_permalink", a{"channel": "#general", "timestamp": p.TS}, nil)
		r.call("slack_delete_message", a{"timestamp": p.Permalink}, nil)
		r.refuses("slack_delete_message", a{"timestamp": p.Permalink}, "message_not_found: ")
		r.call("slack_post_ephemeral", a{"channel": "#general", "user": "@bob", "text": "only you"}, nil)

		var s struct {
			ID     string `json:"scheduled_message_id"`
			PostAt string `json:"post_at"`
		}
		r.call("slack_schedule_message", a{"channel": "#general", "text": "later", "post_at": "2h"}, &s)
		if at, err := time.Parse(time.RFC3339, s.PostAt); err != nil || time.Until(at) < time.Hour || s.ID == "" {
			t.Errorf("scheduled %+v", s)
		}
		var list struct {
			Messages []struct {
				ID string `json:"scheduled_message_id"`
			} `json:"scheduled_messages"`
		}
		r.call("slack_list_scheduled_messages", a{"channel": "#general"}, &list)
		if len(list.Messages) != 1 || list.Messages[0].ID != s.ID {
			t.Errorf("scheduled messages: %+v", list)
		}
		r.call("slack_cancel_scheduled_message", a{"channel": "#general", "scheduled_message_id": s.ID}, nil)
		r.refuses("slack_schedule_message", a{"channel": "#general", "text": "x", "post_at": "2001-01-01"}, "invalid argument post_at: it is in the past")
	})

	t.Run("a question", func(t *testing.T) {
		if _, there := r.tools["slack_ask"]; !there {
			return // nobody can be asked
		}
		r.call("slack_ask", a{"channel": "#general", "question": "on or off?", "choices": []string{"on", "off"}, "timeout_seconds": 0}, nil)
	})

	t.Run("direct message by name and by e-mail", func(t *testing.T) {
		var p, q posted
		r.call("slack_post_message", a{"channel": "@alice", "text": "hello"}, &p)
		r.call("slack_post_message", a{"channel": "alice@lantern-works.example", "text": "hello again"}, &q)
		if dm != "" && p.Channel != dm || q.Channel != p.Channel || !strings.HasPrefix(p.Channel, "D") {
			t.Errorf("the messages went to %s and %s, want %s", p.Channel, q.Channel, dm)
		}
	})

	t.Run("search, unread and read", func(t *testing.T) {
		var found struct {
			Messages []struct {
				Text    string `json:"text"`
				Channel string `json:"channel"`
			} `json:"messages"`
		}
		r.call("slack_search_messages", a{"query": "lamp", "channel": "#general"}, &found)
		if len(found.Messages) == 0 || found.Messages[0].Channel != sandbox.General {
			t.Errorf("found %+v", found)
		}
		var unread struct {
			Channels []struct {
				ID string `json:"id"`
			} `json:"channels"`
		}
		r.call("slack_list_unread", a{"limit": 40}, &unread)
		r.call("slack_mark_read", a{"channel": sandbox.General, "timestamp": ask}, nil)
	})

	t.Run("reactions", func(t *testing.T) {
		r.call("slack_add_reactions", a{"channel": "#general", "timestamp": ask, "emojis": "eyes, lantern"}, nil)
		r.call("slack_remove_reactions", a{"channel": "#general", "timestamp": ask, "emojis": []string{"eyes", "tada"}}, nil)
		r.call("slack_get_reactions", a{"channel": "#general", "timestamp": ask}, nil)
		var e struct {
			Emoji     map[string]string `json:"emoji"`
			Untrusted bool              `json:"untrusted"`
		}
		r.call("slack_read_emojis", a{}, &e)
		if e.Emoji["lamp"] != "alias:lantern" || !e.Untrusted {
			t.Errorf("emoji: %+v", e)
		}
		r.call("slack_search_emojis", a{"query": "lan,ship"}, &e)
		r.call("slack_read_thread_messages", a{"thread_ts": "https://lantern-works.slack.com/archives/" + sandbox.General + "/p" + strings.Replace(ask, ".", "", 1)}, nil)
		r.call("slack_read_channel_messages", a{"channel": "#general", "response_format": "detailed", "oldest": "1d"}, nil)
		r.call("slack_thread_reply", a{"channel": "#general", "thread_ts": ask, "texts": "yes"}, nil)
	})

	t.Run("conversations", func(t *testing.T) {
		var list struct {
			Channels []struct {
				ID, Name string
			} `json:"channels"`
		}
		r.call("slack_list_channels", a{}, &list)
		r.call("slack_list_channels", a{"query": "engineer"}, &list)
		if len(list.Channels) != 1 || list.Channels[0].ID != sandbox.Engineers {
			t.Errorf("search found %+v", list)
		}
		r.call("slack_get_channel_info", a{"channel": "#design"}, nil)
		r.call("slack_list_channel_members", a{"channel": "#general", "response_format": "detailed"}, nil)
		r.call("slack_join_channel", a{"channel": "#design"}, nil)
		r.call("slack_leave_channel", a{"channel": "#design"}, nil)
		r.call("slack_create_channel", a{"name": "lamps"}, nil)
		var invited struct {
			Responses []struct {
				OK   bool   `json:"ok"`
				User string `json:"user"`
			} `json:"responses"`
		}
		r.call("slack_invite_to_channel", a{"channel": "#lamps", "users": "@bob, @carla, @bob"}, &invited)
		if len(invited.Responses) != 3 || !invited.Responses[2].OK {
			t.Errorf("invited %+v", invited)
		}
		var topic struct {
			Channel struct{ Topic, Purpose string } `json:"channel"`
		}
		r.call("slack_set_channel_topic", a{"channel": "#lamps", "topic": "all about lamps"}, &topic)
		r.call("slack_set_channel_topic", a{"channel": "#lamps", "topic": "", "purpose": "light"}, nil)
		r.call("slack_archive_channel", a{"channel": "#lamps"}, nil)
		r.call("slack_open_conversation", a{"users": []string{"@bob", "@carla"}}, nil)
	})

	t.Run("users", func(t *testing.T) {
		var users struct {
			Users []struct {
				ID         string `json:"id"`
				IsExternal bool   `json:"is_external"`
			} `json:"users"`
		}
		r.call("slack_list_users", a{"limit": 5}, nil)
		r.call("slack_search_users", a{"query": "carla@lantern-works.example"}, &users)
		if len(users.Users) != 1 || users.Users[0].ID != sandbox.Carla {
			t.Errorf("by e-mail: %+v", users)
		}
		r.call("slack_search_users", a{"query": "grace manager"}, &users)
		if len(users.Users) != 1 || users.Users[0].ID != sandbox.Grace || users.Users[0].IsExternal {
			t.Errorf("by words: %+v", users)
		}
		var profiles struct {
			Profiles []struct {
				OK   bool `json:"ok"`
				User struct {
					IsExternal bool `json:"is_external"`
				} `json:"user"`
				Error string `json:"error"`
			} `json:"profiles"`
		}
		r.call("slack_get_user_profiles", a{"users": []string{sandbox.Leo, "U0NOBODY001"}}, &profiles)
		if len(profiles.Profiles) != 2 || !profiles.Profiles[0].OK || !profiles.Profiles[0].User.IsExternal || !strings.HasPrefix(profiles.Profiles[1].Error, "user_not_found") {
			t.Errorf("profiles: %+v", profiles)
		}
		r.call("slack_get_user_presence", a{"user": "@emi"}, nil)
		var groups struct {
			UserGroups []struct{ ID, Handle string } `json:"user_groups"`
		}
		r.call("slack_list_user_groups", a{}, &groups)
		if len(groups.UserGroups) == 0 {
			t.Fatal("no user groups")
		}
		r.call("slack_list_user_group_members", a{"user_group": "@" + groups.UserGroups[0].Handle, "response_format": "detailed"}, nil)
	})

	t.Run("files", func(t *testing.T) {
		var up struct {
			FileID    string `json:"file_id"`
			TS        string `json:"ts"`
			Permalink string `json:"permalink"`
			Note      string `json:"note"`
		}
		r.call("slack_upload_file", a{"filename": "lamp.txt", "content": "line one\nline two", "channel": "#general", "comment": "see here"}, &up)
		var at struct{ Message message }
		if r.call("slack_get_reactions", a{"timestamp": up.Permalink}, &at); at.Message.TS != up.TS || at.Message.Text != "see here" || up.Note != "" {
			t.Errorf("the upload %+v is the message %+v", up, at.Message)
		}
		r.call("slack_get_file_info", a{"file_id": up.FileID}, nil)
		var read struct {
			Contents struct {
				Encoding   string `json:"encoding"`
				Text       string `json:"text"`
				NextOffset int    `json:"next_offset"`
			} `json:"contents"`
		}
		r.call("slack_read_file", a{"file_id": up.FileID, "limit": 8}, &read)
		if c := read.Contents; c.Encoding != "text" || c.Text != "line one" || c.NextOffset != 8 {
			t.Errorf("read %+v", c)
		}
		r.call("slack_read_file", a{"file_id": up.FileID, "offset": 8}, &read)
		if read.Contents.Text != "\nline two" {
			t.Errorf("went on with %q", read.Contents.Text)
		}
		r.call("slack_share_file", a{"file_id": up.FileID, "channel": "#random", "comment": "look"}, nil)
	})

	t.Run("pins, bookmarks and canvases", func(t *testing.T) {
		r.call("slack_add_pin", a{"channel": "#general", "timestamp": ask}, nil)
		r.call("slack_add_pin", a{"channel": "#general", "timestamp": ask}, nil)
		var pins struct{ Pins []any }
		r.call("slack_list_pins", a{"channel": "#general"}, &pins)
		if len(pins.Pins) == 0 {
			t.Error("no pins")
		}
		r.call("slack_remove_pin", a{"channel": "#general", "timestamp": ask}, nil)
		r.call("slack_remove_pin", a{"channel": "#general", "timestamp": ask}, nil)
		var b struct {
			Bookmark struct {
				ID string `json:"id"`
			} `json:"bookmark"`
		}
		r.call("slack_add_bookmark", a{"channel": "#general", "title": "Manual", "link": "https://lamp.example/manual"}, &b)
		r.call("slack_list_bookmarks", a{"channel": "#general"}, nil)
		r.call("slack_remove_bookmark", a{"channel": "#general", "bookmark_id": b.Bookmark.ID}, nil)
		r.refuses("slack_add_bookmark", a{"channel": "#general", "title": "x", "link": "javascript:alert(1)"}, "invalid argument link")
		var c struct {
			CanvasID string `json:"canvas_id"`
			Sections []string
			Contents struct{ Text string }
		}
		r.call("slack_create_canvas", a{"title": "Lamps", "markdown": "# Lamps\n\nThey glow."}, &c)
		r.call("slack_edit_canvas", a{"canvas_id": c.CanvasID, "operation": "insert_at_end", "markdown": "They also hum."}, nil)
		r.call("slack_read_canvas", a{"canvas_id": c.CanvasID, "find": "glow"}, &c)
		if !strings.Contains(c.Contents.Text, "They also hum.") || len(c.Sections) == 0 {
			t.Errorf("canvas %+v", c)
		}
	})

	t.Run("events", func(t *testing.T) {
		var e struct {
			Event     eventRow  `json:"event"`
			Thread    []message `json:"thread"`
			Before    []message `json:"before"`
			Permalink string    `json:"permalink"`
			User      struct{ Name string }
			Channel   struct{ Name string }
		}
		r.call("slack_event_context", a{"event_id": "EvAsk"}, &e)
		if e.User.Name != "bob" || e.Channel.Name != "general" || len(e.Thread) < 2 || e.Permalink == "" {
			t.Errorf("context %+v", e)
		}
		var p posted
		r.call("slack_reply_to_event", a{"event_id": "EvAsk", "text": "it is on"}, &p)
		var thread messages
		r.call("slack_read_thread_messages", a{"channel": sandbox.General, "thread_ts": ask}, &thread)
		if last := thread.Messages[len(thread.Messages)-1]; last.Text != "it is on" || last.TS != p.TS {
			t.Errorf("the reply is not in the thread: %+v", last)
		}
		r.call("slack_list_events", a{}, nil)
		r.call("slack_get_event", a{"event_id": "EvAsk"}, nil)
		r.call("slack_wait_for_event", a{"cursor": "start"}, nil)
		r.events.Append(receipt(t, "msg123"))
		var status struct {
			Status   string
			Receipts []anyJSON
		}
		r.call("webhook_message_status", a{"message_id": "msg123"}, &status)
		if status.Status != "delivered" || len(status.Receipts) != 1 {
			t.Errorf("status %+v", status)
		}
		r.refuses("webhook_message_status", a{"message_id": "msg9"}, "event_not_found: ")
	})

	t.Run("operating", func(t *testing.T) {
		administrate(t, r)
	})

	for _, name := range slices.Sorted(maps.Keys(r.tools)) {
		if !r.called[name] {
			t.Errorf("%s was not called", name)
		}
	}
}

// arguments are arguments with which each tool gets as far as Slack.
func arguments(name string) a {
	all := map[string]a{
		"slack_list_channels":            {},
		"slack_list_users":               {},
		"slack_search_users":             {"query": "bob"},
		"slack_get_user_profiles":        {"users": sandbox.Bob},
		"slack_get_user_presence":        {"user": sandbox.Bob},
		"slack_list_user_groups":         {},
		"slack_list_user_group_members":  {"user_group": "S0AAAAAAA"},
		"slack_read_emojis":              {},
		"slack_search_emojis":            {"query": "x"},
		"slack_search_messages":          {"query": "x"},
		"slack_list_unread":              {},
		"slack_list_scheduled_messages":  {},
		"slack_create_channel":           {"name": "x"},
		"slack_open_conversation":        {"users": sandbox.Bob},
		"slack_get_file_info":            {"file_id": "F0AAAAAAA"},
		"slack_read_file":                {"file_id": "F0AAAAAAA"},
		"slack_upload_file":              {"filename": "x.txt", "content": "x"},
		"slack_share_file":               {"file_id": "F0AAAAAAA", "channel": sandbox.General},
		"slack_create_canvas":            {"title": "x"},
		"slack_read_canvas":              {"canvas_id": "F0AAAAAAA"},
		"slack_edit_canvas":              {"canvas_id": "F0AAAAAAA", "operation": "rename", "markdown": "x"},
		"slack_event_context":            {"event_id": "EvAsk"},
		"slack_reply_to_event":           {"event_id": "EvAsk", "text": "x"},
		"slack_schedule_message":         {"channel": sandbox.General, "text": "x", "post_at": "1h"},
		"slack_cancel_scheduled_message": {"channel": sandbox.General, "scheduled_message_id": "Q1"},
		"slack_post_ephemeral":           {"channel": sandbox.General, "user": sandbox.Bob, "text": "x"},
		"slack_post_message":             {"channel": sandbox.General, "text": "x"},
		"slack_ask":                      {"channel": sandbox.General, "question": "x?", "choices": "y", "timeout_seconds": 0},
		"slack_thread_reply":             {"channel": sandbox.General, "thread_ts": "1700000000.000100", "texts": "x"},
		"slack_update_message":           {"channel": sandbox.General, "timestamp": "1700000000.000100", "text": "x"},
		"slack_invite_to_channel":        {"channel": sandbox.General, "users": sandbox.Bob},
		"slack_set_channel_topic":        {"channel": sandbox.General, "topic": "x"},
		"slack_add_reactions":            {"channel": sandbox.General, "timestamp": "1700000000.000100", "emojis": "x"},
		"slack_remove_reactions":         {"channel": sandbox.General, "timestamp": "1700000000.000100", "emojis": "x"},
		"slack_read_thread_messages":     {"channel": sandbox.General, "thread_ts": "1700000000.000100"},
		"slack_add_bookmark":             {"channel": sandbox.General, "title": "x", "link": "https://x.example"},
		"slack_remove_bookmark":          {"channel": sandbox.General, "bookmark_id": "Bk1"},
	}
	if args, ok := all[name]; ok {
		return args
	}
	ofMessages := []string{"slack_get_permalink", "slack_delete_message", "slack_mark_read", "slack_get_reactions", "slack_add_pin", "slack_remove_pin"}
	if slices.Contains(ofMessages, name) {
		return a{"channel": sandbox.General, "timestamp": "1700000000.000100"}
	}
	return a{"channel": sandbox.General}
}

// callers are the tools that call Slack.
func (r *rig) callers() []toolset.Tool {
	var list []toolset.Tool
	for _, name := range slices.Sorted(maps.Keys(r.tools)) {
		if tool := r.tools[name]; len(tool.Needs)+len(tool.UserNeeds) > 0 {
			list = append(list, tool)
		}
	}
	return list
}

// TestEveryToolFails makes Slack answer each tool with errors of each kind. The words
// for the model name the error, hold a remedy, and hold nothing else of Slack's.
func TestEveryToolFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.events.Append(eventtest.Envelope("EvAsk", a{"type": "app_mention", "channel": sandbox.General, "user": sandbox.Bob, "ts": "1700000000.000100", "text": "x"}))
	codes := []string{
		"channel_not_found", "not_in_channel", "missing_scope", "invalid_auth", "token_revoked", "restricted_action",
		"is_archived", "msg_too_long", "invalid_arguments", "fatal_error", "an_error_of_tomorrow",
	}
	for _, tool := range r.callers() {
		for _, code := range codes {
			if err := r.slack.Inject(sandbox.Fault{Error: code, Times: -1}); err != nil {
				t.Fatal(err)
			}
			res, err := r.try(tool.Name, arguments(tool.Name))
			r.slack.ClearFaults()
			if tool.Name == "slack_event_context" {
				// It shows the event all the same, and says what is missing.
				if err != nil || !strings.Contains(string(res), code) {
					t.Errorf("%s, %s: %v %s", tool.Name, code, err, res)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s succeeded while Slack says %s: %s", tool.Name, code, res)
				continue
			}
			words := toolsFault(err)
			if !strings.HasPrefix(words, code+": ") || len(words) < len(code)+30 {
				t.Errorf("%s, %s: the model is told %q", tool.Name, code, words)
			}
		}
	}
}

// TestEveryWriterRehearses holds dry_run to send nothing and to tell what it would send.
func TestEveryWriterRehearses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.events.Append(eventtest.Envelope("EvAsk", a{"type": "app_mention", "channel": sandbox.General, "user": sandbox.Bob, "ts": "1700000000.000100", "text": "x"}))
	var up struct {
		FileID string `json:"file_id"`
	}
	r.call("slack_upload_file", a{"filename": "x.txt", "content": "x", "channel": sandbox.General}, &up)
	before := len(r.slack.Deliveries())
	for _, tool := range r.callers() {
		if tool.Effect.ReadOnly() {
			continue
		}
		args := arguments(tool.Name)
		args["dry_run"] = true
		if tool.Name == "slack_share_file" {
			args["file_id"] = up.FileID
		}
		var out struct {
			DryRun   bool `json:"dry_run"`
			Requests []struct {
				Method string  `json:"method"`
				Params anyJSON `json:"params"`
			} `json:"requests"`
		}
		r.call(tool.Name, args, &out)
		if !out.DryRun || len(out.Requests) == 0 || out.Requests[0].Method == "" {
			t.Errorf("%s: the rehearsal returned %+v", tool.Name, out)
		}
		if b, err := json.Marshal(out); err != nil || strings.Contains(string(b), "xoxb-") {
			t.Errorf("%s: the rehearsal shows the token", tool.Name)
		}
	}
	if after := len(r.slack.Deliveries()); after != before {
		t.Errorf("rehearsals made %d events in the workspace", after-before)
	}
	if strings.Count(r.audit.String(), "\n") != 1 {
		t.Errorf("rehearsals left audit lines: %s", r.audit)
	}
}
