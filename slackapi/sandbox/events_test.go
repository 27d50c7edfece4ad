package sandbox_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

// An event is what a receiver reads of one.
type event map[string]any

func (e event) str(path string) string {
	var v any = map[string]any(e)
	for part := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	s, _ := v.(string)
	return s
}

func (e event) kind() string {
	if s := e.str("event.subtype"); s != "" {
		return e.str("event.type") + "/" + s
	}
	return e.str("event.type")
}

func eventsOf(t *testing.T, rc *receiver) (all []event) {
	t.Helper()
	for _, r := range rc.all() {
		var e event
		ok(t, json.Unmarshal(r.body, &e))
		all = append(all, e)
	}
	// Deliveries overlap as Slack's do; their ids tell the order of what happened.
	slices.SortFunc(all, func(a, b event) int { return strings.Compare(a.str("event_id"), b.str("event_id")) })
	return all
}

// TestChangesMakeTheirEvents changes the workspace, and compares the events that the app gets.
func TestChangesMakeTheirEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*testing.T, *sandbox.Sandbox)
		want string
	}{
		{"a message", say("#random", "hi"), "message"},
		{"a message to the app", say("@wick", "hi"), "message"},
		{"a message where the app is not", say("#design", "hi"), ""},
		{"a mention", say("#random", "<@"+sandbox.BotUser+"> hi"), "message app_mention"},
		{"a mention in a direct message", say("@wick", "<@"+sandbox.BotUser+"> hi"), "message"},
		{"a reply, broadcast", func(t *testing.T, sb *sandbox.Sandbox) {
			ts := post(t, sb, "root")
			_, err := sb.PostAs("bob", "#random", "reply", sandbox.Saying{ThreadTS: ts, Broadcast: true})
			ok(t, err)
		}, "message message/thread_broadcast"},
		{"an edit and a deletion", func(t *testing.T, sb *sandbox.Sandbox) {
			ts := post(t, sb, "one")
			ok(t, sb.EditAs("alice", "#random", ts, "two"))
			ok(t, sb.DeleteAs("alice", "#random", ts))
		}, "message message/message_changed message/message_deleted"},
		{"the deletion of a thread's root", func(t *testing.T, sb *sandbox.Sandbox) {
			ts := post(t, sb, "root")
			_, err := sb.PostAs("bob", "#random", "reply", sandbox.Saying{ThreadTS: ts})
			ok(t, err)
			ok(t, sb.DeleteAs("alice", "#random", ts))
		}, "message message message/message_changed"},
		{"a channel that is made private", func(t *testing.T, sb *sandbox.Sandbox) {
			for name, want := range map[[2]string]string{
				{"bob", "#random"}: "restricted_action", {"alice", "#general"}: "channel_type_not_supported",
				{"alice", sandbox.Leads}: "channel_type_not_supported", {"alice", "#old-project"}: "",
			} {
				if err := sb.MakePrivateAs(name[0], name[1]); err == nil || want != "" && sandbox.Code(err) != want {
					t.Errorf("%v: %v, want %s", name, err, want)
				}
			}
			ok(t, sb.MakePrivateAs("alice", "#random"))
			if err := sb.MakePrivateAs("alice", "#random"); sandbox.Code(err) != "channel_type_not_supported" {
				t.Errorf("again: %v", err)
			}
		}, "message/channel_convert_to_private"},
		{"reactions", func(t *testing.T, sb *sandbox.Sandbox) {
			ts := post(t, sb, "one")
			ok(t, sb.ReactAs("bob", "#random", ts, "tada"))
			ok(t, sb.UnreactAs("bob", "#random", ts, ":tada:"))
		}, "message reaction_added reaction_removed"},
		{"a new public channel without the app", func(t *testing.T, sb *sandbox.Sandbox) {
			_, err := sb.CreateChannelAs("alice", "lamps", false)
			ok(t, err)
		}, "channel_created"},
		{"the app comes into a channel", func(t *testing.T, sb *sandbox.Sandbox) {
			ok(t, sb.JoinAs(sandbox.BotUser, "#design", "emi"))
		}, "message/channel_join member_joined_channel"},
		{"a person joins and leaves", func(t *testing.T, sb *sandbox.Sandbox) {
			ok(t, sb.JoinAs("emi", "#support", ""))
			ok(t, sb.LeaveAs("emi", "#support"))
		}, "message/channel_join member_joined_channel member_left_channel message/channel_leave"},
		{"the app is taken out", func(t *testing.T, sb *sandbox.Sandbox) {
			ok(t, sb.LeaveAs(sandbox.BotUser, "#support"))
		}, "member_left_channel message/channel_leave channel_left"},
		{"a channel changes", func(t *testing.T, sb *sandbox.Sandbox) {
			ok(t, sb.TopicAs("alice", "#random", "bread"))
			ok(t, sb.RenameAs("alice", "#random", "bakery"))
			ok(t, sb.ArchiveAs("alice", "#bakery"))
		}, "message/channel_topic message/channel_name channel_rename message/channel_archive channel_archive"},
		{"a pin", func(t *testing.T, sb *sandbox.Sandbox) { ok(t, sb.PinAs("bob", "#random", post(t, sb, "one"))) }, "message pin_added"},
		{"a file", func(t *testing.T, sb *sandbox.Sandbox) {
			_, _, err := sb.UploadAs("bob", "#random", "a.txt", []byte("a"), "look")
			ok(t, err)
		}, "file_created message/file_share file_shared"},
		{"people", func(t *testing.T, sb *sandbox.Sandbox) {
			_, err := sb.AddUser("nora", "Nora Quist")
			ok(t, err)
			ok(t, sb.ChangeUser("nora", "Nora Q.", "", ""))
			ok(t, sb.SetPresence("nora", false))
		}, "team_join user_change"},
		{"an emoji", func(t *testing.T, sb *sandbox.Sandbox) { ok(t, sb.AddEmoji("bulb2", "https://e.example/b.png")) }, "emoji_changed/add"},
		{"the app's home", func(t *testing.T, sb *sandbox.Sandbox) { ok(t, sb.OpenHomeAs("alice")) }, "app_home_opened"},
		{"the first message of a person to the app", say("@wick", "hello", "henrik"), "im_created message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rc := receive(t, nil)
			sb := start(t, sandbox.Options{Empty: true}, rc)
			c.do(t, sb)
			settle(t, sb)
			all := eventsOf(t, rc)
			var kinds []string
			for _, e := range all {
				kinds = append(kinds, e.kind())
				if e.str("event.event_ts") == "" || e.str("event.type") == "" || e.str("api_app_id") != sandbox.AppID || e.str("event_context") == "" {
					t.Errorf("an envelope that lacks something: %v", e)
				}
			}
			if got := strings.Join(kinds, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func say(channel, text string, by ...string) func(*testing.T, *sandbox.Sandbox) {
	return func(t *testing.T, sb *sandbox.Sandbox) {
		_, err := sb.PostAs(append(by, "alice")[0], channel, text, sandbox.Saying{})
		ok(t, err)
	}
}

func post(t *testing.T, sb *sandbox.Sandbox, text string) string {
	t.Helper()
	ts, err := sb.PostAs("alice", "#random", text, sandbox.Saying{})
	ok(t, err)
	return ts
}

func TestEventsHoldWhatSlackPutsIntoThem(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{Empty: true}, rc)
	root := post(t, sb, "root")
	_, err := sb.PostAs(sandbox.BotUser, "#random", "reply", sandbox.Saying{ThreadTS: root, Broadcast: true})
	ok(t, err)
	ok(t, sb.EditAs("alice", "#random", root, "changed"))
	ok(t, sb.DeleteAs("alice", "#random", root))
	ok(t, sb.ReactAs("bob", "#random", root, "eyes"))
	_, err = sb.PostAs("leo", "#ext-partner", "from outside", sandbox.Saying{})
	ok(t, err)
	settle(t, sb)
	all := eventsOf(t, rc)
	if len(all) != 6 {
		t.Fatalf("%d events, want 6", len(all))
	}
	for i, want := range []map[string]string{
		{"event.text": "root", "event.user": sandbox.Alice, "event.channel_type": "channel", "event.team": sandbox.Team},
		{"event.subtype": "thread_broadcast", "event.thread_ts": root, "event.root.text": "root", "event.bot_id": sandbox.BotID, "event.bot_profile.app_id": sandbox.AppID},
		{"event.message.text": "changed", "event.previous_message.text": "root", "event.message.edited.user": sandbox.Alice, "event.message.ts": root},
		{"event.subtype": "message_changed", "event.message.subtype": "tombstone", "event.previous_message.text": "changed"},
		{"event.item.ts": root, "event.item.channel": sandbox.Random, "event.reaction": "eyes", "event.user": sandbox.Bob},
		{"event.team": sandbox.Team, "event.user_team": "T0PARTNER01", "event.source_team": "T0PARTNER01", "team_id": sandbox.Team, "event.user": sandbox.Leo},
	} {
		for path, value := range want {
			if got := all[i].str(path); got != value {
				t.Errorf("event %d: %s is %q, want %q", i, path, got, value)
			}
		}
	}
	if all[0]["is_ext_shared_channel"] != false || all[5]["is_ext_shared_channel"] != true {
		t.Error("is_ext_shared_channel is wrong")
	}
	if all[0].str("event.client_msg_id") == "" || all[1].str("event.client_msg_id") != "" {
		t.Error("people's messages have a client_msg_id, bots' have none")
	}
	if id := all[0].str("event_id"); id == all[1].str("event_id") {
		t.Errorf("two events have the id %s", id)
	}
}

func TestEventsNeedTheirScopes(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{Empty: true, BotScopes: []string{"app_mentions:read", "groups:history"}}, rc)
	ts := post(t, sb, "<@"+sandbox.BotUser+"> hi")
	ok(t, sb.ReactAs("bob", "#random", ts, "eyes"))
	_, err := sb.PostAs("alice", "#leads", "hi", sandbox.Saying{})
	ok(t, err)
	settle(t, sb)
	var kinds []string
	for _, e := range eventsOf(t, rc) {
		kinds = append(kinds, e.kind()+" "+e.str("event.channel"))
		if e.str("event.action_token") != "" {
			t.Error("an app without assistant:write was given an action_token")
		}
	}
	if want := []string{"app_mention " + sandbox.Random, "message " + sandbox.Leads}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}
