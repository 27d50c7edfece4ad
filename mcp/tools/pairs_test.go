package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/webhook/event"
)

const mentionOfBot = "<@U0SANDBOX01> are you there?"

// mentioned are the two events of a message that mentions the bot.
func mentioned(n int, ts string) (message, mention event.Event) {
	say := func(typ string) event.Event {
		return eventtest.Envelope(fmt.Sprintf("Ev%d%s", n, typ), a{"type": typ, "channel": "C1AA", "user": "U1AA", "ts": ts, "text": mentionOfBot, "team": "T0LANTERN01"})
	}
	return say("message"), say("app_mention")
}

// TestAMentionIsOneEntry pages through a log of pairs, in either order, and of other messages: each
// message is one entry, whatever the size of a page and the direction, and whichever events lie between.
func TestAMentionIsOneEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var want []string
	for n := range 12 {
		ts := fmt.Sprintf("17000000%02d.000100", n)
		message, mention := mentioned(n, ts)
		between := said(fmt.Sprintf("EvBetween%d", n), "C1AA", "U1AA", fmt.Sprintf("17000000%02d.000200", n), "hello <@U2AA>")
		switch n % 3 {
		case 0:
			r.events.Append(message, mention)
		case 1:
			r.events.Append(mention, between, message)
			want = append(want, ts)
			ts = "17000000" + fmt.Sprintf("%02d", n) + ".000200"
		case 2:
			r.events.Append(message) // its mention was not delivered
		}
		want = append(want, ts)
	}
	for _, order := range []string{"oldest_first", "newest_first"} {
		for _, limit := range []int{1, 2, 3, 5, 50} {
			args := a{"channel": "C1AA", "order": order, "limit": limit}
			var got []string
			for range 60 {
				var page eventPage
				r.call("slack_list_events", args, &page)
				if len(page.Events) > limit {
					t.Errorf("a page of %d has %d", limit, len(page.Events))
				}
				for _, e := range page.Events {
					got = append(got, e.TS)
					var typ string
					if n := e.TS[8:10]; strings.HasSuffix(e.Text, " are you there?") && (n[1]-'0'+10*(n[0]-'0'))%3 != 2 {
						typ = "app_mention"
					}
					if e.Type != typ || e.Types != nil || e.ThreadTS != "" {
						t.Errorf("%s has thread_ts %q, type %q and types %q; want the type %q", e.TS, e.ThreadTS, e.Type, e.Types, typ)
					}
				}
				if !page.HasMore {
					break
				}
				args["cursor"] = page.NextCursor
			}
			if order == "newest_first" {
				for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
					got[i], got[j] = got[j], got[i]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, pages of %d (-want +got):\n%s", order, limit, diff)
			}
		}
	}
	for typ, n := range map[string]int{"message": 16, "app_mention": 8} {
		var page eventPage
		if r.call("slack_list_events", a{"types": []string{typ}, "limit": 50}, &page); len(page.Events) != n {
			t.Errorf("%d entries of the type %s, want %d", len(page.Events), typ, n)
		}
	}
	var one struct{ Event eventRow }
	if r.call("slack_get_event", a{"event_id": "Ev0app_mention"}, &one); len(one.Event.Types) != 2 {
		t.Errorf("slack_get_event returned %+v", one)
	}
}

// TestAWaitReturnsAMentionOnce: the second event of a pair may come when the first was returned.
func TestAWaitReturnsAMentionOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiter(t, tools.Options{})
		message, mention := mentioned(0, "1700000000.000100")
		w.log.Append(mention)
		page := w.must(a{"cursor": "start"})
		if len(page.Events) != 1 {
			t.Fatalf("returned %+v", page)
		}
		w.log.Append(message, said("EvNext", "C1AA", "U1AA", "1700000001.000100", "next"))
		page = w.must(a{"cursor": page.NextCursor, "response_format": "detailed"})
		if diff := cmp.Diff([]string{"EvNext"}, page.ids()); diff != "" || page.Events[0].Payload == nil {
			t.Errorf("then (-want +got):\n%s%+v", diff, page)
		}
		if page = w.must(a{"cursor": "start"}); len(page.Events) != 2 || page.Events[0].Payload != nil {
			t.Errorf("from the start it returned %+v", page)
		}
	})
}
