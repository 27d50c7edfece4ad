package tools_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// TestAskAndWait posts a question, lets the answer come, and waits only then: the answer is returned.
func TestAskAndWait(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(p posted) a{
		"with the cursor of the post":   func(p posted) a { return a{"cursor": p.Cursor} },
		"in the channel":                func(posted) a { return a{"channel": sandbox.General} },
		"in the thread":                 func(p posted) a { return a{"channel": sandbox.General, "thread": p.TS} },
		"in the thread, by its ts":      func(p posted) a { return a{"thread": p.TS} },
		"for a message in the channel":  func(posted) a { return a{"channel": sandbox.General, "types": []string{"message"}} },
		"for the person in the channel": func(posted) a { return a{"channel": sandbox.General, "user": sandbox.Alice} },
	} {
		for _, own := range []string{"before the answer", "after the answer", "never"} {
			r := newRig(t)
			at := time.Now()
			r.events.Append(event.Event{ID: "EvOld", Kind: event.Kind{Type: "message"}, Channel: sandbox.General, User: sandbox.Alice, At: at.Add(-time.Minute), ReceivedAt: at.Add(-time.Minute)})
			var p posted
			r.call("slack_post_message", a{"channel": sandbox.General, "text": "what now?"}, &p)
			if own == "before the answer" {
				r.events.Append(delivered("EvOwn", sandbox.General, "U0SANDBOX01", p.TS, ""))
			}
			r.events.Append(delivered("EvAnswer", sandbox.General, sandbox.Alice, later(t, p.TS), p.TS))
			if own == "after the answer" {
				r.events.Append(delivered("EvOwn", sandbox.General, "U0SANDBOX01", p.TS, ""))
			}
			args := wait(p)
			args["timeout_seconds"] = 1
			var page eventPage
			r.call("slack_wait_for_event", args, &page)
			if diff := cmp.Diff([]string{"EvAnswer"}, page.ids()); diff != "" {
				t.Errorf("%s, the event of the question %s (-want +got):\n%s", name, own, diff)
			}
		}
	}
}

// TestAWaitLooksFromTheBotsLastMessage: another process may have posted it, and the log alone tells of it.
func TestAWaitLooksFromTheBotsLastMessage(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]map[string][]string{
		time.Minute:    {"channel": {"EvB"}, "thread": {"EvB"}},
		2 * time.Hour:  {"channel": nil, "thread": {"EvB"}}, // the channel has much in two hours
		48 * time.Hour: {"channel": nil, "thread": nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiter(t, tools.Options{})
			ts := event.TS(time.Now().Add(-age))
			w.log.Append(
				delivered("EvA", "C1AA", "U1AA", event.TS(time.Now().Add(-age-time.Second)), ts),
				delivered("EvOwn", "C1AA", "U0SANDBOX01", ts, ""),
				delivered("EvB", "C1AA", "U1AA", later(t, ts), ts),
				delivered("EvElsewhere", "C2AA", "U1AA", later(t, ts), ts),
			)
			for where, args := range map[string]a{"channel": {"channel": "C1AA"}, "thread": {"channel": "C1AA", "thread": ts}} {
				page := w.must(args)
				if got := page.ids(); fmt.Sprint(got) != fmt.Sprint(want[where]) {
					t.Errorf("%s after %s: %v, want %v", where, age, got, want[where])
				}
				if again := w.must(a{"channel": "C1AA", "cursor": page.NextCursor}); !again.TimedOut {
					t.Errorf("%s after %s: the next call returns %v", where, age, again.ids())
				}
			}
			if page := w.must(a{"types": []string{"message"}}); !page.TimedOut {
				t.Errorf("a wait for anything returned %v", page.ids())
			}
		})
	}
}

// delivered is a message that is received at its ts.
func delivered(id, channel, user, ts, thread string) event.Event {
	m := a{"type": "message", "channel": channel, "user": user, "ts": ts, "text": "x", "team": "T0LANTERN01"}
	if thread != "" {
		m["thread_ts"] = thread
	}
	e := eventtest.Envelope(id, m)
	e.ReceivedAt, e.FromSelf = e.At, user == "U0SANDBOX01"
	return e
}

// later is a ts a second after another one.
func later(t *testing.T, ts string) string {
	t.Helper()
	seconds, micros, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d.%s", n+1, micros)
}

// TestWhatAsksReturnsACursor: whatever says something in Slack tells from where an answer to it is waited
// for, on a repeat too; what says nothing there does not.
func TestWhatAsksReturnsACursor(t *testing.T) {
	t.Parallel()
	for tool, args := range map[string]a{
		"slack_post_message": {"channel": sandbox.General, "text": "what now?"},
		"slack_thread_reply": {"channel": sandbox.General, "texts": []string{"what now?", "well?"}},
		"slack_upload_file":  {"channel": sandbox.General, "filename": "plan.txt", "content": "what now?"},
		"slack_ask":          {"channel": sandbox.General, "question": "what now?", "choices": []string{"wait"}, "timeout_seconds": 0},
	} {
		r := newRig(t)
		root, err := r.slack.PostAs("bob", "#general", "plans", sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		if tool == "slack_thread_reply" {
			args["thread_ts"] = root
		}
		r.events.Append(delivered("EvOld", sandbox.General, sandbox.Alice, root, ""))
		var rehearsed, p, again posted
		args["dry_run"] = true
		r.call(tool, args, &rehearsed)
		args["dry_run"], args["idempotency_key"] = false, "once"
		r.call(tool, args, &p)
		r.events.Append(delivered("EvAnswer", sandbox.General, sandbox.Alice, later(t, root), root))
		r.call(tool, args, &again)
		if rehearsed.Cursor != "" || p.Cursor == "" || again.Cursor != p.Cursor {
			t.Errorf("%s: rehearsed it returned %q, then %q, and repeated %q", tool, rehearsed.Cursor, p.Cursor, again.Cursor)
			continue
		}
		var page eventPage
		r.call("slack_wait_for_event", a{"cursor": p.Cursor, "timeout_seconds": 1}, &page)
		if diff := cmp.Diff([]string{"EvAnswer"}, page.ids()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", tool, diff)
		}
	}
	r := newRig(t)
	var unshared posted
	r.call("slack_upload_file", a{"filename": "plan.txt", "content": "x"}, &unshared)
	if unshared.Cursor != "" {
		t.Errorf("an upload that nobody sees returned %q", unshared.Cursor)
	}
}
