package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // where the machine has no zones

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

//go:generate go test -run ^TestTasks$ . -update

var update = flag.Bool("update", false, "write docs/tasks.md anew")

const tasksPage = "../../docs/tasks.md"

// The people and channels of testdata/tasks/workspace.json that the tasks name.
const (
	nora, tomas, priya, jonasWeber = "U0NORA00001", "U0TOMAS0001", "U0PRIYA0001", "U0JONASW001"

	harbourChannel, enginesChannel, supportChannel = "C0HARBOUR01", "C0ENGINES01", "C0SUPPORT01"
	crewChannel, vendorsChannel, jonasBauerChannel = "C0CREW00001", "C0VENDORS01", "D0JONASB001"
)

// A task is what people ask assistants to do in Slack.
type task struct {
	name string
	// calls is the most that it may take.
	calls int
	run   func(t *testing.T, a *assistant)
}

// tasks are done in this order in one workspace.
var tasks = []task{
	{"what did I miss in a channel since yesterday", 2, missedTask},
	{"who asked for the quarterly report, and was it answered", 2, reportTask},
	{"summarise a thread from its link", 1, threadTask},
	{"answer a mention in its thread", 2, mentionTask},
	{"find a decision by keyword across channels", 1, decisionTask},
	{"write to a person by display name", 1, personTask},
	{"open questions to me", 1, questionsTask},
	{"react to a message", 1, reactTask},
	{"schedule a post", 1, scheduleTask},
	{"upload and share a file", 1, uploadTask},
	{"wait for a person's reply to a question, and act on it", 3, waitTask},
	{"ask for approval with buttons", 1, approvalTask},
	{"find what a bot posted in blocks and attachments", 1, botTask},
	{"act safely beside a hostile message", 2, hostileTask},
}

// TestTasks does each task through the shipped binary with calls of tools alone. Each has one
// right answer, which must stand in what the calls returned or, of tasks that write, in
// Slack. docs/tasks.md has the number of calls.
func TestTasks(t *testing.T) {
	w := tasksWorkspace(t)
	env := append(w.env(), "SLACK_USER_TOKEN="+sandbox.DefaultUserToken)
	flags := []string{"--integrated", "--mcp-transport", "streamable-http"}
	offered := connect(t, start(t, options{args: flags, env: env})).toolNames()
	p := start(t, options{args: append(flags, "--toolsets", "default,ask", "--tools", "slack_schedule_message"), env: env})
	if err := w.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	w.SetInteractivityURL(p.url + "/slack/events")

	var table strings.Builder
	for _, task := range tasks {
		t.Run(task.name, func(t *testing.T) {
			a := &assistant{session: connect(t, p), slack: w}
			task.run(t, a)
			if len(a.called) > task.calls {
				t.Errorf("it took %d calls, %v; want at most %d", len(a.called), a.called, task.calls)
			}
			fmt.Fprintf(&table, "| %s | %d | %s |\n", task.name, len(a.called), toolList(a.called, offered))
		})
	}
	if t.Failed() {
		return
	}
	compareTasks(t, table.String())
}

// tasksWorkspace serves the workspace of the tasks.
func tasksWorkspace(t *testing.T) *workspace {
	t.Helper()
	data, err := os.ReadFile("testdata/tasks/workspace.json")
	if err != nil {
		t.Fatal(err)
	}
	file, err := sandbox.ParseWorkspace(data)
	if err != nil {
		t.Fatal(err)
	}
	return newWorkspace(t, sandbox.Options{Workspace: file})
}

// toolList names tools in the order of their calls; those that are not offered by default have a star.
func toolList(called, offered []string) string {
	var names []string
	for _, name := range called {
		mark := ""
		if !slices.Contains(offered, name) {
			mark = " *"
		}
		names = append(names, "`"+name+"`"+mark)
	}
	return strings.Join(names, ", ")
}

// compareTasks holds docs/tasks.md against the table, or writes it.
func compareTasks(t *testing.T, table string) {
	t.Helper()
	got := "# Tasks, and the calls that they take\n\n" +
		"What people ask assistants to do in Slack, done through the shipped binary in a workspace where each task has\n" +
		"one right answer. `go generate ./test/e2e` writes this page; the test behind it fails when the answer (who, when,\n" +
		"answered or not) does not stand in what the tools returned, or when a task takes more calls than here.\n\n" +
		"Settings: a bot token, a user token (of the person whom the assistant works for), and the tools that are\n" +
		"offered by default; those with a star come with `--toolsets default,ask --tools slack_schedule_message`.\n\n" +
		"| task | calls | tools, in this order |\n|---|---:|---|\n" + table + "\n" +
		"- What one missed in a channel names the threads that grew, new ones and older ones; each thread that one wants to\n" +
		"  read takes one call more. In the table one older thread is read.\n" +
		"- Slack's search does not say whether a message was answered: the second call reads the thread of the hit.\n" +
		"- The reply that is waited for comes before the wait begins, and is not missed: the wait begins at the cursor that\n" +
		"  the post returned. When nobody answers in time, each further wait is one call more; so it is with `slack_ask`.\n" +
		"- Where MCP Events or a channel of Claude Code hand the mention over, answering it takes one call.\n"
	if *update {
		if err := os.WriteFile(tasksPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(tasksPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("docs/tasks.md is stale: run go generate ./test/e2e; now it is\n%s", got)
	}
}

// An assistant is an MCP client that counts its calls.
type assistant struct {
	*session
	slack  *workspace
	called []string
}

// toolNames are the tools that the server offers.
func (s *session) toolNames() []string {
	s.t.Helper()
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(s.call("tools/list", map[string]any{}), &list); err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

// A told is a result as a model reads it, of any of the tools.
type told struct {
	Untrusted bool       `json:"untrusted"`
	TimeZone  string     `json:"time_zone"`
	Messages  []toldItem `json:"messages"`
	Events    []toldItem `json:"events"`
	Older     []struct {
		ThreadTS    string `json:"thread_ts"`
		LatestReply string `json:"latest_reply"`
		Time        string `json:"time"`
	} `json:"older_threads"`
	Channel   string `json:"channel"`
	TS        string `json:"ts"`
	Permalink string `json:"permalink"`
	Cursor    string `json:"cursor"`
	Scheduled string `json:"scheduled_message_id"`
	Status    string `json:"status"`
	Answer    struct {
		Choice string `json:"choice"`
		User   string `json:"user"`
		Person struct {
			DisplayName string `json:"display_name"`
		} `json:"person"`
	} `json:"answer"`
	text string
}

// A toldItem is a message or an event of a result.
type toldItem struct {
	EventID     string          `json:"event_id"`
	TS          string          `json:"ts"`
	Time        string          `json:"time"`
	Channel     string          `json:"channel"`
	ChannelName string          `json:"channel_name"`
	User        string          `json:"user"`
	UserName    string          `json:"user_name"`
	Text        string          `json:"text"`
	Permalink   string          `json:"permalink"`
	ReplyCount  int             `json:"reply_count"`
	Provenance  json.RawMessage `json:"provenance"`
}

// do calls a tool and reads the text of its result. A result that is an error ends the test.
func (a *assistant) do(tool string, args map[string]any) told {
	a.t.Helper()
	a.called = append(a.called, tool)
	got, failed := a.ask(tool, args)
	if failed {
		a.t.Fatalf("%s: %s", tool, got.text)
	}
	if err := json.Unmarshal([]byte(got.text), &got); err != nil {
		a.t.Fatalf("%s: %v in %s", tool, err, got.text)
	}
	return got
}

// ask calls a tool without counting it, and reports whether its result is an error.
func (a *assistant) ask(tool string, args map[string]any) (got told, failed bool) {
	a.t.Helper()
	var result struct {
		IsError bool `json:"isError"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if err := json.Unmarshal(a.call("tools/call", map[string]any{"name": tool, "arguments": args}), &result); err != nil || len(result.Content) != 1 {
		a.t.Fatalf("%s: %v, %d contents", tool, err, len(result.Content))
	}
	return told{text: result.Content[0].Text}, result.IsError
}

// says lets somebody write a message, and waits until the server has all events.
func (a *assistant) says(person, channel, thread, text string) (ts string) {
	a.t.Helper()
	ts, err := a.slack.PostAs(person, channel, text, sandbox.Saying{ThreadTS: thread})
	if err == nil {
		err = a.slack.Settle(a.t.Context())
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return ts
}

// newest is the newest message of a channel in Slack.
func (a *assistant) newest(channel string) slackapi.Message {
	a.t.Helper()
	page, err := a.slack.client(a.t).History(a.t.Context(), slackapi.HistoryQuery{Channel: channel, Limit: 1})
	if err != nil || len(page.Messages) == 0 {
		a.t.Fatalf("%d messages in %s, %v", len(page.Messages), channel, err)
	}
	return page.Messages[0]
}

// reply is the newest reply of a thread in Slack.
func (a *assistant) reply(channel, thread string) slackapi.Message {
	a.t.Helper()
	page, err := a.slack.client(a.t).Replies(a.t.Context(), slackapi.RepliesQuery{Channel: channel, ThreadTS: thread})
	if err != nil || len(page.Messages) < 2 {
		a.t.Fatalf("%d messages in the thread, %v", len(page.Messages), err)
	}
	return page.Messages[len(page.Messages)-1]
}

// lines are the items of a list as author and text.
func lines(items []toldItem) []string {
	var all []string
	for _, m := range items {
		all = append(all, m.UserName+": "+m.Text)
	}
	return all
}

// shows fails unless a list has these authors and texts in this order, each with its time, in a
// result that names the zone and that the texts are not to be trusted.
func (r told) shows(t *testing.T, items []toldItem, want ...string) {
	t.Helper()
	if !slices.Equal(lines(items), want) {
		t.Errorf("the result shows %q, want %q", lines(items), want)
	}
	for _, m := range items {
		r.timed(t, m.TS, m.Time)
	}
	if !r.Untrusted {
		t.Errorf("the result is not marked as untrusted: %s", r.text)
	}
}

// timed fails unless a time is that of a ts where the owner of the user token is, and the result names
// that zone.
func (r told) timed(t *testing.T, ts, shown string) {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	whole, _, _ := strings.Cut(ts, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(seconds, 0).In(zone)
	if !strings.HasPrefix(shown, at.Format("2 Jan")) || !strings.HasSuffix(shown, at.Format("15:04")) || r.TimeZone != zone.String() {
		t.Errorf("what was said at %s has the time %q, zone %q", at, shown, r.TimeZone)
	}
}

// press presses a button with the shipped command, once the question stands in the channel, for
// 20 seconds at most.
func press(ctx context.Context, w *workspace, person, channel, button string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, binary, "sandbox", "click", "--workspace", w.url, "--user", person, "--channel", channel, button).CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("click: %w: %s", err, out)
		}
	}
}
