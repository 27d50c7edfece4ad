package tools_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// conversation is a log of messages and reactions, a minute apart, the last of them now.
type conversation struct {
	events []event.Event
	began  time.Time
}

func (c *conversation) at(n int) string { return event.TS(c.began.Add(time.Duration(n) * time.Minute)) }

// add appends an event that came n minutes after the beginning.
func (c *conversation) add(n int, id string, inner a) {
	in := a{"type": "message", "channel": "C1AA", "user": "U1ASKER", "ts": c.at(n), "event_ts": c.at(n), "team": "T0LANTERN01"}
	maps.Copy(in, inner)
	e := eventtest.Envelope(id, in)
	e.ReceivedAt = e.At.Add(time.Second)
	c.events = append(c.events, e)
}

func TestUnansweredMentions(t *testing.T) {
	t.Parallel()
	const me = "U0ME000001"
	question := a{"text": "<@" + me + "> what about it?"}
	c := &conversation{began: time.Now().Add(-30 * time.Minute)}
	in := func(more a) a {
		m := a{"text": question["text"]}
		maps.Copy(m, more)
		return m
	}
	c.add(0, "EvNobody", a{"text": "hello"})
	c.add(1, "EvOpen", in(nil))
	c.add(1, "EvOpenToo", in(a{"type": "app_mention"}))
	c.add(2, "EvThread", in(a{"user": "U2ASKER"}))
	c.add(3, "EvReacted", in(a{"user": "U3ASKER"}))
	c.add(4, "EvUnreacted", in(a{"user": "U4ASKER"}))
	c.add(5, "EvNamed", in(a{"user": "U5ASKER"}))
	c.add(6, "EvDirect", in(a{"channel": "D1AA"}))
	c.add(7, "EvDeleted", in(nil))
	c.add(8, "EvOther", a{"text": "<@U0OTHER001> what about it?"})
	c.add(9, "EvOld", in(a{"user": "U6ASKER", "thread_ts": c.at(0)}))
	c.add(10, "A1", a{"user": me, "text": "yes", "thread_ts": c.at(2)})
	c.add(11, "A2", a{"type": "reaction_added", "user": me, "reaction": "eyes", "item": a{"channel": "C1AA", "ts": c.at(3)}})
	c.add(12, "A3", a{"type": "reaction_added", "user": me, "reaction": "eyes", "item": a{"channel": "C1AA", "ts": c.at(4)}})
	c.add(13, "A4", a{"type": "reaction_removed", "user": me, "reaction": "eyes", "item": a{"channel": "C1AA", "ts": c.at(4)}})
	c.add(14, "A5", a{"user": me, "text": "<@U5ASKER> no"})
	c.add(15, "A6", a{"user": me, "text": "sure", "channel": "D1AA"})
	c.add(16, "A7", a{"subtype": "message_deleted", "deleted_ts": c.at(7), "previous_message": a{"ts": c.at(7)}})
	c.add(17, "A8", a{"user": "U9OTHER", "text": "I do", "thread_ts": c.at(0)})
	c.add(18, "A9", a{"user": me, "text": "something else"})
	c.add(19, "EvAgain", in(a{"user": "U2ASKER", "thread_ts": c.at(2)}))
	r := newRig(t)
	r.events.Append(c.events...)
	open := []string{"EvAgain", "EvOld", "EvUnreacted", "EvOpen"}
	for name, tc := range map[string]struct {
		args a
		want []string
	}{
		"all":                {a{"mentions": me, "unanswered": true}, open},
		"in a channel":       {a{"mentions": me, "unanswered": true, "channel": "C1AA"}, open},
		"in another":         {a{"mentions": me, "unanswered": true, "channel": "D1AA"}, []string{}},
		"before an instant":  {a{"mentions": me, "unanswered": true, "until": c.at(9)}, []string{"EvUnreacted", "EvOpen"}},
		"since an instant":   {a{"mentions": me, "unanswered": true, "since": c.at(8)}, []string{"EvAgain", "EvOld"}},
		"of one who asked":   {a{"mentions": me, "unanswered": true, "user": "U2ASKER"}, []string{"EvAgain"}},
		"mentions, answered": {a{"mentions": me, "limit": 200, "order": "oldest_first"}, []string{"EvOpen", "EvThread", "EvReacted", "EvUnreacted", "EvNamed", "EvDirect", "EvDeleted", "EvOld", "EvAgain"}},
	} {
		var page eventPage
		r.call("slack_list_events", tc.args, &page)
		if diff := cmp.Diff(tc.want, page.ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, scan := range []int{0, 3} {
		r.events.Scan = scan
		got := r.everyEvent(a{"mentions": me, "unanswered": true, "limit": 1})
		if diff := cmp.Diff(open, got); diff != "" {
			t.Errorf("page by page (-want +got):\n%s", diff)
		}
	}
	var page struct {
		eventPage
		LookedSince string `json:"looked_since"`
	}
	r.call("slack_list_events", a{"mentions": me, "unanswered": true}, &page)
	if first := c.events[0].ReceivedAt.UTC().Format(time.RFC3339Nano); page.LookedSince != first || page.Events[3].Type != "app_mention" {
		t.Errorf("looked since %s, want %s: %+v", page.LookedSince, first, page)
	}
	r.refuses("slack_list_events", a{"unanswered": true, "order": "oldest_first"}, "invalid argument order")
}

// TestMentionsOfMe: who is meant by default.
func TestMentionsOfMe(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"the owner of the user token": sandbox.Alice, "the bot": "U0SANDBOX01"} {
		r := newRig(t, func(o *rigOptions) { o.botOnly = name == "the bot" })
		c := &conversation{began: time.Now().Add(-time.Minute)}
		for n, user := range []string{sandbox.Alice, sandbox.Bob, "U0SANDBOX01"} {
			c.add(n, "Ev"+user, a{"text": fmt.Sprintf("<@%s>?", user)})
		}
		r.events.Append(c.events...)
		for _, args := range []a{{"unanswered": true}, {"mentions": "me"}, {"mentions": "me", "unanswered": true}} {
			var page eventPage
			r.call("slack_list_events", args, &page)
			if diff := cmp.Diff([]string{"Ev" + want}, page.ids()); diff != "" {
				t.Errorf("%s, %v (-want +got):\n%s", name, args, diff)
			}
		}
	}
}

// TestUnansweredPairOnABorder: a mention came between the two events of another one.
func TestUnansweredPairOnABorder(t *testing.T) {
	t.Parallel()
	const me = "U0ME000001"
	c := &conversation{began: time.Now().Add(-30 * time.Minute)}
	c.add(1, "EvFirst", a{"text": "<@" + me + ">?"})
	c.add(2, "EvBetween", a{"text": "<@" + me + ">?", "user": "U2ASKER"})
	c.add(1, "EvFirstToo", a{"text": "<@" + me + ">?", "type": "app_mention"})
	r := newRig(t)
	r.events.Append(c.events...)
	got := r.everyEvent(a{"mentions": me, "unanswered": true, "limit": 1})
	if diff := cmp.Diff([]string{"EvFirstToo", "EvBetween"}, got); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
}

// TestUnansweredIsCutToBeRead: long mentions fill a page before there are as many as asked for.
func TestUnansweredIsCutToBeRead(t *testing.T) {
	t.Parallel()
	const me = "U0ME000001"
	c := &conversation{began: time.Now().Add(-3 * time.Hour)}
	for n := range 100 {
		c.add(n, fmt.Sprintf("Ev%03d", n), a{"text": "<@" + me + "> " + strings.Repeat(`"x" `, 300), "user": fmt.Sprintf("U%09d", n)})
	}
	r := newRig(t)
	r.events.Append(c.events...)
	args, seen := a{"mentions": me, "unanswered": true, "limit": 100}, map[string]bool{}
	for range 20 {
		raw, err := r.try("slack_list_events", args)
		if err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCount(raw); n > view.MaxResult {
			t.Errorf("a page has %d characters", n)
		}
		var page eventPage
		r.call("slack_list_events", args, &page)
		for _, id := range page.ids() {
			seen[id] = true
		}
		if !page.HasMore {
			break
		}
		args["cursor"] = page.NextCursor
	}
	if len(seen) != 100 {
		t.Errorf("the pages have %d of 100 mentions", len(seen))
	}
}
