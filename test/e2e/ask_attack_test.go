package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// An interview is an assistant that asks, people who click, and attackers between them.
type interview struct {
	*testing.T
	w       *workspace
	asker   *session
	another *session // of another principal, with the scope write
	slack   *slackapi.Client
	target  *process // that receives the clicks

	mu   sync.Mutex
	last []byte                   // the newest click, as it was sent
	late atomic.Pointer[latePost] // the post whose answer is held back
}

// A latePost is a post that Slack has carried out and not answered yet.
type latePost struct{ posted, answer chan struct{} }

// proxied returns the address of a Slack whose answer to a post can be held back.
func (i *interview) proxied() string {
	i.Helper()
	to, err := url.Parse(i.w.url)
	if err != nil {
		i.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(res *http.Response) error {
		if l := i.late.Load(); l != nil && strings.HasSuffix(res.Request.URL.Path, "/chat.postMessage") {
			i.late.Store(nil)
			close(l.posted)
			<-l.answer
		}
		return nil
	}
	srv := httptest.NewServer(proxy)
	i.Cleanup(srv.Close)
	if err := i.w.SetBaseURL(srv.URL); err != nil { // clicks are answered through it, too
		i.Fatal(err)
	}
	return srv.URL
}

// anotherToken is that of a principal beside the one that asks.
const anotherToken = "another-token-for-tests"

// newInterview starts servers on one store, and sends the clicks to the last of them.
func newInterview(t *testing.T, o options, servers int) (*interview, []*process) {
	t.Helper()
	i := &interview{T: t, w: newWorkspace(t, sandbox.Options{Empty: true})}
	o.args = []string{"--integrated", "--toolsets", "all", "--mcp-transport", "streamable-http"}
	o.env = append(append(i.w.env(), "SLACK_API_URL="+i.proxied()+"/api/", "MCP_TOKENS=another:read+events+write:"+anotherToken), o.env...)
	var started []*process
	for range servers {
		started = append(started, start(t, o))
	}
	i.slack = i.w.client(t)
	i.send(started[servers-1])
	recorder := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		i.mu.Lock()
		i.last = body
		to := i.target.url
		i.mu.Unlock()
		on, err := http.NewRequestWithContext(req.Context(), http.MethodPost, to+"/slack/events", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
		}
		on.Header = req.Header.Clone()
		res, err := http.DefaultClient.Do(on)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		rw.WriteHeader(res.StatusCode)
	}))
	t.Cleanup(recorder.Close)
	i.w.SetInteractivityURL(recorder.URL)
	i.asker, i.another = connect(t, started[0]), connectAs(t, started[0], anotherToken)
	return i, started
}

// send says which server receives from now on.
func (i *interview) send(p *process) {
	i.Helper()
	i.mu.Lock()
	i.target = p
	i.mu.Unlock()
	if err := i.w.SetRequestURL(i.Context(), p.url+"/slack/events"); err != nil {
		i.Fatal(err)
	}
}

type interviewed struct {
	asked
	Status string `json:"status"`
}

func (i *interview) ask(more map[string]any) interviewed {
	i.Helper()
	args := map[string]any{"channel": "#general", "question": "Deploy?", "choices": []string{"Approve", "Deny"}, "timeout_seconds": 0}
	maps.Copy(args, more)
	var got interviewed
	i.asker.tool("slack_ask", args, &got)
	return got
}

func (i *interview) click(person, ts, button string) {
	i.Helper()
	a, err := i.w.Click(i.Context(), person, sandbox.General, ts, button)
	if err != nil || a.Status != http.StatusOK {
		i.Fatalf("%s clicks %s: %v, status %d", person, button, err, a.Status)
	}
}

// forge sends the newest click once more, changed and well signed.
func (i *interview) forge(change func(payload map[string]any)) {
	i.Helper()
	i.mu.Lock()
	form, err := url.ParseQuery(string(i.last))
	i.mu.Unlock()
	if err != nil {
		i.Fatal(err)
	}
	var payload map[string]any
	if err := json.Unmarshal([]byte(form.Get("payload")), &payload); err != nil {
		i.Fatal(err)
	}
	change(payload)
	raw, err := json.Marshal(payload)
	if err != nil {
		i.Fatal(err)
	}
	body := []byte(url.Values{"payload": {string(raw)}}.Encode())
	if status, said := i.target.do(signed(i, i.target.url, "application/x-www-form-urlencoded", body)); status != http.StatusOK {
		i.Fatalf("the forged click was answered %d %s", status, said)
	}
}

// ends waits until the asker reads how a question has ended.
func (i *interview) ends(id, status, choice string) {
	i.Helper()
	var got interviewed
	i.asker.tool("slack_ask", map[string]any{"ask_id": id, "timeout_seconds": 60}, &got)
	if got.Status != status || got.Answer.Choice != choice || got.Answered != (status == "answered") {
		i.Errorf("the asker hears %+v, want %s %q", got, status, choice)
	}
}

// told waits until a person has been told something.
func (i *interview) told(user, words string) {
	i.Helper()
	eventually(i, 30*time.Second, func() error {
		for _, e := range i.w.Ephemerals() {
			if e.User == user && strings.Contains(e.Text, words) {
				return nil
			}
		}
		return fmt.Errorf("%s was not told %q: %+v", user, words, i.w.Ephemerals())
	})
}

// refused calls a tool that must fail, and returns its words.
func (s *session) refused(tool string, args map[string]any) string {
	s.t.Helper()
	var result struct {
		IsError bool `json:"isError"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(s.call("tools/call", map[string]any{"name": tool, "arguments": args}), &result); err != nil {
		s.t.Fatal(err)
	}
	if !result.IsError || len(result.Content) == 0 {
		s.t.Fatalf("%s succeeded", tool)
	}
	return result.Content[0].Text
}

// open requires that a question still waits.
func (i *interview) open(id string) {
	i.Helper()
	var got interviewed
	i.asker.tool("slack_ask", map[string]any{"ask_id": id, "timeout_seconds": 0}, &got)
	if got.Status != "open" {
		i.Errorf("the question is %+v, want it open", got)
	}
}

// blocks are those of a message, as it is now.
func (i *interview) blocks(ts string) string {
	i.Helper()
	page, err := i.slack.History(i.Context(), slackapi.HistoryQuery{Channel: sandbox.General, Oldest: ts, Latest: ts, Inclusive: true})
	if err != nil || len(page.Messages) != 1 {
		i.Fatalf("read the message: %v, %+v", err, page.Messages)
	}
	return string(page.Messages[0].Blocks)
}

// rewrite changes a message with the bot's own token, past this program.
func (i *interview) rewrite(ts, blocks string) {
	i.Helper()
	if _, err := i.slack.UpdateMessage(i.Context(), slackapi.Update{Channel: sandbox.General, TS: ts, Text: "?", Blocks: json.RawMessage(blocks), Question: true}); err != nil {
		i.Fatal(err)
	}
}

func (i *interview) attacks() {
	i.Helper()
	q := i.ask(map[string]any{"who": []string{"@alice"}})
	relabelled := strings.NewReplacer(`"Approve"`, `"Deny"`, `"Deny"`, `"Approve"`).Replace(i.blocks(q.TS))
	for tool, args := range map[string]map[string]any{
		"slack_update_message": {"channel": "#general", "ts": q.TS, "text": "Deploy?", "blocks": json.RawMessage(relabelled)},
		"slack_delete_message": {"channel": "#general", "ts": q.TS},
		"slack_post_message":   {"channel": "#general", "text": "Deploy?", "blocks": json.RawMessage(relabelled)},
		"slack_ask":            {"ask_id": q.AskID},
	} {
		if words := i.another.refused(tool, args); !strings.Contains(words, "question") {
			i.Errorf("another principal calls %s: %q", tool, words)
		}
	}
	same := map[string]any{"channel": "#general", "question": "Once?", "choices": []string{"Yes"}, "timeout_seconds": 0, "idempotency_key": "k"}
	var mine, again, theirs interviewed
	i.asker.tool("slack_ask", same, &mine)
	i.asker.tool("slack_ask", same, &again)
	i.another.tool("slack_ask", same, &theirs)
	if mine.AskID != again.AskID || theirs.AskID == mine.AskID {
		i.Errorf("one key of two principals asked %q, %q and %q", mine.AskID, again.AskID, theirs.AskID)
	}
	i.click("carla", q.TS, "Approve")
	i.told(sandbox.Carla, sandbox.Alice)
	i.open(q.AskID)
	i.rewrite(q.TS, relabelled)
	// What she reads as Deny has the value of Approve. The server may take the buttons away before she clicks.
	if _, err := i.w.Click(i.Context(), "alice", sandbox.General, q.TS, "Deny"); err == nil {
		i.told(sandbox.Alice, "changed")
	}
	i.ends(q.AskID, "altered", "")
	settled(i.T, i.w, q.TS)

	type object = map[string]any
	for name, change := range map[string]func(p object){
		"a forged value": func(p object) { action := p["actions"].([]any)[0].(object); action["value"] = q.AskID + ".0" },
		"a replay elsewhere": func(p object) {
			p["channel"] = object{"id": sandbox.Random}
			p["container"].(object)["channel_id"] = sandbox.Random
		},
		"another app": func(p object) { p["api_app_id"] = "A0OTHER0001" },
	} {
		q = i.ask(nil)
		i.click(sandbox.BotUser, q.TS, "Deny") // a bot's click, from which the forged one is made
		i.told(sandbox.BotUser, "bots")
		i.open(q.AskID)
		i.forge(func(p object) {
			p["user"] = object{"id": sandbox.Alice, "team_id": "T0LANTERN01"}
			change(p)
		})
		i.Logf("%s", name)
		i.ends(q.AskID, "altered", "")
	}

	q = i.ask(nil)
	if err := i.slack.DeleteMessage(i.Context(), sandbox.General, q.TS); err != nil {
		i.Fatal(err)
	}
	i.ends(q.AskID, "withdrawn", "")
	q = i.ask(map[string]any{"expires_in": "1s"})
	i.ends(q.AskID, "expired", "")
	q = i.ask(nil)
	i.asker.tool("slack_delete_message", map[string]any{"channel": "#general", "ts": q.TS}, &struct{}{})
	i.ends(q.AskID, "withdrawn", "")

	old, err := i.slack.PostMessage(i.Context(), slackapi.Post{Channel: sandbox.General, Text: "?", Question: true, Blocks: json.RawMessage(
		`[{"type":"actions","block_id":"slack_ask","elements":[{"type":"button","action_id":"slack_ask:0","value":"{\"choice\":\"Old\"}","text":{"type":"plain_text","text":"Old"}}]}]`)})
	if err != nil {
		i.Fatal(err)
	}
	i.click("bob", old.TS, "Old")
	i.told(sandbox.Bob, "earlier version")

	q = i.ask(nil)
	i.click("alice", q.TS, "Deny")
	i.ends(q.AskID, "answered", "Deny")
	i.forge(func(p object) { p["user"] = object{"id": sandbox.Bob, "team_id": "T0LANTERN01"} }) // a click that comes later
	i.told(sandbox.Alice, "answered already")                                                   // the forged click answers to her
	i.ends(q.AskID, "answered", "Deny")

	// A click that comes before Slack has answered the post.
	l := &latePost{posted: make(chan struct{}), answer: make(chan struct{})}
	i.late.Store(l)
	asked := make(chan interviewed, 1)
	go func() { asked <- i.ask(nil) }()
	<-l.posted
	i.click("alice", "", "Deny") // in the newest message
	<-time.After(time.Second)    // so that the click is being handled
	close(l.answer)
	i.ends((<-asked).AskID, "answered", "Deny")
}

// TestOnlyWhoIsAskedAnswers plays the ways in which an answer could be another's than that of
// the person who was asked, against one server and against two that share a database.
func TestOnlyWhoIsAskedAnswers(t *testing.T) {
	t.Parallel()
	t.Run("sqlite, restarted between question and click", func(t *testing.T) {
		t.Parallel()
		o := options{data: t.TempDir(), port: freePort(t)}
		i, servers := newInterview(t, o, 1)
		i.attacks()
		q, gone := i.ask(nil), i.ask(map[string]any{"expires_in": "1s"})
		servers[0].kill()
		o.args, o.env = []string{"--integrated", "--toolsets", "all", "--mcp-transport", "streamable-http"}, append(i.w.env(), "MCP_TOKENS=another:read+events+write:"+anotherToken)
		p := start(t, o)
		i.send(p)
		i.asker = connect(t, p)
		i.click("alice", q.TS, "Deny")
		<-time.After(time.Second) // so that it surely has expired
		i.click("alice", gone.TS, "Deny")
		i.ends(q.AskID, "answered", "Deny")
		i.ends(gone.AskID, "expired", "")
	})
	for _, backend := range []string{"redis", "nats"} {
		t.Run("two replicas on "+backend, func(t *testing.T) {
			t.Parallel()
			i, servers := newInterview(t, options{env: backendEnv(t, backend)}, 2)
			i.attacks()
			q := i.ask(nil)
			var clicks sync.WaitGroup
			for n, person := range []string{"alice", "bob", "carla", "alice"} {
				i.send(servers[n%2])
				clicks.Go(func() { i.click(person, q.TS, []string{"Approve", "Deny"}[n%2]) })
			}
			clicks.Wait()
			var one, two interviewed
			connect(t, servers[0]).tool("slack_ask", map[string]any{"ask_id": q.AskID, "timeout_seconds": 60}, &one)
			connect(t, servers[1]).tool("slack_ask", map[string]any{"ask_id": q.AskID, "timeout_seconds": 60}, &two)
			if !one.Answered || one.Answer != two.Answer {
				t.Errorf("the replicas say %+v and %+v", one, two)
			}
		})
	}
}
