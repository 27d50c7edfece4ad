package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// harbour is a workspace file in which each part of the format is used.
const harbour = `{
 "team": {"name": "Harbour", "domain": "harbour"},
 "app": {"name": "Helper", "installer": "ada"},
 "people": [
  {"id": "U0ADA000001", "name": "ada", "real_name": "Ada Abbot", "display_name": "Ada A.", "title": "Owner", "tz": "Asia/Tokyo", "is_owner": true},
  {"id": "U0BEN000001", "name": "ben", "real_name": "Ben Baker", "email": "ben@harbour.example", "status_text": "away", "status_emoji": ":calendar:"},
  {"name": "chloe", "deleted": true},
  {"name": "dev", "is_restricted": true},
  {"name": "elif", "is_stranger": true}
 ],
 "bots": [
  {"bot_id": "B0ALERT0001", "name": "Watchtower", "app_id": "A0ALERT0001", "user_id": "U0ALERT0001"},
  {"bot_id": "B0HOOK00001", "name": "Release notes"}
 ],
 "user_groups": [{"id": "S0CREW00001", "handle": "crew", "name": "Crew", "users": ["ada", "ben"]}],
 "emoji": {"anchor": "https://emoji.slack-edge.com/anchor.png"},
 "channels": [
  {"id": "C0DOCK00001", "name": "dock", "topic": "Ships & more", "purpose": "All ships", "created": 1700000000, "members": ["ada", "ben", "helper", "Watchtower"],
   "last_read": {"ben": "1750000100.000000"},
   "messages": [
    {"ts": "1750000100.000000", "user": "ada", "text": "<@U0BEN000001> see https://d.example/plan", "edited": {"ts": "1750000160.000000"},
     "reactions": [{"name": "anchor", "users": ["ben", "ada"]}], "pinned_by": "ben"},
    {"ts": "1750000300.000000", "thread_ts": "1750000100.000000", "user": "ada", "text": "second reply"},
    {"ts": "1750000200.000000", "thread_ts": "1750000100.000000", "user": "ben", "text": "first reply", "subtype": "thread_broadcast"},
    {"ts": "1750000400.000000", "bot_id": "Watchtower", "attachments": [{"title": "CPU high", "fields": [{"title": "Host", "value": "web-3"}]}]},
    {"ts": "1750000500.000000", "bot_id": "B0HOOK00001", "text": "Release 2.0"},
    {"ts": "1750000600.000000", "user": "ben", "files": [{"id": "F0PLAN00001", "name": "plan.txt", "content": "a plan\n", "details": {"plain_text": "a plan"}}]},
    {"ts": "1750000700.000000", "user": "ada", "text": "again", "files": [{"id": "F0PLAN00001"}, {"name": "film.mp4", "size": 4096}]},
    {"ts": "1750000800.000000", "user": "ada", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Hello"}}]}
   ]},
  {"name": "cellar", "type": "private_channel", "is_archived": true, "members": ["ada"]},
  {"type": "im", "members": ["ada", "helper"], "messages": [{"ts": "1750000900.000000", "user": "ada", "text": "hi"}]},
  {"type": "mpim", "members": ["ada", "ben", "helper"]}
 ]
}`

func loaded(t testing.TB, file string) (*sandbox.Sandbox, string) {
	t.Helper()
	w, err := sandbox.ParseWorkspace([]byte(file))
	ok(t, err)
	return host(t, sandbox.Options{Workspace: w})
}

// at finds a value by a path of members and numbers.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			members, _ := v.(map[string]any)
			v = members[key]
		case int:
			items, _ := v.([]any)
			if key >= len(items) {
				t.Fatalf("%v: there are %d items", path, len(items))
			}
			v = items[key]
		}
	}
	return v
}

// TestLoadedWorkspace reads a loaded workspace by the Web API.
func TestLoadedWorkspace(t *testing.T) {
	t.Parallel()
	_, base := loaded(t, harbour)
	get := func(method, form string) event {
		e := call(t, base, method, sandbox.DefaultBotToken, form)
		if e["ok"] != true {
			t.Fatalf("%s %s answered %v", method, form, e)
		}
		return e
	}
	history := get("conversations.history", "channel=C0DOCK00001")
	thread := get("conversations.replies", "channel=C0DOCK00001&ts=1750000100.000000")
	for _, c := range []struct {
		name string
		in   any
		path []any
		want any
	}{
		{"newest first, broadcasts among them", history, []any{"messages", 5, "text"}, "first reply"},
		{"the app's name", get("auth.test", ""), []any{"user"}, "helper"},
		{"the team's name", get("auth.test", ""), []any{"team"}, "Harbour"},
		{"text as Slack keeps it", history, []any{"messages", 6, "text"}, "<@U0BEN000001> see <https://d.example/plan>"},
		{"rich text of a typed message", history, []any{"messages", 6, "blocks", 0, "type"}, "rich_text"},
		{"an edit", history, []any{"messages", 6, "edited", "user"}, "U0ADA000001"},
		{"reactions", history, []any{"messages", 6, "reactions", 0, "count"}, 2.0},
		{"replies are counted", history, []any{"messages", 6, "reply_count"}, 2.0},
		{"the newest reply", history, []any{"messages", 6, "latest_reply"}, "1750000300.000000"},
		{"replies by their time", thread, []any{"messages", 1, "text"}, "first reply"},
		{"a reply's parent", thread, []any{"messages", 2, "parent_user_id"}, "U0ADA000001"},
		{"a bot's id", history, []any{"messages", 4, "bot_id"}, "B0ALERT0001"},
		{"a bot's user", history, []any{"messages", 4, "user"}, "U0ALERT0001"},
		{"a bot's profile", history, []any{"messages", 4, "bot_profile", "name"}, "Watchtower"},
		{"attachments", history, []any{"messages", 4, "attachments", 0, "fields", 0, "value"}, "web-3"},
		{"what Slack says of an attachment without a text", history, []any{"messages", 4, "attachments", 0, "fallback"}, "[no preview available]"},
		{"an attachment's number", history, []any{"messages", 4, "attachments", 0, "id"}, 1.0},
		{"an incoming webhook", history, []any{"messages", 3, "subtype"}, "bot_message"},
		{"its name", history, []any{"messages", 3, "username"}, "Release notes"},
		{"it has no user", history, []any{"messages", 3, "user"}, nil},
		{"a file", history, []any{"messages", 2, "files", 0, "name"}, "plan.txt"},
		{"a file's further members", history, []any{"messages", 2, "files", 0, "plain_text"}, "a plan"},
		{"a file that is shared again", history, []any{"messages", 1, "files", 0, "id"}, "F0PLAN00001"},
		{"blocks alone", history, []any{"messages", 0, "blocks", 0, "type"}, "header"},
		{"a person's zone", get("users.info", "user=U0ADA000001"), []any{"user", "tz_offset"}, 9 * 3600.0},
		{"its name in words", get("users.info", "user=U0ADA000001"), []any{"user", "tz_label"}, "Japan Standard Time"},
		{"a display name", get("users.info", "user=U0ADA000001"), []any{"user", "profile", "display_name"}, "Ada A."},
		{"an address", get("users.lookupByEmail", "email=ben@harbour.example"), []any{"user", "name"}, "ben"},
		{"a bot", get("bots.info", "bot=B0ALERT0001"), []any{"bot", "user_id"}, "U0ALERT0001"},
		{"a user group", get("usergroups.list", "include_users=true"), []any{"usergroups", 0, "users", 1}, "U0BEN000001"},
		{"an emoji", get("emoji.list", ""), []any{"emoji", "anchor"}, "https://emoji.slack-edge.com/anchor.png"},
		{"a pin", get("pins.list", "channel=C0DOCK00001"), []any{"items", 0, "created_by"}, "U0BEN000001"},
		{"a topic", get("conversations.info", "channel=C0DOCK00001"), []any{"channel", "topic", "value"}, "Ships &amp; more"},
		{"the direct messages", get("conversations.list", "types=im"), []any{"channels", 0, "user"}, "U0ADA000001"},
		{"a group message's name", get("conversations.list", "types=mpim"), []any{"channels", 0, "name"}, "mpdm-ada--ben--helper-1"},
	} {
		if got := at(t, map[string]any(c.in.(event)), c.path...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if e := call(t, base, "conversations.info", "xoxp-sandbox-U0BEN000001", "channel=C0DOCK00001"); e.str("channel.last_read") != "1750000100.000000" {
		t.Errorf("last_read is %v", e.str("channel.last_read"))
	}
	if e := call(t, base, "conversations.list", sandbox.DefaultBotToken, "types=private_channel"); len(e["channels"].([]any)) != 0 {
		t.Errorf("the bot sees a private channel that it is not in: %v", e["channels"])
	}
	for name, want := range map[string]string{"plan.txt": "a plan\n", "film.mp4": strings.Repeat("\x00", 4096)} {
		if got := download(t, fileURL(t, history, name)); got != want {
			t.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
		}
	}
}

func fileURL(t testing.TB, history event, name string) string {
	t.Helper()
	messages, _ := history["messages"].([]any)
	for _, m := range messages {
		files, _ := m.(map[string]any)["files"].([]any)
		for _, f := range files {
			if f.(map[string]any)["name"] == name {
				return f.(map[string]any)["url_private"].(string)
			}
		}
	}
	t.Fatalf("no message has the file %s", name)
	return ""
}

func download(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	ok(t, err)
	req.Header.Set("Authorization", "Bearer "+sandbox.DefaultBotToken)
	resp, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	ok(t, err)
	return string(data)
}

// TestBadWorkspaceFiles wants each fault named by its place in the file, with a remedy.
func TestBadWorkspaceFiles(t *testing.T) {
	t.Parallel()
	one := func(message string) string {
		return `{"people":[{"name":"ada"}],"bots":[{"name":"Tower"}],"channels":[{"name":"dock","members":["ada"],"messages":[` + message + `]}]}`
	}
	for _, c := range []struct{ name, file, place, remedy string }{
		{"no JSON", "{\n\"people\": [,]}", "line 2, at /people", "it is not JSON"},
		{"a member twice", `{"team":{},"team":{}}`, "/team", "says a member twice"},
		{"an unknown member", one(`{"ts":"1750000100.000000","user":"ada","text":"x","colour":"red"}`), "/channels/0/messages/0/colour", "there are ts, thread_ts"},
		{"another kind", `{"people":[{"name":7}]}`, "/people/0/name", "it must be a text"},
		{"a list that is none", `{"people":"ada"}`, "/people", "it must be a list"},
		{"nobody", `{}`, "/people", "name at least the person who installed the app"},
		{"a name", `{"people":[{"name":"Ada Abbot"}]}`, "/people/0/name", "use lower case without spaces"},
		{"a name twice", `{"people":[{"name":"ada"},{"name":"ada"}]}`, "/people/1", "is that of /people/0"},
		{"the app's name", `{"people":[{"name":"wick"}]}`, "/app/name", "give it another"},
		{"an id", `{"people":[{"id":"ada","name":"ada"}]}`, "/people/0/id", "8 to 21 capitals and digits and begin with U or W"},
		{"the app's id", `{"people":[{"id":"` + sandbox.BotUser + `","name":"ada"}]}`, "/people/0/id", "that of the app"},
		{"a zone", `{"people":[{"name":"ada","tz":"Mars/Olympus"}]}`, "/people/0/tz", "such as Europe/Berlin"},
		{"a bot without a name", `{"people":[{"name":"ada"}],"bots":[{}]}`, "/bots/0/name", "give it one"},
		{"a group of nobody there", `{"people":[{"name":"ada"}],"user_groups":[{"handle":"crew","users":["zed"]}]}`, "/user_groups/0/users/0", "people, bots or the app"},
		{"an installer", `{"people":[{"name":"ada"}],"app":{"installer":"zed"}}`, "/app/installer", "people, bots or the app"},
		{"an emoji", `{"people":[{"name":"ada"}],"emoji":{"A B":"x"}}`, "/emoji/A B", "use lower case"},
		{"a channel's name", `{"people":[{"name":"ada"}],"channels":[{"name":"Big Dock"}]}`, "/channels/0/name", "lower case"},
		{"a channel twice", `{"people":[{"name":"ada"}],"channels":[{"name":"dock"},{"name":"dock","id":"C0OTHER0001"}]}`, "/channels/1/name", "is that of /channels/0"},
		{"a channel's type", `{"people":[{"name":"ada"}],"channels":[{"name":"dock","type":"room"}]}`, "/channels/0/type", "write public_channel"},
		{"a direct message of one", `{"people":[{"name":"ada"}],"channels":[{"type":"im","members":["ada"]}]}`, "/channels/0/members", "has two members"},
		{"a member twice", `{"people":[{"name":"ada"}],"channels":[{"name":"dock","members":["ada","ada"]}]}`, "/channels/0/members/1", "leave one out"},
		{"a ts", one(`{"ts":"yesterday","user":"ada","text":"x"}`), "/channels/0/messages/0/ts", "such as 1767225600.000100"},
		{"a ts twice", one(`{"ts":"1750000100.000000","user":"ada","text":"x"},{"ts":"1750000100.000000","user":"ada","text":"y"}`), "/channels/0/messages/1/ts", "give this one another"},
		{"the future", one(`{"ts":"9999999999.000000","user":"ada","text":"x"}`), "/channels/0/messages/0/ts", "set until_now"},
		{"no author", one(`{"ts":"1750000100.000000","text":"x"}`), "/channels/0/messages/0/user", "give it user or bot_id"},
		{"an author who is not there", one(`{"ts":"1750000100.000000","user":"zed","text":"x"}`), "/channels/0/messages/0/user", "people, bots or the app"},
		{"a bot that is not there", one(`{"ts":"1750000100.000000","bot_id":"B8","text":"x"}`), "/channels/0/messages/0/bot_id", "one of bots"},
		{"an empty message", one(`{"ts":"1750000100.000000","user":"ada"}`), "/channels/0/messages/0", "give it text, blocks, attachments or files"},
		{"blocks", one(`{"ts":"1750000100.000000","user":"ada","blocks":[{}]}`), "/channels/0/messages/0/blocks", "that have a type"},
		{"attachments", one(`{"ts":"1750000100.000000","user":"ada","attachments":["x"]}`), "/channels/0/messages/0/attachments", "a list of objects"},
		{"a thread without a root", one(`{"ts":"1750000100.000000","thread_ts":"1750000000.000000","user":"ada","text":"x"}`), "/channels/0/messages/0/thread_ts", "the thread's first message"},
		{"a reaction", one(`{"ts":"1750000100.000000","user":"ada","text":"x","reactions":[{"name":":tada:","users":["ada"]}]}`), "/channels/0/messages/0/reactions/0/name", "without colons"},
		{"a reaction of nobody", one(`{"ts":"1750000100.000000","user":"ada","text":"x","reactions":[{"name":"tada","users":[]}]}`), "/channels/0/messages/0/reactions/0/users", "at least one person"},
		{"a file", one(`{"ts":"1750000100.000000","user":"ada","files":[{"id":"F0NOWHERE01"}]}`), "/channels/0/messages/0/files/0/name", "give it one"},
		{"a file's size", one(`{"ts":"1750000100.000000","user":"ada","files":[{"name":"a.txt","content":"x","size":3}]}`), "/channels/0/messages/0/files/0/size", "leave it out"},
	} {
		w, err := sandbox.ParseWorkspace([]byte(c.file))
		if err == nil {
			_, err = sandbox.New(sandbox.Options{Workspace: w})
		}
		if err == nil || !strings.Contains(err.Error(), c.place+":") && !strings.Contains(err.Error(), c.place+"/") || !strings.Contains(err.Error(), c.remedy) {
			t.Errorf("%s: %v, want %s and %q", c.name, err, c.place, c.remedy)
		}
	}
}

// TestTheDocumentedWorkspace loads the example of docs/sandbox.md.
func TestTheDocumentedWorkspace(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sandbox.md")
	ok(t, err)
	_, example, _ := strings.Cut(string(page), "    {\n     \"people\"")
	example, _, _ = strings.Cut(example, "\n    }\n")
	_, base := loaded(t, "{\"people\""+example+"}")
	e := call(t, base, "search.messages", sandbox.DefaultUserToken, "query=97%25")
	if at(t, e["messages"], "matches", 0, "attachments", 0, "title") != "CPU high" {
		t.Errorf("the search finds %v", e)
	}
}

// TestLoadOverHTTP loads a workspace into a running sandbox, and one that is refused.
func TestLoadOverHTTP(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{})
	put := func(file string) event {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/sandbox/workspace", strings.NewReader(file))
		ok(t, err)
		return send(t, req)
	}
	if e := put(`{"people":[{"name":"Ada"}]}`); !strings.Contains(e.str("detail"), "/people/0/name") {
		t.Errorf("a bad file is answered %v", e)
	}
	if e := call(t, base, "auth.test", sandbox.DefaultBotToken, ""); e.str("team") != "Lantern Works" {
		t.Errorf("a bad file changed the workspace: %v", e)
	}
	if e := put(harbour); e["ok"] != true {
		t.Fatalf("a good file is answered %v", e)
	}
	if e := call(t, base, "auth.test", sandbox.DefaultBotToken, ""); e.str("team") != "Harbour" {
		t.Errorf("the workspace is %v", e)
	}
	if e := call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel="+sandbox.General); e["error"] != "channel_not_found" {
		t.Errorf("the old channel answers %v", e)
	}
	if e := call(t, base, "chat.postMessage", sandbox.DefaultBotToken, "channel=C0DOCK00001&text=new"); e.str("message.ts") <= "1750000800.000000" {
		t.Errorf("a new message has the ts %v", e.str("message.ts"))
	}
}

// TestTimesMove loads a file whose newest message is to be of now.
func TestTimesMove(t *testing.T) {
	t.Parallel()
	_, base := loaded(t, strings.Replace(harbour, `"team"`, `"until_now": true, "team"`, 1))
	e := call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel=C0DOCK00001")
	newest, oldest := at(t, e["messages"], 0, "ts").(string), at(t, e["messages"], 6, "ts").(string)
	age := func(ts string) time.Duration {
		n, err := json.Number(strings.TrimSuffix(ts, ".000000")).Int64()
		ok(t, err)
		return time.Since(time.Unix(n, 0)).Round(time.Second)
	}
	if d := age(oldest) - age(newest); d != 700*time.Second {
		t.Errorf("the messages are %v apart", d)
	}
	if a := age(newest); a < 99*time.Second || a > 5*time.Minute {
		t.Errorf("the message 100 s before the newest one is %v old", a)
	}
}

// TestOtherBotsPost lets the bot of another app post, and looks at the event.
func TestOtherBotsPost(t *testing.T) {
	t.Parallel()
	sb, base := loaded(t, harbour)
	ts, err := sb.PostAs("watchtower", "#dock", "", sandbox.Saying{Attachments: []byte(`[{"title":"RAM high"}]`)})
	ok(t, err)
	e := call(t, base, "conversations.history", sandbox.DefaultBotToken, "channel=C0DOCK00001&inclusive=1&oldest="+ts)
	if at(t, e["messages"], 0, "bot_id") != "B0ALERT0001" || at(t, e["messages"], 0, "app_id") != "A0ALERT0001" || at(t, e["messages"], 0, "client_msg_id") != nil {
		t.Errorf("the post is %v", at(t, e["messages"], 0))
	}
}

// TestGenerate makes a workspace twice, loads it, and reads it whole.
func TestGenerate(t *testing.T) {
	t.Parallel()
	o := sandbox.GenerateOptions{Seed: 3, People: 40, Channels: 20, Messages: 800, Days: 10}
	one, err := sandbox.Generate(o)
	ok(t, err)
	two, err := sandbox.Generate(o)
	ok(t, err)
	if !reflect.DeepEqual(one, two) {
		t.Error("the same options made two workspaces")
	}
	o.Seed++
	if other, err := sandbox.Generate(o); err != nil || reflect.DeepEqual(one, other) {
		t.Errorf("another seed made the same workspace (%v)", err)
	}
	file, err := json.Marshal(one)
	ok(t, err)
	_, base := loaded(t, string(file))
	counts := map[string]int{}
	for _, c := range one.Channels {
		for _, m := range c.Messages {
			counts["messages"]++
			for what, is := range map[string]bool{
				"replies": m.ThreadTS != "", "files": len(m.Files) > 0, "reactions": len(m.Reactions) > 0, "blocks": m.Blocks != nil,
				"attachments": m.Attachments != nil, "edits": m.Edited != nil, "bots": m.Bot != "", "mentions": strings.Contains(m.Text, "<@"),
			} {
				if is {
					counts[what]++
				}
			}
		}
	}
	for _, what := range []string{"replies", "files", "reactions", "blocks", "attachments", "edits", "bots", "mentions"} {
		if counts[what] == 0 {
			t.Errorf("there are no %s", what)
		}
	}
	if len(one.People) != 40 || len(one.Channels) != 20 || counts["messages"] != 800 {
		t.Errorf("%d people, %d conversations, %d messages", len(one.People), len(one.Channels), counts["messages"])
	}
	c := one.Channels[0]
	roots := 0
	for _, m := range c.Messages {
		if m.ThreadTS == "" {
			roots++
		}
	}
	e := call(t, base, "conversations.history", sandbox.DefaultBotToken, "limit=999&channel="+c.ID)
	if got, _ := e["messages"].([]any); len(got) != roots {
		t.Errorf("the channel shows %d messages, the file has %d that begin threads", len(got), roots)
	}
	for _, bad := range []sandbox.GenerateOptions{
		{People: 1, Channels: 2, Days: 1},
		{People: 2, Channels: 1, Days: 1},
		{People: 2, Channels: 2, Days: 1, Messages: -1},
		{People: 2, Channels: 2},
	} {
		if _, err := sandbox.Generate(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if _, err := sandbox.Generate(sandbox.GenerateOptions{People: 2, Channels: 2, Messages: 20, Days: 1}); err != nil {
		t.Error(err)
	}
}

// TestUpdateKeepsWhatItDoesNotName updates a message with blocks and attachments, as Slack
// documents chat.update.
func TestUpdateKeepsWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{})
	blocks, attachments := `[{"type":"header","text":{"type":"plain_text","text":"Old"}}]`, `[{"title":"Old"}]`
	for _, c := range []struct{ name, first, change, blocks, attachments string }{
		{"text alone keeps both", "blocks=" + blocks + "&attachments=" + attachments, "text=new", "header", "Old"},
		{"an empty list removes blocks", "blocks=" + blocks + "&attachments=" + attachments, "text=new&blocks=[]", "rich_text", "Old"},
		{"an empty list removes attachments", "blocks=" + blocks + "&attachments=" + attachments, "text=new&attachments=[]", "header", ""},
		{"blocks keep attachments", "blocks=" + blocks + "&attachments=" + attachments, `blocks=[{"type":"divider"}]`, "divider", "Old"},
		{"Markdown replaces blocks", "blocks=" + blocks, "markdown_text=**new**", "rich_text", ""},
		{"blocks that Slack made of the text go with it", "text=old", "text=new", "rich_text", ""},
	} {
		posted := call(t, base, "chat.postMessage", sandbox.DefaultBotToken, "channel="+sandbox.General+"&"+c.first)
		e := call(t, base, "chat.update", sandbox.DefaultBotToken, "channel="+sandbox.General+"&ts="+posted.str("ts")+"&"+c.change)
		message := at(t, map[string]any(e), "message")
		if got := at(t, message, "blocks", 0, "type"); got != c.blocks {
			t.Errorf("%s: the message has the block %v, want %s", c.name, got, c.blocks)
		}
		title := ""
		if at(t, message, "attachments") != nil {
			title, _ = at(t, message, "attachments", 0, "title").(string)
		}
		if title != c.attachments {
			t.Errorf("%s: the message has the attachment %q, want %q", c.name, title, c.attachments)
		}
	}
}
