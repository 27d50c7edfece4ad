package mcp_test

import (
	"strings"
	"testing"

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
