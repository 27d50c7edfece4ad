package ask_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/ask"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
	"slackmcp/webhook/event"
)

// A rig is a workspace, and the questions that are asked in it.
type rig struct {
	t     *testing.T
	slack *sandbox.Sandbox
	api   *client
	asks  *ask.Questions

	mu     sync.Mutex
	events []event.Event // that the workspace sent, the oldest first
}

// A client is the bot's, with users that the workspace need not have.
type client struct {
	*slackapi.Client
	users map[string]slackapi.User
}

func (c *client) UserInfo(ctx context.Context, id string) (slackapi.User, error) {
	if u, ok := c.users[id]; ok {
		return u, nil
	}
	return c.Client.UserInfo(ctx, id)
}

const principal = "asker"

// pose asks a question as the tool does.
func pose(ctx context.Context, q *ask.Questions, slack interface {
	PostMessage(ctx context.Context, p slackapi.Post) (slackapi.Posted, error)
}, question ask.Question, open time.Duration,
) (ask.Row, error) {
	row, post, err := q.Open(ctx, principal, question, open)
	if err != nil {
		return row, err
	}
	posted, err := slack.PostMessage(ctx, post)
	return q.Posted(ctx, row, posted, err)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	var err error
	if r.slack, err = sandbox.New(sandbox.Options{}); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(r.slack.Handler())
	t.Cleanup(api.Close)
	if err := r.slack.SetBaseURL(api.URL); err != nil {
		t.Fatal(err)
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		encoding := event.JSON
		if strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			encoding = event.Form
		}
		r.append(body, encoding)
	}))
	t.Cleanup(receiver.Close)
	r.slack.SetInteractivityURL(receiver.URL)
	c, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, URL: r.slack.APIURL(), Pace: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	r.api = &client{Client: c, users: map[string]slackapi.User{}}
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if r.asks, err = ask.New(ask.Options{State: store.State(), Slack: r.api, Self: c.AuthTest}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) append(body []byte, encoding event.Encoding) {
	env, err := event.DecodeSlack(body, encoding)
	if err != nil {
		r.t.Error(err)
	}
	env.ReceivedAt = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, env.Event)
}

// last is the newest event.
func (r *rig) last() *event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return new(r.events[len(r.events)-1])
}

func (r *rig) ask(q ask.Question) ask.Row {
	r.t.Helper()
	if q.Channel == "" {
		q.Channel = sandbox.General
	}
	if q.Text == "" {
		q.Text = "Deploy *now*?"
	}
	if q.Choices == nil {
		q.Choices = []string{"Approve", "Deny"}
	}
	row, err := pose(r.t.Context(), r.asks, r.api, q, time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return row
}

// press lets a person press a button and returns what Slack sends.
func (r *rig) press(row ask.Row, person, button string) *event.Event {
	r.t.Helper()
	if _, err := r.slack.Click(r.t.Context(), person, row.Channel, row.TS, button); err != nil {
		r.t.Fatal(err)
	}
	return r.last()
}

func (r *rig) settle(e *event.Event) {
	r.t.Helper()
	if err := r.asks.Settle(r.t.Context(), e); err != nil {
		r.t.Fatal(err)
	}
}

// is reads a question and compares what has become of it.
func (r *rig) is(row ask.Row, status ask.Status, choice, user string) {
	r.t.Helper()
	got, err := r.asks.ReadAs(r.t.Context(), principal, row.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	who := ""
	if got.Answer != nil {
		who = got.Answer.User
	}
	if got.Status != status || got.Choice() != choice || who != user {
		r.t.Errorf("the question is %s with %q by %q, want %s with %q by %q", got.Status, got.Choice(), who, status, choice, user)
	}
}

// told returns what the person who clicked last was told, since the last call.
func (r *rig) told(before int) string {
	r.t.Helper()
	all := r.slack.Ephemerals()
	if len(all) != before+1 {
		r.t.Fatalf("%d messages for one person, want %d: %+v", len(all), before+1, all)
	}
	return all[before].Text
}

// message reads the message of a question; nil when it is gone.
func (r *rig) message(row ask.Row) *slackapi.Message {
	r.t.Helper()
	page, err := r.api.History(r.t.Context(), slackapi.HistoryQuery{Channel: row.Channel, Oldest: row.TS, Latest: row.TS, Inclusive: true})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(page.Messages) == 0 {
		return nil
	}
	return &page.Messages[0]
}

// forged changes the payload of a click.
func (r *rig) forged(e *event.Event, change func(payload map[string]any)) *event.Event {
	r.t.Helper()
	form, err := url.ParseQuery(string(e.Raw))
	if err != nil {
		r.t.Fatal(err)
	}
	var payload map[string]any
	if err := json.Unmarshal([]byte(form.Get("payload")), &payload); err != nil {
		r.t.Fatal(err)
	}
	change(payload)
	raw, err := json.Marshal(payload)
	if err != nil {
		r.t.Fatal(err)
	}
	r.append([]byte(url.Values{"payload": {string(raw)}}.Encode()), event.Form)
	return r.last()
}

func TestTheFirstClickThatCountsIsTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	row := r.ask(ask.Question{Who: []string{sandbox.Alice, sandbox.Bob}})
	carla, alice, bob := r.press(row, "carla", "Approve"), r.press(row, "alice", "Deny"), r.press(row, "bob", "Approve")
	r.settle(carla)
	r.is(row, ask.Open, "", "")
	if said := r.told(0); !strings.Contains(said, sandbox.Alice) {
		t.Errorf("Carla is told %q", said)
	}
	r.settle(alice)
	r.settle(bob)
	r.settle(alice)
	r.is(row, ask.Answered, "Deny", sandbox.Alice)
	if said := r.told(1); !strings.Contains(said, "Deny") || !strings.Contains(said, sandbox.Alice) {
		t.Errorf("Bob is told %q", said)
	}
	m := r.message(row)
	if strings.Contains(string(m.Blocks), `"button"`) || !strings.Contains(m.Text, "Deny") {
		t.Errorf("the message shows %s", m.Blocks)
	}
	if strings.Count(string(m.Blocks), `"verbatim":true`) != 2 {
		t.Errorf("Slack may make links in what the message shows: %s", m.Blocks)
	}
}

func TestAClickInAChangedMessageIsNoAnswer(t *testing.T) {
	t.Parallel()
	replace := func(pairs ...string) func(blocks string) slackapi.Update {
		return func(blocks string) slackapi.Update {
			return slackapi.Update{Blocks: json.RawMessage(strings.NewReplacer(pairs...).Replace(blocks))}
		}
	}
	for name, change := range map[string]func(blocks string) slackapi.Update{
		"labels turned round": replace(`"Approve"`, `"Deny"`, `"Deny"`, `"Approve"`),
		"values turned round": replace(`.0"`, `.1"`, `.1"`, `.0"`),
		"another question":    replace("Deploy *now*?", "Lunch?"),
		"a block before": func(blocks string) slackapi.Update {
			return slackapi.Update{Blocks: json.RawMessage(`[{"type":"section","text":{"type":"mrkdwn","text":"Read it the other way round:"}},` + blocks[1:])}
		},
		"a confirmation":      replace(`"style":"primary"`, ``, `"type":"button"`, `"type":"button","confirm":{"title":{"type":"plain_text","text":"?"},"text":{"type":"plain_text","text":"?"},"confirm":{"type":"plain_text","text":"a"},"deny":{"type":"plain_text","text":"b"}}`),
		"a link on a button":  replace(`"type":"button"`, `"type":"button","url":"https://example.com"`),
		"a style":             replace(`"type":"button"`, `"type":"button","style":"danger"`),
		"a field":             replace(`"type":"section"`, `"type":"section","fields":[{"type":"mrkdwn","text":"Deny means yes"}]`),
		"a mention as markup": replace("Deploy *now*?", "Deploy *now*? <@U0ALICE0001>"),
		"the same once more":  replace(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			row := r.ask(ask.Question{})
			u := change(string(r.message(row).Blocks))
			u.Channel, u.TS, u.Text, u.Question = row.Channel, row.TS, "?", true
			if _, err := r.api.UpdateMessage(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			if _, err := r.slack.Click(t.Context(), "alice", row.Channel, row.TS, "Deny"); err != nil {
				t.Fatal(err)
			}
			r.settle(r.last())
			r.is(row, ask.Altered, "", "")
			if said := r.told(0); !strings.Contains(said, "changed") {
				t.Errorf("Alice is told %q", said)
			}
			if m := r.message(row); strings.Contains(string(m.Blocks), `"button"`) || !strings.Contains(m.Text, "Deploy *now*?") {
				t.Errorf("the message shows %s", m.Blocks)
			}
		})
	}
}

func TestAForgedClickIsNoAnswer(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	within := func(v any, name string) object { return v.(object)[name].(object) }
	action := func(p object) object { return p["actions"].([]any)[0].(object) }
	blocks := func(p object) []any { return within(p, "message")["blocks"].([]any) }
	label := func(p object) object {
		return blocks(p)[1].(object)["elements"].([]any)[1].(object)["text"].(object)
	}
	for name, tc := range map[string]struct {
		change func(object)
		status ask.Status
	}{
		"another choice's value": {func(p object) { action(p)["value"] = strings.Replace(action(p)["value"].(string), ".1", ".0", 1) }, ask.Altered},
		"no choice's value":      {func(p object) { action(p)["value"] = strings.Replace(action(p)["value"].(string), ".1", ".7", 1) }, ask.Altered},
		"another action":         {func(p object) { action(p)["action_id"] = "slack_ask:0" }, ask.Altered},
		"another block":          {func(p object) { action(p)["block_id"] = "b" }, ask.Altered},
		"two actions":            {func(p object) { p["actions"] = append(p["actions"].([]any), action(p)) }, ask.Altered},
		"replayed elsewhere": {func(p object) {
			within(p, "channel")["id"], within(p, "container")["channel_id"] = sandbox.Random, sandbox.Random
		}, ask.Altered},
		"one of two channels":     {func(p object) { within(p, "container")["channel_id"] = sandbox.Random }, ask.Altered},
		"another message":         {func(p object) { within(p, "container")["message_ts"] = "1700000000.000001" }, ask.Altered},
		"another message's words": {func(p object) { within(p, "message")["ts"] = "1700000000.000001" }, ask.Altered},
		"an ephemeral copy":       {func(p object) { within(p, "container")["is_ephemeral"] = true }, ask.Altered},
		"without the message":     {func(p object) { delete(p, "message") }, ask.Altered},
		"with other labels":       {func(p object) { label(p)["text"] = "Deny!" }, ask.Altered},
		"with another question":   {func(p object) { blocks(p)[0].(object)["text"].(object)["text"] = "Lunch?" }, ask.Altered},
		"with a block less":       {func(p object) { within(p, "message")["blocks"] = blocks(p)[1:] }, ask.Altered},
		"edited and put back":     {func(p object) { within(p, "message")["edited"] = object{"user": "U1", "ts": "1.1"} }, ask.Altered},
		"with attachments":        {func(p object) { within(p, "message")["attachments"] = []any{object{"text": "Deny is yes"}} }, ask.Altered},
		"with files":              {func(p object) { within(p, "message")["files"] = []any{object{"id": "F1"}} }, ask.Altered},
		"of another app":          {func(p object) { p["api_app_id"] = "A0OTHER" }, ask.Altered},
		"of another workspace":    {func(p object) { within(p, "team")["id"] = "T0OTHER" }, ask.Open},
		"without a workspace":     {func(p object) { p["team"] = nil }, ask.Open},
		"of an earlier build":     {func(p object) { action(p)["value"] = `{"choice":"Approve"}` }, ask.Open},
		"of an unknown question":  {func(p object) { action(p)["value"] = strings.Repeat("a", 32) + ".0" }, ask.Open},
		"of another id's form":    {func(p object) { action(p)["value"] = strings.ToUpper(action(p)["value"].(string)) + ".00" }, ask.Open},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			row := r.ask(ask.Question{})
			r.settle(r.forged(r.press(row, "alice", "Deny"), tc.change))
			r.is(row, tc.status, "", "")
			if said := r.told(0); said == "" {
				t.Error("Alice is told nothing")
			}
		})
	}
}

func TestOnlyPeopleWhoAreAskedAnswer(t *testing.T) { //nolint:tparallel // the cases share a workspace
	t.Parallel()
	r := newRig(t)
	self, err := r.api.AuthTest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	enterprise := slackapi.User{TeamID: "T0SISTER", Name: "sister"}
	enterprise.EnterpriseUser.EnterpriseID = "E0OURS"
	for name, tc := range map[string]struct {
		user   slackapi.User
		named  bool
		counts bool
	}{
		"a member":              {slackapi.User{TeamID: self.TeamID}, false, true},
		"a guest":               {slackapi.User{TeamID: self.TeamID, IsRestricted: true}, false, false},
		"a guest of a channel":  {slackapi.User{TeamID: self.TeamID, IsUltraRestricted: true}, false, false},
		"another organisation":  {slackapi.User{TeamID: "T0OTHER"}, false, false},
		"is_stranger":           {slackapi.User{TeamID: self.TeamID, IsStranger: true}, false, false},
		"no workspace":          {slackapi.User{}, false, false},
		"another enterprise":    {enterprise, false, false},
		"a bot":                 {slackapi.User{TeamID: self.TeamID, IsBot: true}, false, false},
		"a deleted account":     {slackapi.User{TeamID: self.TeamID, Deleted: true}, false, false},
		"a named guest":         {slackapi.User{TeamID: self.TeamID, IsRestricted: true}, true, true},
		"a named bot":           {slackapi.User{TeamID: self.TeamID, IsBot: true}, true, false},
		"a named, deleted user": {slackapi.User{TeamID: self.TeamID, Deleted: true}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := ask.Question{}
			if tc.named {
				q.Who = []string{"U0SOMEONE"}
			}
			tc.user.ID = "U0SOMEONE"
			r.api.users["U0SOMEONE"] = tc.user
			row, before := r.ask(q), len(r.slack.Ephemerals())
			r.settle(r.forged(r.press(row, "alice", "Approve"), func(p map[string]any) { p["user"].(map[string]any)["id"] = "U0SOMEONE" }))
			if tc.counts {
				r.is(row, ask.Answered, "Approve", "U0SOMEONE")
				return
			}
			r.is(row, ask.Open, "", "")
			if said := r.told(before); said == "" {
				t.Error("they are told nothing")
			}
		})
	}
	row, before := r.ask(ask.Question{}), len(r.slack.Ephemerals())
	r.settle(r.forged(r.press(row, "alice", "Approve"), func(p map[string]any) { p["user"].(map[string]any)["id"] = "U0NOBODY99" }))
	r.is(row, ask.Open, "", "")
	if said := r.told(before); said == "" {
		t.Error("a user who does not exist is told nothing")
	}
}

func TestADeletedQuestionIsWithdrawn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	row, other := r.ask(ask.Question{}), r.ask(ask.Question{})
	gone := func(subtype, left string, of, shown ask.Row) {
		t.Helper()
		raw, err := json.Marshal(map[string]any{
			"type": "event_callback", "event_id": "Ev1", "team_id": "T0LANTERN01", "event": map[string]any{
				"type": "message", "subtype": subtype, "channel": of.Channel, "message": map[string]any{"subtype": left},
				"previous_message": map[string]any{"ts": of.TS, "blocks": r.message(shown).Blocks},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.append(raw, event.JSON)
		r.settle(r.last())
	}
	gone("message_deleted", "", other, row) // a copy of the first, somewhere else
	gone("message_changed", "", row, row)
	r.is(row, ask.Open, "", "")
	gone("message_deleted", "", row, row)
	r.is(row, ask.Withdrawn, "", "")
	gone("message_changed", "tombstone", other, other)
	r.is(other, ask.Withdrawn, "", "")
	r.settle(r.press(other, "alice", "Deny"))
	r.is(other, ask.Withdrawn, "", "")
	if said := r.told(0); !strings.Contains(said, "withdrawn") {
		t.Errorf("Alice is told %q", said)
	}
}

func TestAnExpiredQuestionHasNoAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	row, err := pose(t.Context(), r.asks, r.api, ask.Question{Channel: sandbox.General, Text: "Now?", Choices: []string{"Yes"}}, time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	click := r.press(row, "alice", "Yes")
	r.settle(click)
	r.is(row, ask.Expired, "", "")
	if said := r.told(0); !strings.Contains(said, "time") {
		t.Errorf("Alice is told %q", said)
	}
	if m := r.message(row); strings.Contains(string(m.Blocks), `"button"`) {
		t.Errorf("the message shows %s", m.Blocks)
	}
}

func TestAnotherPrincipalIsToldNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	row := r.ask(ask.Question{})
	r.settle(r.press(row, "alice", "Approve"))
	for _, id := range []string{row.ID, "", "x", strings.Repeat("0", 32), row.ID + "/..", "../" + row.ID} {
		for _, who := range []string{"another", ""} {
			if got, err := r.asks.ReadAs(t.Context(), who, id); err == nil {
				t.Errorf("%q reads %q: %+v", who, id, got)
			}
		}
	}
}

func TestWhatSlackRewritesIsNoChange(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	row := r.ask(ask.Question{
		Text:    "R&D <asks>: 1 < 2 & 3 > 2? 🚀 <https://example.com/?a=1&b=2|a link>, https://example.com/?c=3&d=4 <@U0ALICE0001>  \n ",
		Choices: []string{"Yes & no <b> 👍 ", "&amp; no"},
		Who:     []string{sandbox.Alice},
	})
	blocks := string(r.message(row).Blocks)
	for _, rewritten := range []string{":rocket:", ":+1:", `"verbatim":false`} {
		if !strings.Contains(blocks, rewritten) {
			t.Errorf("the workspace keeps %s, want %s in it", blocks, rewritten)
		}
	}
	if _, err := r.slack.Click(t.Context(), "alice", row.Channel, row.TS, "slack_ask:0"); err != nil {
		t.Fatal(err)
	}
	r.settle(r.last())
	r.is(row, ask.Answered, "Yes & no <b> 👍 ", sandbox.Alice)
}
