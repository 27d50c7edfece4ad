package tools_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestTheBordersOfACutList: where a list was cut, those at oldest and latest are still in it.
func TestTheBordersOfACutList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := strings.Repeat("long ", 700)
	root, err := r.slack.PostAs("bob", "#random", "root", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	var roots, replies []string
	for range 40 {
		ts, err := r.slack.PostAs("bob", "#random", long, sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, ts)
		if ts, err = r.slack.PostAs("bob", "#random", long, sandbox.Saying{ThreadTS: root}); err != nil {
			t.Fatal(err)
		}
		replies = append(replies, ts)
	}
	for name, tc := range map[string]struct {
		tool string
		args a
		want []string
	}{
		"channel":            {"slack_read_channel_messages", a{"inclusive": true, "oldest": roots[0], "latest": roots[39]}, roots},
		"channel, exclusive": {"slack_read_channel_messages", a{"oldest": roots[0], "latest": roots[39]}, roots[1:39]},
		"thread":             {"slack_read_thread_messages", a{"thread_ts": root, "oldest": replies[0], "latest": replies[39]}, append([]string{root}, replies...)},
	} {
		args, got, pages := with(tc.args, a{"channel": sandbox.Random}), []string{}, 0
		for ; pages < 20; pages++ {
			var page messages
			r.call(tc.tool, args, &page)
			for _, m := range page.Messages {
				got = append(got, m.TS)
			}
			if !page.HasMore {
				break
			}
			args["cursor"] = page.NextCursor
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, got); diff != "" || pages == 0 {
			t.Errorf("%s, %d cuts (-want +got):\n%s", name, pages, diff)
		}
	}
}

// TestChannelsThatCannotBeLookedUp: it is not said that there is no such channel.
func TestChannelsThatCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.slack.Inject(sandbox.Fault{Method: "conversations.list", Status: http.StatusBadGateway, Times: -1}); err != nil {
		t.Fatal(err)
	}
	if _, note := r.sent("slack_post_message", a{"channel": sandbox.General, "text": "in #nowhere"}); !strings.Contains(note, "could not be read") {
		t.Errorf("noted as %q", note)
	}
}

// TestTheLegendOfACutList: who is mentioned in what is shown has an id in the result, also where their
// own message did not fit, and who is mentioned in the rest has none.
func TestTheLegendOfACutList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := strings.Repeat("long ", 700)
	say := func(id, who, text string) {
		t.Helper()
		ts, err := r.slack.PostAs(who, "#random", text, sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		r.events.Append(eventtest.Envelope(id, a{"type": "message", "channel": sandbox.Random, "user": map[string]string{"bob": sandbox.Bob, "carla": sandbox.Carla}[who], "ts": ts, "text": text}))
	}
	say("Ev1", "carla", "<@"+sandbox.Alice+"> "+long)
	for i := range 80 {
		say(fmt.Sprintf("EvFill%d", i), "bob", long)
	}
	say("Ev2", "bob", "<@"+sandbox.Carla+"> "+long)
	for tool, args := range map[string]a{
		"slack_read_channel_messages": {"channel": sandbox.Random},
		"slack_list_events":           {"limit": 200},
	} {
		var page struct {
			People  map[string]string
			HasMore bool `json:"has_more"`
		}
		r.call(tool, args, &page)
		if diff := cmp.Diff(map[string]string{"carla": sandbox.Carla}, page.People); diff != "" || !page.HasMore {
			t.Errorf("%s, cut: %v (-want +got):\n%s", tool, page.HasMore, diff)
		}
	}
}

// TestAnAgeBeforeAllTimes: it is the beginning, and no instant in the future.
func TestAnAgeBeforeAllTimes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.slack.PostAs("bob", "#random", "hello", sandbox.Saying{}); err != nil {
		t.Fatal(err)
	}
	for _, age := range []string{"15000w", "20000w", "999999w"} {
		var page messages
		r.call("slack_read_channel_messages", a{"channel": sandbox.Random, "oldest": age, "limit": 1}, &page)
		if len(page.Messages) != 1 {
			t.Errorf("since %s there are %d messages", age, len(page.Messages))
		}
	}
}

// TestRoomForTheLegend: those who are mentioned take room in a result, too.
func TestRoomForTheLegend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 600 {
		text := fmt.Sprintf("<@U0CREW%05d> %s", i, strings.Repeat("long ", 10))
		r.names.KeepUser(&slackapi.User{ID: fmt.Sprintf("U0CREW%05d", i), TeamID: "T0LANTERN01", Name: "x", Profile: slackapi.Profile{DisplayName: fmt.Sprintf("Somebody With A Name %d", i)}})
		if i%4 != 0 {
			continue
		}
		for j := range 10 {
			text += fmt.Sprintf(" <@U0CREW%05d>", (i+j*7)%(i+1))
		}
		ts, err := r.slack.PostAs("bob", "#random", text, sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		r.events.Append(eventtest.Envelope(fmt.Sprintf("Ev%d", i), a{"type": "message", "channel": sandbox.Random, "user": sandbox.Bob, "ts": ts, "text": text}))
	}
	for tool, args := range map[string]a{
		"slack_read_channel_messages": {"channel": sandbox.Random, "limit": 200},
		"slack_list_events":           {"limit": 200},
		"slack_wait_for_event":        {"cursor": "start", "limit": 100},
	} {
		raw, err := r.try(tool, args)
		if err != nil {
			t.Fatal(toolsFault(err))
		}
		if n := utf8.RuneCount(raw); n > view.MaxResult || n < view.MaxResult/2 {
			t.Errorf("%s returns %d characters", tool, n)
		}
	}
}
