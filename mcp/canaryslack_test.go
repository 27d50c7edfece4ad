package mcp_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"slackmcp/slackapi"
)

// The people, places and marks of a Slack in which each text of an outsider begins with a canary.
const (
	canary = "CANARY" // what outsiders wrote
	inside = "INSIDE" // what insiders wrote; a name follows

	ownTeam   = "T0LANTERN01"
	otherTeam = "T0PARTNER01"
	// organisation is the one that our workspace is of, sisterTeam another workspace of it.
	organisation = "E0GRID00001"
	sisterTeam   = "T0SISTER001"
	sister       = "U0SISTER001"

	insider  = "U0INSIDE001"
	outsider = "U0OUTSIDE01"
	missing  = "U0MISSING01" // whom Slack does not find
	ownBot   = "U0SELF00001"
	sharedIn = "C0SHARED001" // shared with another organisation, named by it
	ownIn    = "C0OWN000001"
	earlier  = "1600000000.000100"
)

type object = map[string]any

// spoken is a message's first part.
func spoken(user, ts, text string) object {
	return object{"type": "message", "user": user, "ts": ts, "text": text, "team": map[string]string{insider: ownTeam, outsider: otherTeam, sister: sisterTeam}[user]}
}

// with adds members to an object.
func with(o object, more object) object {
	maps.Copy(o, more)
	return o
}

// The messages that our own app posted for the reader, and that it composed itself.
const (
	mineTS  = "1700000021.000100"
	fixedTS = "1700000022.000100"
)

// conversation is the messages, of every kind that has several authors, of the channel in.
func conversation(in string) []object {
	bySlackbot := inside + " by Slackbot"
	if in == sharedIn {
		bySlackbot = canary + " quoted by Slackbot"
	}
	own := func(ts, text string) object {
		return object{"type": "message", "user": ownBot, "bot_id": "B0SELF00001", "app_id": "A0SELF00001", "team": ownTeam, "ts": ts, "text": text}
	}
	quoted := func(user, text string) object {
		return object{"is_share": true, "is_msg_unfurl": true, "author_id": user, "author_name": canary + " name", "channel_id": ownIn, "ts": earlier, "text": text, "fallback": "fallback of " + text}
	}
	file := func(user, name string) object {
		return object{"id": "F0FILE" + user[2:6], "user": user, "name": name, "title": name, "preview": name, "mimetype": "text/plain", "size": 1, "permalink": "https://x.slack.com/files/" + name}
	}
	blocks := []object{{"type": "section", "text": object{"type": "mrkdwn", "text": canary + " in a block"}}}
	return []object{
		with(spoken(insider, "1700000001.000100", inside+" plain"), object{"blocks": blocks, "metadata": object{"event_payload": object{"x": canary}}, "new_field": canary}),
		with(spoken(outsider, "1700000002.000100", canary+" plain"), object{"username": canary, "blocks": blocks, "user_profile": object{"display_name": canary}}),
		with(spoken(missing, "1700000003.000100", canary+" by a missing user"), object{"team": nil}),
		{"type": "message", "ts": "1700000004.000100", "text": canary + " without author"},
		{"type": "message", "subtype": "bot_message", "ts": "1700000005.000100", "text": canary + " of a bot", "username": canary},
		{"type": "message", "bot_id": "B0OTHER0001", "app_id": "A0OTHER0001", "user": "U0OTHERBOT1", "team": ownTeam, "ts": "1700000006.000100", "text": canary + " of an app", "bot_profile": object{"name": canary}},
		{"type": "message", "bot_id": "B0LISTED001", "app_id": "A0LISTED001", "ts": "1700000007.000100", "text": "", "attachments": []object{{"title": inside + " listed app"}, {"from_url": "https://x.example", "text": canary}}},
		with(spoken(insider, "1700000008.000100", inside+" shares"), object{"attachments": []object{quoted(outsider, canary+" shared"), quoted(insider, inside+" shared")}}),
		with(spoken(outsider, "1700000009.000100", canary+" shares"), object{"attachments": []object{quoted(insider, inside+" shared by another")}}),
		with(spoken(insider, "1700000010.000100", inside+" links"), object{"attachments": []object{{"from_url": "https://x.example", "original_url": "https://x.example", "title": canary, "text": canary, "service_name": canary}}}),
		with(spoken(insider, "1700000011.000100", inside+" broadcasts"), object{"subtype": "thread_broadcast", "thread_ts": earlier, "root": spoken(outsider, earlier, canary+" root")}),
		with(spoken(insider, "1700000012.000100", inside+" uploads"), object{"files": []object{file(insider, inside+" file"), file(outsider, canary+" file")}}),
		with(spoken(insider, "1700000013.000100", inside+" liked"), object{"reactions": []object{{"name": strings.ToLower(canary), "count": 1, "users": []string{outsider}}, {"name": "eyes", "count": 1, "users": []string{outsider}}, {"name": "lantern", "count": 1, "users": []string{insider}}}}),
		with(spoken(outsider, "1700000014.000100", "<@"+outsider+"|"+canary+"> has joined the channel"), object{"subtype": "channel_join"}),
		with(spoken(outsider, "1700000015.000100", "<@"+outsider+"> set the channel topic: "+canary), object{"subtype": "channel_topic", "topic": canary}),
		with(spoken(insider, "1700000016.000100", "<@"+insider+"> set the channel topic: "+inside+" topic said"), object{"subtype": "channel_topic"}),
		with(spoken(insider, "1700000018.000100", inside+" mentions <@"+outsider+"|"+canary+">"), nil),
		own("1700000019.000100", canary+" of another assistant"), own(mineTS, inside+" posted for me"), own(fixedTS, inside+" composed"),
		with(spoken("USLACKBOT", "1700000017.000100", bySlackbot), nil),
		with(spoken(sister, "1700000023.000100", inside+" of a sister workspace"), nil),
		with(spoken(outsider, "1700000024.000100", canary+" huddle"), object{"subtype": "huddle_thread", "room": object{"name": canary}}),
		with(spoken(insider, "1700000020.000100", canary+" of a kind that is not listed"), object{"subtype": "something_new"}),
	}
}

// insiders is what a conversation holds of insiders.
var insiders = []string{
	inside + " plain", inside + " listed app", inside + " shares", inside + " shared", inside + " shared by another", inside + " links",
	inside + " broadcasts", inside + " uploads", inside + " file", inside + " liked", inside + " topic said", inside + " mentions",
	inside + " posted for me", inside + " composed", inside + " of a sister workspace", "joined the channel", "began a huddle",
}

func person(id string) object {
	name, team := inside+" "+id, ownTeam
	if id == outsider {
		name, team = canary, otherTeam
	}
	if id == sister {
		return object{"id": id, "team_id": sisterTeam, "name": name, "is_stranger": true, "enterprise_user": object{"enterprise_id": organisation}}
	}
	return object{
		"id": id, "team_id": team, "name": name, "real_name": name, "is_bot": id == ownBot, "tz": name,
		"profile": object{"real_name": name, "display_name": name, "title": name, "email": name + "@x.example", "phone": name, "pronouns": name, "status_text": name, "status_emoji": ":eyes:", "team": team},
	}
}

func channelOf(id string) object {
	c := object{
		"id": id, "name": strings.ToLower(inside) + "-own", "creator": insider, "is_channel": true, "is_member": true, "num_members": 3, "unread_count_display": 2,
		"topic": object{"value": inside + " topic", "creator": insider}, "purpose": object{"value": canary + " purpose", "creator": outsider},
	}
	if id == sharedIn {
		with(c, object{
			"name": strings.ToLower(canary) + "-shared", "creator": outsider, "is_ext_shared": true, "is_shared": true,
			"topic": object{"value": canary + " topic", "creator": outsider}, "purpose": object{"value": inside + " purpose", "creator": insider},
		})
	}
	return c
}

func fileOf(id string) object {
	f := object{"id": id, "user": insider, "name": inside + " name.txt", "title": inside + " title", "mimetype": "text/plain", "filetype": "text", "size": 20, "mode": "snippet", "preview": inside, "permalink": "https://x.slack.com/files/" + id, "url_private": "https://files.slack.com/" + id}
	if id == "F0OUTSIDE001" {
		with(f, object{"user": outsider, "name": canary, "title": canary, "mimetype": "text/" + canary + " x", "filetype": canary + " x", "mode": canary + " x", "pretty_type": canary, "preview": canary, "permalink": "https://x.slack.com/files/" + canary})
	}
	return f
}

func bookmarkOf(id, user, text string) object {
	return object{"id": id, "channel_id": sharedIn, "title": text, "link": "https://x.example/" + text, "emoji": ":" + text + ":", "last_updated_by_user_id": user}
}

func hits() []object {
	hit := func(user, text string) object {
		return object{"channel": object{"id": sharedIn, "name": strings.ToLower(canary)}, "user": user, "username": canary, "team": ownTeam, "ts": "1700000001.000100", "text": text, "permalink": "https://x.slack.com/archives/" + sharedIn + "/p1700000001000100"}
	}
	return []object{
		with(hit(insider, inside+" hit"), object{"username": "", "attachments": []object{{"is_share": true, "author_id": outsider, "text": canary}}}),
		hit(outsider, canary+" hit"), hit("", canary+" without author"), hit(missing, canary+" by a missing user"), with(hit("", canary+" of a bot"), object{"bot_id": "B0OTHER0001"}),
		with(hit(ownBot, inside+" hit posted for me"), object{"ts": mineTS}), with(hit("", inside+" hit composed"), object{"username": "", "ts": fixedTS}),
		with(hit("USLACKBOT", canary+" hit of Slackbot"), nil), hit(ownBot, canary+" hit of another assistant"),
	}
}

// answers are what each of Slack's methods that the tools call says.
func answers(base string, form func(string) string) map[string]object {
	messages := object{"messages": conversation(form("channel"))}
	channel := object{"channel": channelOf(form("channel"))}
	return map[string]object{
		"auth.test":           {"url": "https://x.slack.com/", "team": "x", "team_id": ownTeam, "enterprise_id": organisation, "user": "self", "user_id": ownBot, "bot_id": "B0SELF00001", "app_id": "A0SELF00001"},
		"users.info":          {"user": person(form("user"))},
		"users.list":          {"members": []object{person(insider), person(outsider), person(ownBot)}},
		"users.lookupByEmail": {"user": person(outsider)}, "users.getPresence": {"presence": "active"},
		"users.conversations": {"channels": []object{channelOf(ownIn), channelOf(sharedIn)}},
		"usergroups.list": {"usergroups": []object{
			{"id": "S0INSIDE001", "team_id": ownTeam, "name": inside + " group", "handle": "own", "description": inside},
			{"id": "S0SISTER001", "team_id": sisterTeam, "enterprise_id": organisation, "name": inside + " sister group", "handle": "sister"},
			{"id": "S0SISTER002", "team_id": sisterTeam, "name": inside + " group of sisters", "created_by": sister, "updated_by": insider},
			{"id": "S0OUTSIDE02", "team_id": otherTeam, "name": canary, "handle": canary, "created_by": outsider, "updated_by": insider},
			{"id": "S0OUTSIDE03", "team_id": otherTeam, "enterprise_id": "E0THEIRS001", "name": canary, "created_by": insider, "updated_by": insider},
			{"id": "S0OUTSIDE01", "team_id": otherTeam, "name": canary, "handle": canary, "description": canary, "is_external": true},
		}},
		"usergroups.users.list": {"users": []string{insider, outsider}},
		"conversations.list":    {"channels": []object{channelOf(ownIn), channelOf(sharedIn)}},
		"conversations.info":    channel, "conversations.join": channel, "conversations.create": {"channel": channelOf(ownIn)}, "conversations.setTopic": channel,
		"conversations.setPurpose": channel, "conversations.invite": channel, "conversations.open": {"channel": channelOf(sharedIn)},
		"conversations.members": {"members": []string{insider, outsider}},
		"conversations.history": messages, "conversations.replies": messages,
		"conversations.leave": {}, "conversations.archive": {}, "conversations.mark": {},
		"search.messages":          {"messages": object{"matches": hits(), "total": 5, "paging": object{"page": 1, "pages": 1}}},
		"assistant.search.context": {"results": object{"messages": []object{}}},
		"reactions.get":            {"message": conversation(ownIn)[12]}, "reactions.add": {}, "reactions.remove": {},
		"emoji.list": {"emoji": object{"lantern": "https://x.example/lantern.png"}},
		"pins.list": {"items": []object{
			{"type": "message", "created_by": insider, "message": spoken(outsider, "1700000001.000100", canary+" pinned")},
			{"type": "message", "created_by": outsider, "message": spoken(insider, "1700000002.000100", inside+" pinned")},
		}},
		"pins.add": {}, "pins.remove": {},
		"bookmarks.list": {"bookmarks": []object{bookmarkOf("Bk1", outsider, canary), bookmarkOf("Bk2", insider, inside+"bookmark"), bookmarkOf("Bk3", "", canary)}},
		"bookmarks.add":  {"bookmark": bookmarkOf("Bk4", ownBot, form("title"))}, "bookmarks.remove": {},
		"files.info":                 {"file": fileOf(form("file"))},
		"files.getUploadURLExternal": {"upload_url": base + "/upload", "file_id": "F0MINE00001"}, "files.completeUploadExternal": {"files": []object{{"id": "F0MINE00001"}}},
		"chat.postMessage": postedMessage(form),
		"chat.update":      {"channel": form("channel"), "ts": form("ts"), "text": form("text")}, "chat.delete": {"channel": form("channel"), "ts": form("ts")},
		"chat.postEphemeral": {"message_ts": "1700000101.000100"}, "chat.getPermalink": {"permalink": "https://x.slack.com/archives/C/p1"},
		"chat.scheduleMessage":        {"scheduled_message_id": "Q0MINE00001", "channel": form("channel"), "post_at": 4102444800},
		"chat.scheduledMessages.list": {"scheduled_messages": []object{{"id": "Q0OTHER0001", "channel_id": ownIn, "post_at": 4102444800, "text": canary + " of another assistant"}}},
		"chat.deleteScheduledMessage": {},
		"canvases.create":             {"canvas_id": "F0CANVAS001"}, "canvases.edit": {}, "canvases.getContent": {"content": canary, "markdown": canary}, "canvases.sections.lookup": {"sections": []object{{"id": "temp:C:" + canary}}},
	}
}

// postedMessage answers a post. A question stands apart from the messages that tools may change.
func postedMessage(form func(string) string) object {
	ts, message := "1700000100.000100", object{"user": ownBot, "bot_id": "B0SELF00001", "text": form("text")}
	if blocks := form("blocks"); blocks != "" {
		ts, message["blocks"] = "1700000100.000200", json.RawMessage(blocks)
	}
	message["ts"] = ts
	return object{"channel": form("channel"), "ts": ts, "message": message}
}

// newCanarySlack returns a client of a Slack in which each text of an outsider is a canary.
func newCanarySlack(t *testing.T) *slackapi.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := strings.TrimPrefix(r.URL.Path, "/api/")
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		answer, ok := answers("http://"+r.Host, r.Form.Get)[method]
		if !ok && method != "/upload" {
			t.Errorf("the fake Slack has no answer of %s", method)
		}
		w.Header().Set("Content-Type", "application/json")
		if user := r.Form.Get("user"); method == "users.info" && !slices.Contains([]string{insider, outsider, ownBot, sister}, user) {
			answer = object{"ok": false, "error": "user_not_found"}
		} else {
			answer = with(object{"ok": true}, answer)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	c, err := slackapi.New(slackapi.Options{BotToken: "xoxb-canary", UserToken: "xoxp-canary", URL: srv.URL + "/api/", Pace: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
