package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// gapsDetected polls all that gap.detected reports, and counts it by the gap's id.
func gapsDetected(t *testing.T, p *process) map[string]int {
	t.Helper()
	count := map[string]int{}
	for cursor, more := "start", true; more; {
		a, err := p.modern("events/poll", map[string]any{"name": "gap.detected", "cursor": cursor})
		var page struct {
			Events []struct {
				EventID string
				Data    struct {
					Reason   string
					From, To time.Time
					GapID    string `json:"gap_id"`
					GapsURI  string `json:"gaps_uri"`
				}
			}
			Cursor  string
			HasMore bool
		}
		if err == nil {
			err = json.Unmarshal(a.Result, &page)
		}
		if err != nil {
			t.Fatalf("poll: %v", err)
		}
		for _, e := range page.Events {
			d := e.Data
			if e.EventID != "gaps:"+d.GapID || d.Reason != "downtime" || d.To.Sub(d.From) < time.Second || d.GapsURI != "slack://gaps" {
				t.Errorf("reported %+v, want a downtime of a second or longer", e)
			}
			count[d.GapID]++
		}
		cursor, more = page.Cursor, page.HasMore
	}
	return count
}

// TestDowntimeIsTold: the server was away for longer than --gap-after, and says so, once,
// by MCP Events, also after it started again.
func TestDowntimeIsTold(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, sandbox.Options{Empty: true})
	o := options{port: freePort(t), data: t.TempDir(), env: w.env(), args: []string{"--integrated", "--gap-after", "1s"}}
	p := start(t, o)
	p.stop()                              // its last word is that it was there
	<-time.After(1500 * time.Millisecond) // longer than --gap-after
	// A machine that stands still for a second makes gaps of its own: the account says
	// which there are.
	once := func() error {
		want := map[string]int{}
		for _, g := range gapsCommand(t, o.data, "list") {
			want[g.ID] = 1
		}
		if got := gapsDetected(t, p); len(want) == 0 || !maps.Equal(got, want) {
			return fmt.Errorf("reported %v, recorded are %v", got, want)
		}
		return nil
	}
	p = start(t, o)
	eventually(t, 20*time.Second, once)
	first := slices.Sorted(maps.Keys(gapsDetected(t, p)))
	p.stop()

	o.args[len(o.args)-1] = "1h" // starting again is no gap
	p = start(t, o)
	eventually(t, 20*time.Second, once)
	var page struct {
		Events []struct {
			EventID string `json:"event_id"`
			Text    string
		}
	}
	connect(t, p).tool("slack_list_events", map[string]any{"source": "gaps"}, &page)
	if len(page.Events) < len(first) {
		t.Errorf("listed are %+v, want %v", page.Events, first)
	}
	for _, e := range page.Events {
		if e.Text == "" {
			t.Errorf("listed is %+v, which does not say what it is", e)
		}
	}
}
