package mcp_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// tell gives the judge and the log one more event, as they hear of one.
func (w *world) tell(id string, inner a) {
	w.t.Helper()
	e := eventtest.Envelope(id, inner, a{"team_id": sandbox.Team, "authorizations": []any{a{"team_id": sandbox.Team, "user_id": sandbox.BotUser, "is_bot": true}}})
	seq, _ := w.events.Newest().Seq()
	e.Position = event.NewPosition("e0", seq+1)
	w.judge.Apply(&e)
	w.events.Append(e)
}

// settle waits until nothing that Bob asked for is unknown.
func (w *world) settle(token string) {
	w.t.Helper()
	user, _, _ := strings.Cut(token, ".")
	w.judge.Await(w.t.Context(), access.Person{Host: "slack.com", Team: sandbox.Team, User: user})
}

// Join, leave, and a join that is delivered again; the bot removed, and a forged event of a join: an event takes
// visibility away at once, and what gives it is Slack's own answer.
func TestComingAndGoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	room, by := w.room.room, w.by(sandbox.Alice)
	said := func(id, channel, word string) {
		w.tell(id, a{"type": "message", "channel": channel, "channel_type": "group", "user": sandbox.Alice, "ts": "1700000000.000100", "text": word})
	}
	sees := func(when string, want bool) {
		t.Helper()
		_ = w.call(bob, "slack_list_events", a{"limit": 200})
		w.settle(bob)
		if got := w.call(bob, "slack_list_events", a{"limit": 200}); got.failed || strings.Contains(got.text, "word of the room") != want {
			t.Errorf("%s: %+v, want %v", when, got, want)
		}
		if got := w.call(bob, "slack_get_event", a{"event_id": "EvRoom"}); got.failed == want {
			t.Errorf("%s, by its id: %+v", when, got)
		}
	}
	joined := a{"type": "member_joined_channel", "channel": room, "user": sandbox.Bob, "team": sandbox.Team}
	said("EvRoom", room, "word of the room")
	sees("who left before", false)
	w.tell("EvForged", joined)
	sees("who joined by a forged event alone", false)
	if _, err := by.Invite(t.Context(), room, sandbox.Bob); err != nil {
		t.Fatal(err)
	}
	w.tell("EvJoin", joined)
	w.judgeForgets(room)
	sees("who was invited", true)
	if err := w.by(sandbox.Bob).LeaveChannel(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	w.tell("EvLeave", a{"type": "member_left_channel", "channel": room, "user": sandbox.Bob, "team": sandbox.Team})
	if got := w.call(bob, "slack_list_events", a{"limit": 200}); strings.Contains(got.text, "word of the room") {
		t.Errorf("the read after a leave: %s", got.text)
	}
	w.tell("EvJoinAgain", joined)
	sees("who left, and whose join is delivered again", false)

	said("EvHall", w.hall, "word of the hall")
	if err := w.bot.LeaveChannel(t.Context(), w.hall); err != nil {
		t.Fatal(err)
	}
	w.tell("EvBotLeft", a{"type": "group_left", "channel": w.hall, "actor_id": sandbox.Alice})
	_ = w.call(bob, "slack_list_events", a{"limit": 200})
	w.settle(bob)
	if got := w.call(bob, "slack_list_events", a{"limit": 200}); !strings.Contains(got.text, "word of the hall") {
		t.Errorf("a member, once the bot was removed: %s", got.text)
	}
	if err := w.by(sandbox.Bob).LeaveChannel(t.Context(), w.hall); err != nil {
		t.Fatal(err)
	}
	w.judgeForgets(w.hall)
	_ = w.call(bob, "slack_list_events", a{"limit": 200})
	w.settle(bob)
	if got := w.call(bob, "slack_list_events", a{"limit": 200}); strings.Contains(got.text, "word of the hall") {
		t.Errorf("who left while the bot was away: %s", got.text)
	}
}

// judgeForgets makes it unknown who is in a conversation, as time does.
func (w *world) judgeForgets(channel string) {
	w.tell("EvForget"+channel, a{"type": "channel_converted_to_private", "channel": channel})
}

// said is an event of a message.
func (w *world) said(id, channel string) {
	w.tell(id, a{"type": "message", "channel": channel, "channel_type": "group", "user": sandbox.Grace, "ts": "1700000000.000100", "text": "words of " + id})
}

// Who leaves is told of nothing more, also of what was judged before and is on its way still: the repetition of a callback
// and what waits behind it, an update that waits for its client, what is posted or polled again from an old cursor.
func TestALeaveMeanwhile(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{true, false} {
		t.Run(fmt.Sprint(leaves), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			room, left := w.room.room, make(chan struct{})
			attempted := make(chan struct{})
			once := sync.OnceFunc(func() { close(attempted) })
			w.mail.answers(func(path, id string) int {
				if path != "/retried" || id != "EvTried" {
					return http.StatusNoContent
				}
				select {
				case <-left:
					return http.StatusNoContent // the second attempt
				default:
				}
				once()
				select {
				case <-left:
				case <-t.Context().Done():
				}
				return http.StatusServiceUnavailable
			})
			secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-nine bytes"))
			subscribe := func(path, cursor string) {
				t.Helper()
				_, body, _ := w.as(alice, "events/subscribe", a{"name": "message.created", "arguments": a{}, "cursor": cursor, "delivery": a{"mode": "webhook", "url": w.mail.url + path, "secret": secret}})
				if strings.Contains(body, `"error"`) {
					t.Fatal(body)
				}
			}
			poll := func(cursor string) (p polled) {
				t.Helper()
				_, body, _ := w.as(alice, "events/poll", a{"name": "message.created", "arguments": a{}, "cursor": cursor})
				var x struct{ Result polled }
				if err := json.Unmarshal([]byte(body), &x); err != nil {
					t.Fatal(err)
				}
				return x.Result
			}
			w.said("EvKnown", room)
			w.said("EvOpen", w.hall)
			w.warm(alice)
			old := poll("start").Cursor
			_, session := w.legacy(alice, "", initialize, a{"protocolVersion": "2025-06-18", "capabilities": a{}, "clientInfo": a{"name": "t", "version": "1"}})
			for _, at := range []string{room, w.hall} {
				w.legacy(alice, session, "resources/subscribe", a{"uri": "slack://channels/" + at + "/events"})
			}
			subscribe("/retried", old)
			w.said("EvTried", room)
			w.said("EvBehind", room)
			select {
			case <-attempted:
			case <-time.After(time.Minute):
				t.Fatal("the event is not posted")
			}
			if leaves {
				if err := w.by(sandbox.Alice).LeaveChannel(t.Context(), room); err != nil {
					t.Fatal(err)
				}
				w.tell("EvLeft", a{"type": "member_left_channel", "channel": room, "user": sandbox.Alice, "team": sandbox.Team})
			}
			close(left)
			w.said("EvLast", w.hall)
			subscribe("/again", old)
			for path, want := range map[string]map[bool][]string{
				"/retried": {true: {"EvTried", "EvLast"}, false: {"EvTried", "EvTried", "EvBehind", "EvLast"}},
				"/again":   {true: {"EvLast"}, false: {"EvTried", "EvBehind", "EvLast"}},
			} {
				e := ear{name: path, lines: w.mail.box(path), last: "EvLast "}
				var got []string
				for _, line := range e.take(t) {
					id, _, _ := strings.Cut(line, " ")
					got = append(got, id)
				}
				if !slices.Equal(got, want[leaves]) {
					t.Errorf("to %s are posted %v, want %v", path, got, want[leaves])
				}
			}
			var read []string
			for _, e := range poll(old).Events {
				read = append(read, e.EventID)
			}
			if slices.Contains(read, "EvTried") == leaves || !slices.Contains(read, "EvLast") {
				t.Errorf("from the old cursor are polled %v", read)
			}
			// The updates have waited for their stream.
			updates := ear{name: "the session", lines: w.sse(alice, "", session), last: w.hall, raw: true}
			told := strings.Join(updates.take(t), " ")
			select {
			case line := <-updates.lines:
				told += line
			case <-time.After(time.Second):
			}
			if strings.Contains(told, room) == leaves {
				t.Errorf("the session is told %s", told)
			}
		})
	}
}

// Who leaves while their subscription is suspended, because its receiver refused for long, is posted nothing that waited
// of the conversation when the receiver is back and the subscription is refreshed.
func TestALeaveWhileSuspended(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{true, false} {
		t.Run(fmt.Sprint(leaves), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			room := w.room.room
			const lost = 10 // events in a row that are given up suspend a subscription
			refused := make(chan string, 1000)
			var back atomic.Bool
			w.mail.answers(func(_, id string) int {
				if back.Load() {
					return http.StatusNoContent
				}
				refused <- id
				return http.StatusServiceUnavailable
			})
			subscribe := func() string {
				t.Helper()
				_, body, _ := w.as(alice, "events/subscribe", a{"name": "message.created", "arguments": a{}, "cursor": "start", "delivery": a{
					"mode": "webhook", "url": w.mail.url + "/suspended", "secret": "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-nine bytes")),
				}})
				return body
			}
			for i := range lost {
				w.said(fmt.Sprint("EvLost", i), []string{room, w.hall}[i%2])
			}
			w.warm(alice)
			if body := subscribe(); strings.Contains(body, `"error"`) {
				t.Fatal(body)
			}
			for i := range lost * 3 { // three attempts each
				select {
				case <-refused:
				case <-time.After(time.Minute):
					t.Fatalf("%d attempts are made", i)
				}
			}
			w.said("EvPending", room)
			w.said("EvOpen", w.hall)
			if leaves {
				if err := w.by(sandbox.Alice).LeaveChannel(t.Context(), room); err != nil {
					t.Fatal(err)
				}
				w.tell("EvLeft", a{"type": "member_left_channel", "channel": room, "user": sandbox.Alice, "team": sandbox.Team})
			}
			select {
			case id := <-refused:
				t.Fatalf("%s is posted while the subscription is suspended", id)
			case <-time.After(100 * time.Millisecond):
			}
			back.Store(true)
			w.said("EvLast", w.hall)
			box := w.mail.box("/suspended")
			for len(box) > 0 {
				<-box // what was refused
			}
			var got []string
			for began := time.Now(); !slices.Contains(got, "EvLast"); {
				if body := subscribe(); strings.Contains(body, `"error"`) || time.Since(began) > time.Minute {
					t.Fatalf("posted are %v: %s", got, body)
				}
				select {
				case line := <-box:
					id, _, _ := strings.Cut(line, " ")
					got = append(got, id)
				case <-time.After(50 * time.Millisecond):
				}
			}
			want := map[bool][]string{true: {"EvOpen", "EvLast"}, false: {"EvPending", "EvOpen", "EvLast"}}[leaves]
			if !slices.Equal(got, want) {
				t.Errorf("when the receiver is back it is posted %v, want %v", got, want)
			}
		})
	}
}

// A public channel is made private: from the next event on it is seen by its members alone, as the sandbox, and Slack,
// have it.
func TestAConversion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	by := w.by(sandbox.Alice)
	open, err := by.CreateChannel(t.Context(), "open-for-now", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := by.Invite(t.Context(), open.ID, sandbox.BotUser); err != nil {
		t.Fatal(err)
	}
	w.tell("EvBefore", a{"type": "message", "channel": open.ID, "channel_type": "channel", "user": sandbox.Alice, "ts": "1700000000.000100", "text": "words of before"})
	sees := func(token string, want bool) {
		t.Helper()
		w.warm(token)
		if got := w.call(token, "slack_list_events", a{"limit": 200}); got.failed || strings.Contains(got.text, "words of before") != want {
			t.Errorf("%s sees %v: %s", token, !want, got.text)
		}
	}
	sees(alice, true)
	sees(bob, true)
	sees(kira, false)
	if err := w.box.MakePrivateAs("alice", "#open-for-now"); err != nil {
		t.Fatal(err)
	}
	w.tell("EvMade", a{"type": "message", "subtype": "channel_convert_to_private", "channel": open.ID, "channel_type": "group", "user": sandbox.Alice, "ts": "1700000000.000200", "text": "made this channel *private*"})
	if got := w.call(bob, "slack_get_event", a{"event_id": "EvBefore"}); !got.failed {
		t.Errorf("the first read of one who is no member: %s", got.text)
	}
	sees(alice, true)
	sees(bob, false)
}
