package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

func suggestion(value string) []byte {
	payload := `{"type":"block_suggestion","action_id":"lamp","value":` + string(quote(value)) + `,"user":{"id":"U1"},"team":{"id":"T1"}}`
	return []byte("payload=" + url.QueryEscape(payload))
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return b
}

func TestAnInteractionIsAnsweredByAFunction(t *testing.T) {
	var answers webhook.Answers
	hung := make(chan struct{})
	defer close(hung)
	var kept *event.Event
	err := answers.On("block_suggestion", func(ctx context.Context, e *event.Event) (any, error) {
		in, err := event.Inner[event.Interaction](e)
		if err != nil {
			return nil, err
		}
		switch in.Value {
		case "nothing":
			return nil, nil //nolint:nilnil // the answer that says nothing
		case "panic":
			panic("lamp")
		case "error":
			return nil, errors.New("no lamps today")
		case "huge":
			return strings.Repeat("x", 300<<10), nil
		case "odd":
			return func() {}, nil
		case "hang":
			<-hung // whatever its context says
			kept = e
			return nil, ctx.Err()
		}
		return map[string]any{"options": []string{in.Value}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := answers.On("slash_command", func(_ context.Context, e *event.Event) (any, error) {
		c, err := event.Inner[event.Command](e)
		return map[string]string{"text": c.Command + " " + c.Text}, err
	}); err != nil {
		t.Fatal(err)
	}
	if answers.On("", nil) == nil || answers.On("x", nil) == nil {
		t.Error("a function that is nil, or answers nothing, is taken")
	}
	r := newRig(t, func(o *webhook.Options) { o.Answers, o.AnswerTimeout = &answers, 30*time.Second })
	const none = `{"options":[]}`
	r.slack(suggestion("red"), asForm).want(t, 200, `{"options":["red"]}`)
	for _, value := range []string{"nothing", "panic", "error", "huge", "odd"} {
		r.slack(suggestion(value), asForm).want(t, 200, none)
	}
	r.slack([]byte("command=%2Flamp&text=on&user_id=U1"), asForm).want(t, 200, `{"text":"/lamp on"}`)
	r.slack([]byte("payload="+url.QueryEscape(`{"type":"view_submission"}`)), asForm).want(t, 200, "")
	if got := len(r.stored()); got != 8 {
		t.Errorf("stored %d events, want all 8", got)
	}

	short := newRig(t, func(o *webhook.Options) { o.Answers, o.AnswerTimeout = &answers, time.Millisecond })
	short.slack(suggestion("hang"), asForm).want(t, 200, none)
	if got := len(short.stored()); got != 1 || kept != nil {
		t.Errorf("stored %d events, want the one whose answer took too long", got)
	}
}

func TestDeliverTreatsEventsAsPosted(t *testing.T) {
	var answers webhook.Answers
	if err := answers.On("block_actions", func(context.Context, *event.Event) (any, error) { return map[string]int{"n": 1}, nil }); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *webhook.Options) { o.SlackSecrets, o.Direct, o.Answers = nil, true, &answers })
	body := fixture(t, "message.channels")
	deliver := func(d webhook.Direct, wantAnswer string, wantStored bool) {
		t.Helper()
		answer, stored := r.rc.Deliver(t.Context(), d)
		if string(answer) != wantAnswer || stored != wantStored {
			t.Errorf("answered %q, stored %v; want %q, %v", answer, stored, wantAnswer, wantStored)
		}
	}
	deliver(webhook.Direct{Body: body, Retry: event.Retry{Num: 2, Reason: "timeout"}}, "", true)
	deliver(webhook.Direct{Body: body}, "", true)
	deliver(webhook.Direct{Body: []byte(`{"type":"block_actions","team":{"id":"T1"}}`), Interactive: true}, `{"n":1}`, true)
	deliver(webhook.Direct{Body: []byte(`{"command":"/lamp","text":"on","channel_id":"C1"}`), Command: true, Interactive: true}, "", true)
	for _, bad := range []string{"", "[]", `{"a":`, "\xff", `{"a":"` + strings.Repeat("x", 2<<20) + `"}`} {
		deliver(webhook.Direct{Body: []byte(bad)}, "", false)
	}
	got := r.stored()
	if len(got) != 3 || string(got[0].Raw) != string(body) || got[0].Retry.Num != 2 || got[1].Kind.Type != "block_actions" ||
		got[2].Kind.Type != event.SlashCommand || got[2].Channel != "C1" {
		t.Errorf("stored %+v", got)
	}
	if ob := r.observed(2); ob.Outcome != webhook.Duplicate || ob.Source != "slack" {
		t.Errorf("the second delivery was observed as %+v", ob)
	}
	if err := r.q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, stored := r.rc.Deliver(t.Context(), webhook.Direct{Body: fixture(t, "app_mention")}); stored {
		t.Error("an event is called stored that the queue refused")
	}
}
