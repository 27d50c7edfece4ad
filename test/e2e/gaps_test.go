package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

type gapRow struct {
	ID   string    `json:"id"`
	Kind string    `json:"kind"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Fill *struct {
		DoneAt time.Time `json:"done_at"`
		Stored int       `json:"stored"`
	} `json:"fill"`
}

// gapsCommand runs `events gaps` on a running server.
func gapsCommand(t *testing.T, data string, args ...string) []gapRow {
	t.Helper()
	line := append([]string{"events", "gaps"}, args...)
	out, err := exec.Command(binary, append(line, "--data-dir", data, "--no-env-file", "--output", "json")...).Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("%v: %v\n%s", line, err, failed.Stderr)
		}
		t.Fatal(err)
	}
	var list struct{ Gaps []gapRow }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return list.Gaps
}

// messageTimes counts, by their ts, the message events that are listed.
func messageTimes(t *testing.T, p *process) map[string]int {
	t.Helper()
	s := connect(t, p)
	count := map[string]int{}
	args := map[string]any{"limit": 200, "order": "oldest_first", "types": []string{"message"}}
	for {
		var page struct {
			Events []struct {
				TS string `json:"ts"`
			} `json:"events"`
			NextCursor string `json:"next_cursor"`
		}
		s.tool("slack_list_events", args, &page)
		for _, e := range page.Events {
			count[e.TS]++
		}
		if page.NextCursor == "" || len(page.Events) == 0 {
			return count
		}
		args["cursor"] = page.NextCursor
	}
}

// TestSixMinutesDown: a server is killed and stays away for longer than Slack tries, six hundred
// times as fast. What Slack delivers again is handled once; what it gave up is in a gap,
// and filling it brings every message, replies and mentions too, and none twice.
func TestSixMinutesDown(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{Empty: true, Speed: 600})
	o := options{port: freePort(t), data: t.TempDir(), args: []string{"--gap-after", "1s"}, env: w.env()}
	o.args = append(o.args, "--integrated")
	p := start(t, o)
	if err := w.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	var sent []string
	say := func(text, thread string) string {
		t.Helper()
		ts, err := w.PostAs("bob", "#general", text, sandbox.Saying{ThreadTS: thread})
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, ts)
		return ts
	}
	root := say("before", "")
	settle(t, w)
	p.kill()
	for i := range 5 {
		say(fmt.Sprint("while it is down ", i), "")
	}
	say("a reply to what it knows", root)
	say("a reply to what it does not know", say("a thread", ""))
	say("<@"+sandbox.BotUser+"> are you there?", "")
	settle(t, w)                          // Slack has given them up
	<-time.After(1500 * time.Millisecond) // longer than --gap-after
	say("given up if the server takes long", "")
	p = start(t, o)
	settle(t, w)

	states := map[sandbox.State]int{}
	for _, d := range w.Deliveries() {
		states[d.State]++
	}
	if states[sandbox.Failed] < 9 {
		t.Fatalf("Slack gave up %d deliveries, want those of the downtime: the test shows nothing", states[sandbox.Failed])
	}
	var gap gapRow
	eventually(t, 20*time.Second, func() error {
		for _, g := range gapsCommand(t, o.data, "list") {
			if g.Kind == "downtime" {
				gap = g
				return nil
			}
		}
		return errors.New("no downtime is recorded")
	})
	if shown := connect(t, p).read("slack://gaps"); !strings.Contains(shown, gap.ID) {
		t.Errorf("slack://gaps holds %s", shown)
	}
	if status, body := p.get("/health/detailed"); status != 200 || !strings.Contains(body, `"open_gaps":`) || strings.Contains(body, `"open_gaps":0`) {
		t.Errorf("health says %d %s", status, body)
	}
	complete := func(when string) {
		t.Helper()
		count := messageTimes(t, p)
		for _, ts := range sent {
			if count[ts] != 1 {
				t.Errorf("%s: the message %s is stored %d times, want once", when, ts, count[ts])
			}
		}
	}
	for _, g := range gapsCommand(t, o.data, "fill") {
		if g.Fill == nil || g.Fill.DoneAt.IsZero() {
			t.Errorf("gap %s is not filled: %+v", g.ID, g.Fill)
		}
	}
	complete("filled")
	var mentions eventPage
	connect(t, p).tool("slack_list_events", map[string]any{"types": []string{"app_mention"}}, &mentions)
	if len(mentions.Events) != 1 || !strings.HasPrefix(mentions.Events[0].EventID, "filled-") {
		t.Errorf("mentions: %+v, want the one of the gap, marked", mentions.Events)
	}
	for _, g := range gapsCommand(t, o.data, "fill", gap.ID) {
		if g.Fill == nil || g.Fill.Stored != 0 {
			t.Errorf("filled again, it stored %+v", g.Fill)
		}
	}
	// Slack may go on for a day (Delayed Events): what comes after the filling is known.
	for _, d := range w.Deliveries() {
		if d.State != sandbox.Failed {
			continue
		}
		req := signed(t, p.url, "application/json", d.Body)
		req.Header.Set("X-Slack-Retry-Num", "4")
		req.Header.Set("X-Slack-Retry-Reason", "connection_failed")
		if status, answer := p.do(req); status != http.StatusOK {
			t.Errorf("a late delivery is answered %d %s", status, answer)
		}
	}
	complete("after late deliveries")
}

// TestWithheldEventsAreAGap: over its hourly limit Slack delivers a notice in place of
// events. The minute is a gap, and filling it brings them.
func TestWithheldEventsAreAGap(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{Empty: true, HourlyLimit: 3})
	data := t.TempDir()
	p := start(t, options{data: data, args: []string{"--integrated"}, env: w.env()})
	if err := w.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	var sent []string
	for i := range 8 {
		ts, err := w.PostAs("bob", "#general", fmt.Sprint("message ", i), sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, ts)
	}
	settle(t, w)
	var gap gapRow
	eventually(t, 20*time.Second, func() error {
		if list := gapsCommand(t, data, "list"); len(list) == 1 && list[0].Kind == "rate_limited" {
			gap = list[0]
			return nil
		}
		return errors.New("the notice is not recorded")
	})
	// In a real minute the gap ends before it is filled; here it may not have.
	page, err := w.client(t).History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General})
	if err != nil || len(page.Messages) != len(sent) {
		t.Fatalf("the channel has %d messages, %v", len(page.Messages), err)
	}
	gapsCommand(t, data, "fill", gap.ID)
	count := messageTimes(t, p)
	for _, ts := range sent {
		if count[ts] > 1 || count[ts] == 0 && ts >= fmt.Sprint(gap.From.Unix()) && ts < fmt.Sprint(gap.To.Unix()) {
			t.Errorf("the message %s is stored %d times", ts, count[ts])
		}
	}
	if len(count) <= 3 {
		t.Errorf("%d messages are stored, want those that were withheld too", len(count))
	}
}
