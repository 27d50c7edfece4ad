package mcp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	clienttransport "github.com/mark3labs/mcp-go/client/transport"
	protocol "github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// What a person is shown follows from what they gave, what Slack granted, and the operator.
func TestToolsOfAPerson(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	write, read := h.tools(alice), h.tools(aliceRead)
	for _, tool := range catalogue(t) {
		shown, ok := write[tool.Name]
		_, readable := read[tool.Name]
		if want := tool.For != toolset.ServiceOnly; ok != want {
			t.Errorf("%s, which is %s: listed %t", tool.Name, tool.For, ok)
		}
		if want := tool.For != toolset.ServiceOnly && tool.Effect.ReadOnly() && tool.Set != "events"; readable != want {
			t.Errorf("%s is listed to who gave read alone: %t", tool.Name, readable)
		}
		if description, _, _ := strings.Cut(shown, `"inputSchema"`); tool.For == toolset.AsPerson && strings.Contains(shown, "the bot") || tool.Set != "events" && strings.Contains(description, "_event") {
			t.Errorf("%s is described to a person as %s", tool.Name, shown)
		}
		if tool.For != toolset.ServiceOnly || tool.Set == "admin" { // this server has no queue
			continue
		}
		if got := h.call(alice, tool.Name, nil); !got.failed || !strings.HasPrefix(got.text, "not_for_people: "+tool.Name) || !strings.HasSuffix(got.text, tool.Why+". Tell the user.") {
			t.Errorf("%s: %+v", tool.Name, got)
		}
	}
	h.people.mu.Lock()
	h.people.scopes = []string{"channels:history", "users:read"}
	h.people.mu.Unlock()
	if some := h.tools(alice); some["slack_read_channel_messages"] == "" || some["slack_post_message"] != "" || some["slack_list_pins"] != "" {
		t.Errorf("with fewer scopes of Slack: %v", some)
	}
	if got := h.call(alice, "slack_list_pins", a{"channel": sandbox.General}); !got.failed || !strings.HasPrefix(got.text, "missing_scope: slack_list_pins") || !strings.Contains(got.text, "pins:read") {
		t.Errorf("a tool that the grant does not cover: %+v", got)
	}
	quiet := newPeopleServer(t, func(o *mcp.Options) { o.Choice.ReadOnly = true })
	for name := range quiet.tools(alice) {
		if _, ok := read[name]; !ok && !strings.Contains(name, "_event") && name != "webhook_message_status" {
			t.Errorf("%s is listed by a server that only reads", name)
		}
	}
}

// A person whose grant does not hold is told so by every tool, and nothing is done with another token.
func TestAFailingGrantIsNotTheBots(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(h *peopleServer){
		"no grant":  func(h *peopleServer) { h.people.tokens[sandbox.Alice] = "" },
		"revoked":   func(h *peopleServer) { h.box.Revoke("xoxp-sandbox-" + sandbox.Alice) },
		"another's": func(h *peopleServer) { h.people.tokens[sandbox.Alice] = "xoxp-sandbox-" + sandbox.Bob },
		"revoked later": func(h *peopleServer) {
			h.call(alice, "slack_list_channels", nil)
			h.box.Revoke("xoxp-sandbox-" + sandbox.Alice)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newPeopleServer(t)
			h.call("service", "slack_list_channels", a{"query": "general"}) // the bot has looked round
			fail(h)
			before := h.counted("bot")
			if _, body, _ := h.as(alice, "server/discover", nil); strings.Contains(body, "the bot") || !strings.Contains(body, sandbox.Alice) {
				t.Errorf("a person is introduced to %s", body)
			}
			own := private{room: sandbox.General, name: "general", direct: sandbox.AliceDM, group: sandbox.General, ts: "1700000000.000100", reply: "1700000000.000200", file: "F0AAAAAAA", canvas: "F0AAAAAAB", bookmark: "Bk1", scheduled: "Q1", word: "bob", event: "Ev1"}
			judged := probes(&own)
			if len(h.tools(alice)) != len(judged) {
				t.Errorf("%d tools are listed, want %d that say what is wrong", len(h.tools(alice)), len(judged))
			}
			for tool, probes := range judged {
				if name == "revoked later" && (strings.Contains(tool, "_event") || tool == "webhook_message_status") {
					continue // Slack is not asked; what is judged hidden is not shown
				}
				name := tool
				if name == "slack_read_emojis" || name == "slack_search_emojis" {
					probes = []a{{"query": "x"}}
					if name == "slack_read_emojis" {
						probes = []a{{}}
					}
				}
				for _, args := range probes[:1] {
					if got := h.call(alice, name, args); !got.failed && !strings.Contains(got.text, "sign_in_again: ") || got.failed && !strings.HasPrefix(got.text, "sign_in_again: ") {
						t.Errorf("%s %v: %+v", name, args, got)
					}
				}
			}
			if n := h.counted("bot") - before; n != 0 {
				t.Errorf("%d calls with the bot's token", n)
			}
		})
	}
}

// Who gave read alone is led on by clients that can be, and told in words by the others.
func TestStepUp(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	post := a{"name": "slack_post_message", "arguments": a{"channel": sandbox.General, "text": "hi"}}
	status, _, header := h.as(aliceRead, "tools/call", post)
	challenge := header.Get("WWW-Authenticate")
	if status != http.StatusForbidden || !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="read write"`) || !strings.Contains(challenge, `resource_metadata="https://mcp.example/`) {
		t.Errorf("%d %s", status, challenge)
	}
	c, err := client.NewStreamableHttpClient(h.url, clienttransport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + aliceRead}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	begin := protocol.InitializeRequest{}
	begin.Params.ProtocolVersion = "2025-06-18"
	begin.Params.ClientInfo = protocol.Implementation{Name: "t", Version: "1"}
	if _, err := c.Initialize(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	req := protocol.CallToolRequest{}
	req.Params.Name, req.Params.Arguments = "slack_post_message", post["arguments"]
	res, err := c.CallTool(t.Context(), req)
	if err != nil || !res.IsError || !strings.HasPrefix(textOf(res), "insufficient_scope: slack_post_message needs the scope write") {
		t.Errorf("%v, %+v", err, res)
	}
	if status, body, _ := h.as(alice, "tools/call", post); status != http.StatusOK || strings.Contains(body, `"isError":true`) {
		t.Errorf("who gave it: %d %s", status, body)
	}
	if status, _, _ := h.as(aliceRead, "tools/call", a{"name": "webhook_message_status", "arguments": a{}}); status != http.StatusOK {
		t.Errorf("a tool that is for no person leads somewhere: %d", status)
	}
}

func textOf(res *protocol.CallToolResult) string {
	var b strings.Builder
	for _, c := range res.Content {
		if text, ok := c.(protocol.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}

// The operator's rules hold for people; what is not there for them is not there, whatever a rule says of it.
func TestRulesHoldForPeople(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t, func(o *mcp.Options) {
		o.Write.Deny = []string{"#leads", sandbox.Salaries, sandbox.Grace}
		o.Write.PerMinute = 1
	})
	for _, tc := range []struct{ who, channel, want string }{
		{alice, sandbox.Salaries, "channel_not_allowed: "}, // she is a member, the bot is not
		{bob, sandbox.Salaries, "channel_not_found: "},
		{bob, "C0NOBODY001", "channel_not_found: "},
		{alice, "#leads", "channel_not_allowed: "},
		{bob, sandbox.Leads, "channel_not_found: "},
		{bob, "#leads", "channel_not_found: "},
		{alice, sandbox.Grace, "channel_not_allowed: "},
		{alice, "@ines", ""},
		{alice, sandbox.General, ""},
	} {
		got := h.call(tc.who, "slack_post_message", a{"channel": tc.channel, "text": "hi"})
		if tc.want == "" && got.failed || !strings.HasPrefix(got.text, tc.want) {
			t.Errorf("%s to %s: %+v, want %q", tc.who, tc.channel, got, tc.want)
		}
	}
	for _, who := range []string{alice, sandbox.Alice + ".tablet.read.write"} { // all sign-ins of a person have one
		if got := h.call(who, "slack_post_message", a{"channel": sandbox.General, "text": "again"}); !strings.HasPrefix(got.text, "send_budget_used_up: ") {
			t.Errorf("the second message of a person within a minute, of %s: %+v", who, got)
		}
	}
	if got := h.call(bob, "slack_post_message", a{"channel": sandbox.General, "text": "mine"}); got.failed {
		t.Errorf("another person: %+v", got)
	}
}

// Two clients of one person share no idempotency keys.
func TestKeysAreOfASignIn(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	args := a{"channel": sandbox.General, "text": "once", "idempotency_key": "k"}
	first, again := h.call(alice, "slack_post_message", args), h.call(alice, "slack_post_message", args)
	if !strings.Contains(again.text, `"repeated":true`) || first.failed {
		t.Errorf("%+v, %+v", first, again)
	}
	for _, who := range []string{sandbox.Alice + ".tablet.read.write", bob} {
		if got := h.call(who, "slack_post_message", args); got.failed || strings.Contains(got.text, "repeated") {
			t.Errorf("%s: %+v", who, got)
		}
	}
}

// A person has one share, however often they have signed in: another one notices nothing.
func TestSharesAreOfAPerson(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t, func(o *mcp.Options) { o.Transport.MaxSessions, o.Transport.Share = 8, 25 })
	for _, c := range []struct {
		token string
		want  int
	}{
		{alice, http.StatusOK},
		{sandbox.Alice + ".tablet.read", http.StatusOK},
		{sandbox.Alice + ".phone.read", http.StatusTooManyRequests},
		{bob, http.StatusOK},
	} {
		const begin = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, strings.NewReader(begin))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.token, res.StatusCode, c.want)
		}
	}
}

// People who gave no events are not told of the extension of events, of which they are refused everything.
func TestEventsAreNotDeclaredToPeople(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	for who, want := range map[string]bool{alice: true, "service": true, aliceRead: false, sandbox.Bob + ".laptop.read.write": false} {
		_, body, _ := h.as(who, "server/discover", nil)
		var got struct {
			Result struct {
				Capabilities struct {
					Events     *struct{}      `json:"events"`
					Extensions map[string]any `json:"extensions"`
					Tools      *struct{}      `json:"tools"`
				} `json:"capabilities"`
			} `json:"result"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		c := got.Result.Capabilities
		_, extension := c.Extensions["io.modelcontextprotocol/events"]
		if extension != want || (c.Events != nil) != want || c.Tools == nil {
			t.Errorf("%s is told %s", who, body)
		}
	}
}

// What a sign-in has under way ends with it, and what was kept for the person with their last one.
func TestTheEndOfASignIn(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	tablet := sandbox.Alice + ".tablet.read.write"
	for _, who := range []string{alice, tablet, alice, tablet, bob} {
		if got := h.call(who, "slack_list_channels", nil); got.failed {
			t.Fatalf("%+v", got)
		}
	}
	if n := h.counted("auth.test"); n != 2 {
		t.Errorf("it was asked %d times who two people are", n)
	}
	if err := h.box.Inject(sandbox.Fault{Method: "conversations.history", Hang: true, Times: -1}); err != nil {
		t.Fatal(err)
	}
	done := make(chan called, 1)
	go func() { done <- h.call(alice, "slack_read_channel_messages", a{"channel": sandbox.General}) }()
	for began := time.Now(); h.counted("conversations.history") == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the call does not begin")
		}
	}
	h.people.end(sandbox.Alice + "-laptop")
	select {
	case got := <-done:
		if !strings.HasPrefix(got.text, "sign_in_again: ") {
			t.Errorf("the call ended with %+v", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the call goes on")
	}
	h.box.ClearFaults()
	if got := h.call(tablet, "slack_list_channels", nil); got.failed || h.counted("auth.test") != 2 {
		t.Errorf("the other client: %+v", got)
	}
	h.people.end(sandbox.Alice + "-tablet")
	for began := time.Now(); h.counted("auth.test") == 2; time.Sleep(time.Millisecond) { // who signs in later begins anew
		h.call(sandbox.Alice+".new.read", "slack_list_channels", nil)
		if time.Since(began) > 10*time.Second {
			t.Fatal("what was kept for a person outlives their last sign-in")
		}
	}
}

// A person's lists change with what Slack granted to that person, and for nobody else.
func TestListsChangeForThePersonAlone(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	changes := map[string]chan struct{}{}
	for _, who := range []string{aliceRead, bob, "service"} {
		heard := make(chan struct{}, 10)
		changes[who] = heard
		c, err := client.NewStreamableHttpClient(h.url, clienttransport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + who}), clienttransport.WithContinuousListening()) //nolint:staticcheck // sessions are what is tested here
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		c.OnNotification(func(n protocol.JSONRPCNotification) {
			if n.Method == string(protocol.MethodNotificationToolsListChanged) {
				heard <- struct{}{}
			}
		})
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := protocol.InitializeRequest{}
		begin.Params.ProtocolVersion = "2025-06-18"
		begin.Params.ClientInfo = protocol.Implementation{Name: "t", Version: "1"}
		if _, err := c.Initialize(t.Context(), begin); err != nil {
			t.Fatal(err)
		}
	}
	h.tools(alice)
	h.people.mu.Lock()
	h.people.scopes = personScopes[:5]
	h.people.mu.Unlock()
	h.tools(alice)
	h.server.SetGrant(toolset.Grant{Known: true, Bot: []string{"chat:write"}})
	for _, who := range []string{aliceRead, "service"} {
		select {
		case <-changes[who]:
		case <-time.After(10 * time.Second):
			t.Errorf("%s is not told", who)
		}
	}
	select {
	case <-changes[bob]:
		t.Error("another person is told")
	case <-changes[aliceRead]:
		t.Error("a person is told what the bot was granted")
	case <-time.After(200 * time.Millisecond):
	}
}

// Every tool that is for people works for them, by their own token alone.
func TestEveryToolAsAPerson(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	own := keep(t, h.by(sandbox.Alice), "canaryalice", sandbox.Grace, sandbox.Ines)
	h.tell(&own, sandbox.Alice)
	h.events.Append(event.Event{Source: event.SourceReceipts, Kind: event.Kind{Type: "delivery_receipt", Subtype: "queued"}, Encoding: event.JSON, Raw: []byte(`{"id":"m1","status":"queued"}`)})
	late, before := map[string][]a{}, h.counted("bot")
	works := func(name string, args a) {
		t.Helper()
		if got := h.call(alice, name, args); got.failed {
			t.Errorf("%s %v: %s", name, args, got.text)
		}
	}
	more := map[string]a{
		"webhook_message_status":  {"message_id": "m1"},
		"slack_post_ephemeral":    {"channel": "#general", "user": "@carla", "text": "for you"},
		"slack_get_user_profiles": {"users": "@carla"}, "slack_get_user_presence": {"user": "@carla"}, "slack_list_user_group_members": {"user_group": "@oncall"},
		"slack_search_users": {"query": "grace"}, "slack_search_emojis": {"query": "lan"}, "slack_create_channel": {"name": "another-room"},
		"slack_open_conversation": {"users": "@carla"}, "slack_join_channel": {"channel": "#support"}, "slack_leave_channel": {"channel": "#random"},
		"slack_archive_channel": {"channel": "#another-room"}, "slack_post_message": {"channel": "@ines", "text": "for you"}, "slack_upload_file": {"filename": "x.txt", "content": "x", "channel": own.room},
	}
	for _, tool := range catalogue(t) {
		if tool.For != toolset.AsPerson {
			continue
		}
		args, ok := more[tool.Name]
		if !ok {
			args = probes(&own)[tool.Name][0]
		}
		if tool.Effect == toolset.Destroys {
			late[tool.Name] = []a{args}
			continue
		}
		works(tool.Name, args)
	}
	for _, name := range []string{"slack_delete_message"} { // after all that looks at the message
		defer works(name, late[name][0])
		delete(late, name)
	}
	for name, args := range late {
		works(name, args[0])
	}
	if n := h.counted("bot") - before; n != 0 {
		t.Errorf("%d calls with the bot's token", n)
	}
}

// A guest is shown no name of a channel that they are not in, though the bot knows it, and a member is.
func TestAGuestLearnsNoNames(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	if _, err := h.by(sandbox.Bob).PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Engineers, Text: "see <#" + sandbox.Incidents + ">"}); err != nil {
		t.Fatal(err)
	}
	h.call("service", "slack_list_channels", a{"query": "incidents"}) // the bot knows it
	kira := sandbox.Kira + ".laptop.read"
	for who, sees := range map[string]bool{kira: false, alice: true} {
		for name, args := range map[string]a{
			"slack_list_channels":         {"query": "inci"},
			"slack_read_channel_messages": {"channel": sandbox.Engineers},
			"slack_get_channel_info":      {"channel": sandbox.Incidents},
		} {
			if got := h.call(who, name, args); strings.Contains(got.text, "incidents") != sees {
				t.Errorf("%s by %s: %s", name, who, got.text)
			}
		}
	}
}

// Each one's direct message with somebody is their own.
func TestDirectMessagesArePersonal(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	channel := func(who string) string {
		t.Helper()
		var out struct{ Channel string }
		got := h.call(who, "slack_post_message", a{"channel": "@carla", "text": "hi"})
		if err := json.Unmarshal([]byte(got.text), &out); err != nil || out.Channel == "" {
			t.Fatalf("%s: %v in %s", who, err, got.text)
		}
		return out.Channel
	}
	seen := map[string]string{}
	for _, who := range []string{"service", alice, bob, alice, bob, "service", sandbox.Alice + ".tablet.read.write"} {
		person, _, _ := strings.Cut(who, ".")
		at := channel(who)
		for other, there := range seen {
			if (other == person) != (there == at) {
				t.Errorf("%s writes in %s, and %s in %s", person, at, other, there)
			}
		}
		seen[person] = at
	}
}

// A question of the app's is nobody's to delete or change by another tool, also not for those whom Slack
// lets delete everybody's messages.
func TestAPersonChangesNoQuestion(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	var asked struct{ Channel, TS string }
	got := h.call("service", "slack_ask", a{"channel": sandbox.General, "question": "on or off?", "choices": []string{"on"}, "timeout_seconds": 0})
	if err := json.Unmarshal([]byte(got.text), &asked); err != nil || asked.TS == "" {
		t.Fatalf("%v in %s", err, got.text)
	}
	for tool, args := range map[string]a{"slack_delete_message": {}, "slack_update_message": {"text": "x"}} {
		args["channel"], args["timestamp"] = asked.Channel, asked.TS
		if got := h.call(alice, tool, args); !strings.HasPrefix(got.text, "is_a_question: ") {
			t.Errorf("%s: %+v", tool, got)
		}
	}
}

// Times are in the zone of whoever reads, and in the operator's where there is one.
func TestTimesOfPeopleAreTheirs(t *testing.T) {
	t.Parallel()
	chosen, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	own, all := newPeopleServer(t), newPeopleServer(t, func(o *mcp.Options) { o.TimeZone = chosen })
	me, err := own.by(sandbox.Bob).UserInfo(t.Context(), sandbox.Bob)
	if err != nil || me.TZ == "" || me.TZ == chosen.String() {
		t.Fatalf("%v, %q: this test would show nothing", err, me.TZ)
	}
	for h, want := range map[*peopleServer]string{own: me.TZ, all: chosen.String()} {
		h.call(bob, "slack_post_message", a{"channel": sandbox.General, "text": "hi"})
		if got := h.call(bob, "slack_read_channel_messages", a{"channel": sandbox.General}); !strings.Contains(got.text, `"time_zone":"`+want+`"`) {
			t.Errorf("times are not of %s: %s", want, got.text)
		}
	}
}
