package tools_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/ask"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
	"slackmcp/webhook/event"
)

type asked struct {
	AskID    string `json:"ask_id"`
	Status   string `json:"status"`
	Answered bool   `json:"answered"`
	TimedOut bool   `json:"timed_out"`
	TS       string `json:"ts"`
	Channel  string `json:"channel"`
	Note     string `json:"note"`
	Answer   struct {
		Choice string `json:"choice"`
		User   string `json:"user"`
		Person struct {
			Name string `json:"name"`
		} `json:"person"`
	} `json:"answer"`
}

// newAskRig is a rig whose workspace posts what people click, which then stands in the
// log of events.
func newAskRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		env, err := event.DecodeSlack(body, event.Form)
		if err != nil {
			t.Error(err)
		}
		r.events.Append(env.Event)
	}))
	t.Cleanup(srv.Close)
	r.slack.SetInteractivityURL(srv.URL)
	return r
}

func (r *rig) click(person, ts, button string) {
	r.t.Helper()
	if _, err := r.slack.Click(r.t.Context(), person, sandbox.General, ts, button); err != nil {
		r.t.Fatalf("%s clicks %s: %v", person, button, err)
	}
}

// settleAll handles every event, the oldest first.
func (r *rig) settleAll() {
	r.t.Helper()
	page, err := r.events.Page(event.Query{Limit: 100, Order: event.OldestFirst})
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range page.Events {
		if err := r.asks.Settle(r.t.Context(), &page.Events[i]); err != nil {
			r.t.Fatal(err)
		}
	}
}

// settle handles the newest event as the server's consumer does.
func (r *rig) settle() {
	r.t.Helper()
	page, err := r.events.Page(event.Query{Limit: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.asks.Settle(r.t.Context(), &page.Events[0]); err != nil {
		r.t.Fatal(err)
	}
}

func TestAskReturnsWhoClickedWhat(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	type reply struct {
		raw json.RawMessage
		err error
	}
	answered := make(chan reply, 1)
	go func() {
		tool := r.tools["slack_ask"]
		raw, err := tool.Run(t.Context(), &toolset.Call{Tool: "slack_ask", Principal: tester, Progress: func(float64, float64, string) {}},
			[]byte(`{"channel":"#general","question":"Ship <it>?","choices":["Yes","No"],"who":"@bob","timeout_seconds":120}`))
		answered <- reply{raw.Structured, err}
	}()
	ts := ""
	for deadline := time.Now().Add(time.Minute); ts == "" && time.Now().Before(deadline); <-time.After(time.Millisecond) {
		var page messages
		r.call("slack_read_channel_messages", a{"channel": "#general", "limit": 1}, &page)
		if len(page.Messages) == 1 && strings.Contains(page.Messages[0].Text, "Ship") {
			ts = page.Messages[0].TS
		}
	}
	r.click("carla", ts, "No") // is not asked
	r.settle()
	r.click("bob", ts, "Yes")
	r.settle()
	got := <-answered
	var out asked
	if got.err != nil || json.Unmarshal(got.raw, &out) != nil {
		t.Fatal(got.err)
	}
	if !out.Answered || out.TimedOut || out.Answer.Choice != "Yes" || out.Answer.User != sandbox.Bob || out.Answer.Person.Name != "bob" {
		t.Errorf("returned %s", got.raw)
	}
	if _, err := r.slack.Click(t.Context(), "bob", sandbox.General, ts, "No"); err == nil {
		t.Error("the answered question can be clicked again")
	}
	var page messages
	r.call("slack_read_channel_messages", a{"channel": "#general", "limit": 1, "response_format": "detailed"}, &page)
	if text := page.Messages[0].Text; !strings.Contains(text, "Yes") || !strings.Contains(text, "answered by @bob") {
		t.Errorf("the message says %q, want the question with its answer", text)
	}
	told := r.slack.Ephemerals()
	if len(told) != 1 || told[0].User != sandbox.Carla || !strings.Contains(told[0].Text, sandbox.Bob) {
		t.Errorf("told %+v, want Carla to learn that Bob is asked", told)
	}
}

func TestAnAnswerBeforeTheWaitIsNotLost(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	question := a{"channel": "#general", "question": "Red or blue?", "choices": []string{"Red", "Blue"}, "timeout_seconds": 0, "idempotency_key": "k1"}
	var first, again asked
	r.call("slack_ask", question, &first)
	if !first.TimedOut || first.AskID == "" || !strings.Contains(first.Note, "ask_id") {
		t.Fatalf("asked without waiting: %+v", first)
	}
	r.call("slack_ask", question, &again)
	if again.AskID != first.AskID {
		t.Errorf("the repeated key asked again: %q, then %q", first.AskID, again.AskID)
	}
	r.click("alice", first.TS, "Blue")
	r.click("bob", first.TS, "Red") // too late, and the message does not show it yet
	r.settleAll()
	var out asked
	for range 2 {
		r.call("slack_ask", a{"ask_id": first.AskID}, &out)
		if !out.Answered || out.Status != "answered" || out.Answer.Choice != "Blue" || out.Answer.User != sandbox.Alice {
			t.Errorf("resumed: %+v, want the first click", out)
		}
	}
	if told := r.slack.Ephemerals(); len(told) != 1 || told[0].User != sandbox.Bob || !strings.Contains(told[0].Text, "Blue") {
		t.Errorf("told %+v, want Bob to learn that Alice was first", told)
	}
}

func TestAskRefuses(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	for want, args := range map[string]a{
		"invalid argument channel":    {"question": "?", "choices": []string{"a"}},
		"invalid argument question":   {"channel": "#general", "choices": []string{"a"}},
		"invalid argument choices: i": {"channel": "#general", "question": "?"},
		"invalid argument choices: e": {"channel": "#general", "question": "?", "choices": []string{strings.Repeat("x", 76)}},
		"invalid argument choices: t": {"channel": "#general", "question": "?", "choices": []string{"a", " a "}},
		"invalid argument ask_id":     {"ask_id": "C1:1.2"},
		"invalid argument timeout":    {"channel": "#general", "question": "?", "choices": []string{"a"}, "timeout_seconds": 301},
		"user_not_found":              {"channel": "#general", "question": "?", "choices": []string{"a"}, "who": []string{"@nobody"}},
	} {
		r.refuses("slack_ask", args, want)
	}
	var dry struct {
		Requests []struct {
			Method string `json:"method"`
		} `json:"requests"`
		AskID string `json:"ask_id"`
	}
	r.call("slack_ask", a{"channel": "#general", "question": "<!here> ?", "choices": []string{"a"}, "dry_run": true}, &dry)
	if len(dry.Requests) != 1 || dry.Requests[0].Method != "chat.postMessage" || dry.AskID != "" {
		t.Errorf("rehearsed %+v", dry)
	}
	var out asked
	r.call("slack_ask", a{"channel": "#general", "question": "<!here> ?", "choices": []string{"a"}, "timeout_seconds": 0}, &out)
	if !strings.Contains(out.Note, "Mass mentions") {
		t.Errorf("the note is %q", out.Note)
	}
}

func TestQuestionsOfAnotherStoreAreNotChanged(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	other, err := ask.New(ask.Options{State: store.State(), Slack: r.client, Self: r.names.Self})
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range []string{"", r.post()} {
		q := ask.Question{Channel: sandbox.General, ThreadTS: thread, Text: "May *rm* be used?", Choices: []string{"Allow", "Deny"}}
		row, post, err := other.Open(t.Context(), "", q, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := r.client.PostMessage(t.Context(), post)
		if err != nil {
			t.Fatal(err)
		}
		at := a{"channel": sent.Channel, "ts": sent.TS}
		r.refuses("slack_delete_message", at, "is_a_question") // also before it is known where it stands
		if row, err = other.Posted(t.Context(), row, sent, nil); err != nil {
			t.Fatal(err)
		}
		r.refuses("slack_delete_message", at, "is_a_question")
		r.refuses("slack_update_message", a{"channel": sent.Channel, "ts": sent.TS, "text": "May *ls* be used?"}, "is_a_question")
		if err := other.Withdraw(t.Context(), row.ID); err != nil {
			t.Fatal(err)
		}
		r.call("slack_delete_message", at, nil)
	}
}

func TestAskTakesNoNamesThatUsersChoose(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	id, err := r.slack.AddUser("mallory", "Grace Hopper")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.slack.ChangeUser("mallory", "Grace Hopper", "The CTO", ""); err != nil {
		t.Fatal(err)
	}
	question := a{"channel": "#general", "question": "?", "choices": []string{"a"}, "timeout_seconds": 0}
	for _, name := range []string{"Grace Hopper", "@Grace Hopper", "The CTO"} {
		question["who"] = []string{name}
		r.refuses("slack_ask", question, "ambiguous_user")
		if got := r.fails("slack_ask", question); !strings.Contains(got, id) {
			t.Errorf("%s does not name the id of the user who has the name", got)
		}
	}
	for _, name := range []string{id, "@Mallory", "<@" + id + ">"} {
		question["who"] = []string{name}
		r.call("slack_ask", question, nil)
	}
}

func TestSettleLeavesOtherEventsAlone(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	for _, raw := range []string{
		`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"other","value":"{}"}]}`,
		`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"slack_ask:0","value":"no JSON"}]}`,
		`{"type":"block_actions","actions":[]}`, `{"type":"message"}`, `{"type":"block_actions","actions":7}`,
	} {
		env, err := event.DecodeSlack([]byte(raw), event.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.asks.Settle(context.Background(), &env.Event); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestQuestionsAreNotChanged(t *testing.T) {
	t.Parallel()
	r := newAskRig(t)
	question := a{"channel": "#general", "question": "Ship it?", "choices": []string{"Yes", "No"}, "timeout_seconds": 0}
	var first, out asked
	r.call("slack_ask", question, &first)
	at := a{"channel": first.Channel, "ts": first.TS}
	r.refuses("slack_update_message", a{"channel": first.Channel, "ts": first.TS, "text": "Lunch?"}, "is_a_question")
	for _, blocks := range []string{
		`[{"type":"actions","block_id":"slack_ask","elements":[{"type":"button","action_id":"x","text":{"type":"plain_text","text":"Yes"}}]}]`,
		`[{"type":"actions","elements":[{"type":"button","action_id":"slack_ask:0","value":"` + first.AskID + `.0","text":{"type":"plain_text","text":"Yes"}}]}]`,
	} {
		for tool, args := range map[string]a{
			"slack_post_message":     {"channel": "#general", "text": "?"},
			"slack_post_ephemeral":   {"channel": "#general", "user": "@bob", "text": "?"},
			"slack_schedule_message": {"channel": "#general", "text": "?", "post_at": "1h"},
			"slack_update_message":   {"channel": "#general", "ts": r.post(), "text": "?"},
		} {
			args["blocks"] = json.RawMessage(blocks)
			r.refuses(tool, args, "reserved_id")
			args["dry_run"] = true
			r.refuses(tool, args, "reserved_id")
		}
	}
	for name, p := range map[string]*access.Principal{
		"another principal":             {Name: "another", Scopes: tester.Scopes},
		"one of the name, of a machine": {Name: tester.Name, Home: "501@laptop", Scopes: tester.Scopes},
	} {
		another := &toolset.Call{Principal: p, Progress: func(float64, float64, string) {}}
		if _, err := r.tryWith(t.Context(), another, "slack_delete_message", at); err == nil || !strings.HasPrefix(toolsFault(err), "is_a_question") {
			t.Errorf("%s deletes the question: %v", name, err)
		}
		if _, err := r.tryWith(t.Context(), another, "slack_ask", a{"ask_id": first.AskID, "timeout_seconds": 0}); err == nil || !strings.Contains(toolsFault(err), "start again") {
			t.Errorf("%s waits for the answer: %v", name, err)
		}
	}
	r.call("slack_ask", a{"ask_id": first.AskID, "timeout_seconds": 0}, &out)
	if out.Status != "open" {
		t.Errorf("the question is %+v", out)
	}
	r.call("slack_delete_message", at, nil)
	r.call("slack_ask", a{"ask_id": first.AskID}, &out)
	if out.Status != "withdrawn" || out.Answered || out.TimedOut || !strings.Contains(out.Note, "Nobody has answered") {
		t.Errorf("the question is %+v", out)
	}
}

// post posts a message of the bot's and returns its ts.
func (r *rig) post() string {
	r.t.Helper()
	var out struct {
		TS string `json:"ts"`
	}
	r.call("slack_post_message", a{"channel": "#general", "text": "hello"}, &out)
	return out.TS
}
