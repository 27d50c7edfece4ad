package ask_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"slackmcp/mcp/ask"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

func TestWordsOnAChangedMessageAreNoAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		blocks string
		status ask.Status
	}{
		"as it was posted":   {"", ask.Answered},
		"another question":   {`[{"type":"section","text":{"type":"mrkdwn","text":"Lunch?"}}]`, ask.Altered},
		"the same once more": {"same", ask.Altered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			row := r.ask(ask.Question{})
			if tc.blocks == "same" {
				tc.blocks = string(r.message(row).Blocks)
			}
			if tc.blocks != "" {
				u := slackapi.Update{Channel: row.Channel, TS: row.TS, Text: "?", Blocks: json.RawMessage(tc.blocks), Question: true}
				if _, err := r.api.UpdateMessage(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			answered, err := r.asks.AnswerInWords(t.Context(), row.ID, 0, sandbox.Alice, "Ev1")
			if err != nil || answered != (tc.status == ask.Answered) {
				t.Errorf("the words are an answer: %t, %v", answered, err)
			}
			if tc.status == ask.Answered {
				r.is(row, ask.Answered, "Approve", sandbox.Alice)
			} else {
				r.is(row, ask.Altered, "", "")
			}
		})
	}
}

func TestWordsOnAMessageThatCannotBeReadAreNoAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		failure error
		again   bool // another attempt may do
	}{
		"no scope":     {&slackapi.Error{Kind: slackapi.MissingScope, Code: "missing_scope"}, false},
		"no access":    {&slackapi.Error{Kind: slackapi.NotFound, Code: "channel_not_found"}, false},
		"out of order": {&slackapi.Error{Kind: slackapi.Unavailable, Code: "internal_error"}, true},
		"cut off":      {errors.New("cut off"), true},
		"gone":         {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, q := newPaper(t)
			s.post = func(p slackapi.Post) (slackapi.Posted, error) {
				return slackapi.Posted{Channel: "C1", TS: "1.1", Message: slackapi.Message{AppID: "A1", Blocks: p.Blocks}}, nil
			}
			row, err := pose(t.Context(), q, s, question, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			s.read = tc.failure
			answered, err := q.AnswerInWords(t.Context(), row.ID, 0, "U1", "Ev1")
			if answered || (err != nil) != tc.again {
				t.Errorf("the words are an answer: %t, %v", answered, err)
			}
			if r, err := q.Read(t.Context(), row.ID); err != nil || r.Status != ask.Open {
				t.Errorf("the question is %s, %v; its buttons should count", r.Status, err)
			}
		})
	}
}

func TestAChangedQuestionEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	report := func(of ask.Row, message map[string]any) {
		t.Helper()
		raw, err := json.Marshal(map[string]any{
			"type": "event_callback", "event_id": "Ev1", "team_id": "T0LANTERN01", "event": map[string]any{
				"type": "message", "subtype": "message_changed", "channel": of.Channel, "message": message,
				"previous_message": map[string]any{"ts": of.TS, "blocks": r.message(of).Blocks},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.append(raw, event.JSON)
		r.settle(r.last())
	}
	for name, tc := range map[string]struct {
		change func(m map[string]any)
		status ask.Status
	}{
		"nothing that is shown": {func(m map[string]any) { m["reply_count"] = 1 }, ask.Open},
		"edited":                {func(m map[string]any) { m["edited"] = map[string]any{"user": "U1", "ts": "1.1"} }, ask.Altered},
		"other blocks":          {func(m map[string]any) { m["blocks"] = []any{map[string]any{"type": "divider"}} }, ask.Altered},
		"no blocks":             {func(m map[string]any) { delete(m, "blocks") }, ask.Altered},
		"another message":       {func(m map[string]any) { m["ts"], m["blocks"] = "1.000001", nil }, ask.Open},
	} {
		row := r.ask(ask.Question{})
		m := map[string]any{"ts": row.TS, "blocks": r.message(row).Blocks}
		tc.change(m)
		report(row, m)
		got, err := r.asks.ReadAs(t.Context(), principal, row.ID)
		if err != nil || got.Status != tc.status {
			t.Errorf("%s: the question is %s, %v, want %s", name, got.Status, err, tc.status)
		}
	}
}

// TestKinds reads the kinds of events that may end a question as patterns, and finds each such event.
func TestKinds(t *testing.T) {
	t.Parallel()
	patterns, err := event.ParsePatterns(ask.Kinds()...)
	if err != nil {
		t.Fatal(err)
	}
	f := event.Filter{Source: event.SourceSlack, Patterns: patterns}
	for kind, want := range map[event.Kind]bool{
		{Type: "block_actions"}:                               true,
		{Type: "message", Subtype: "message_deleted"}:         true,
		{Type: "message", Subtype: "message_changed"}:         true,
		{Type: "message"}:                                     false,
		{Type: "reaction_added"}:                              false,
		{Type: "message.message_deleted", Subtype: "another"}: false,
	} {
		if got := f.Match(&event.Event{Source: event.SourceSlack, Kind: kind}); got != want {
			t.Errorf("%v is handled: %v", kind, got)
		}
	}
}
