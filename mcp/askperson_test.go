package mcp_test

import (
	"encoding/json"
	"strings"
	"testing"

	"slackmcp/mcp"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// asked is what slack_ask returned.
type asked struct {
	AskID   string `json:"ask_id"`
	Status  string `json:"status"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// askAs asks a question in a conversation.
func (h *peopleServer) askAs(token, channel string) (asked, called) {
	h.t.Helper()
	got := h.call(token, "slack_ask", a{"channel": channel, "question": "Ship it?", "choices": []string{"yes", "no"}, "timeout_seconds": 0})
	var q asked
	if !got.failed {
		if err := json.Unmarshal([]byte(got.text), &q); err != nil {
			h.t.Fatalf("%v in %s", err, got.text)
		}
	}
	return q, got
}

// shown is a message as the bot reads it.
func (h *peopleServer) shown(channel, ts string) string {
	h.t.Helper()
	page, err := h.bot.Replies(h.t.Context(), slackapi.RepliesQuery{Channel: channel, ThreadTS: ts, Limit: 1})
	if err != nil || len(page.Messages) == 0 {
		h.t.Fatalf("%s in %s: %v", ts, channel, err)
	}
	raw, err := json.Marshal(page.Messages[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return string(raw)
}

// The bot asks for a person where they are a member at that moment, and names them without mentioning
// anybody. The answer is that sign-in's.
func TestTheBotAsksForAPerson(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	q, got := h.askAs(alice, sandbox.General)
	if got.failed || q.Status != "open" {
		t.Fatalf("%+v", got)
	}
	said := h.shown(q.Channel, q.TS)
	for _, want := range []string{`"bot_id"`, "By an assistant of " + sandbox.Alice + " (@alice", `"plain_text"`} {
		if !strings.Contains(said, want) {
			t.Errorf("the message has no %s: %s", want, said)
		}
	}
	if strings.Contains(said, "\\u003c@"+sandbox.Alice) {
		t.Errorf("the message mentions the person: %s", said)
	}
	for who, token := range map[string]string{"another person": bob, "another client of the person": sandbox.Alice + ".phone.read.write"} {
		other, none := h.call(token, "slack_ask", a{"ask_id": q.AskID, "timeout_seconds": 0}), h.call(token, "slack_ask", a{"ask_id": strings.Repeat("0", 32), "timeout_seconds": 0})
		if !other.failed || other.text != none.text {
			t.Errorf("%s is told of the question %+v, of none %+v", who, other, none)
		}
	}
	if got := h.call(alice, "slack_ask", a{"ask_id": q.AskID, "timeout_seconds": 0}); got.failed || !strings.Contains(got.text, `"open"`) {
		t.Errorf("the one who asked: %+v", got)
	}
	if got := h.call(bob, "slack_delete_message", a{"channel": q.Channel, "timestamp": q.TS}); !got.failed {
		t.Errorf("another one withdraws it: %+v", got)
	}
	if got := h.call(alice, "slack_delete_message", a{"channel": q.Channel, "timestamp": q.TS}); got.failed {
		t.Errorf("it is not withdrawn: %+v", got)
	}
	if got := h.call(alice, "slack_ask", a{"ask_id": q.AskID, "timeout_seconds": 0}); !strings.Contains(got.text, `"withdrawn"`) {
		t.Errorf("once it is withdrawn: %+v", got)
	}
	if q, got := h.askAs(alice, "@alice"); got.failed || !strings.HasPrefix(q.Channel, "D") {
		t.Errorf("the person themself: %+v", got)
	}
}

// Where the person is no member at that moment, the bot does nothing: what they were a moment ago does not
// count, and what is hidden is as what is not there.
func TestTheBotAsksForMembersOnly(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	room, err := h.by(sandbox.Alice).CreateChannel(t.Context(), "asking-room", true)
	if err != nil {
		t.Fatal(err)
	}
	bot, err := h.bot.AuthTest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.by(sandbox.Alice).Invite(t.Context(), room.ID, bot.UserID); err != nil {
		t.Fatal(err)
	}
	if _, got := h.askAs(alice, room.ID); got.failed {
		t.Fatalf("a member: %+v", got)
	}
	before := h.counted("bot")
	refused := func(who, token, channel, why string) string {
		t.Helper()
		_, got := h.askAs(token, channel)
		if !got.failed || !strings.Contains(got.text, why) {
			t.Errorf("%s: %+v", who, got)
		}
		return got.text
	}
	hidden := refused("who is no member", bob, room.ID, "not_a_member")
	if none := refused("of no conversation", bob, "C0NOBODY0001", "not_a_member"); none != hidden {
		t.Errorf("hidden is %q, absent %q", hidden, none)
	}
	if err := h.by(sandbox.Alice).LeaveChannel(t.Context(), room.ID); err != nil {
		t.Fatal(err)
	}
	refused("who has just left", alice, room.ID, "not_a_member")
	refused("a direct message with another", alice, "@bob", "no")
	refused("the direct message of another with the bot", bob, sandbox.AliceDM, "not_a_member")
	h.people.mu.Lock()
	h.people.tokens[sandbox.Bob] = ""
	h.people.mu.Unlock()
	refused("who has no grant any more", bob, sandbox.General, "sign_in_again")
	if n := h.counted("bot") - before; n != 0 {
		t.Errorf("%d calls with the bot's token", n)
	}
}

// An event is answered by the person or, where the operator prefers that, by the bot, which names them and has to
// find them in the conversation.
func TestAnswersToEventsOfAPerson(t *testing.T) {
	t.Parallel()
	for _, asBot := range []bool{false, true} {
		h := newPeopleServer(t, func(o *mcp.Options) { o.SpeakAsBot = asBot })
		h.members.Put(sandbox.General, sandbox.Alice, sandbox.Kira)
		h.spoke("EvAsk", sandbox.General, "who knows?")
		before := h.counted("bot")
		got := h.call(alice, "slack_reply_to_event", a{"event_id": "EvAsk", "to": "channel", "text": "I do"})
		var sent asked
		if err := json.Unmarshal([]byte(got.text), &sent); err != nil || got.failed {
			t.Fatalf("%v: %+v", err, got)
		}
		used := h.counted("bot") - before
		said := h.shown(sent.Channel, sent.TS)
		if named := strings.Contains(said, "By an assistant of "+sandbox.Alice+" (@alice"); named != asBot || strings.Contains(said, `"user":"`+sandbox.Alice) == asBot || (used > 0) != asBot {
			t.Errorf("as the bot %v: %d calls of the bot's, %s", asBot, used, said)
		}
		if got := h.call(kira, "slack_event_context", a{"event_id": "EvAsk"}); got.failed || !strings.Contains(got.text, "who knows?") {
			t.Errorf("its surroundings: %+v", got)
		}
		room := keep(t, h.by(sandbox.Bob), "canarybob", sandbox.Grace)
		h.members.Put(room.room, sandbox.Alice) // as far as the cache knows
		h.spoke("EvRoom", room.room, "anybody?")
		before = h.counted("bot")
		if got := h.call(alice, "slack_reply_to_event", a{"event_id": "EvRoom", "to": "channel", "text": "I"}); !got.failed {
			t.Errorf("who is no member answers: %+v", got)
		}
		if n := h.counted("bot") - before; n != 0 {
			t.Errorf("%d calls with the bot's token", n)
		}
	}
}
