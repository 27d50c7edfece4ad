package view_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

const (
	seesIn   = "C0GENERAL1"
	hiddenIn = "C0HIDDEN01"
)

// everybody is a person who sees every conversation, onlooker one who sees all but one.
func everybody(user string) view.Seer {
	return view.Seer{User: user, Sees: func(string) bool { return true }}
}

func onlooker(user string) view.Seer {
	return view.Seer{User: user, Sees: func(c string) bool { return c == seesIn }}
}

func textOf(e *event.Event) string {
	r := view.NewJudge(view.JudgeOptions{}).Reading(context.Background())
	shown, err := json.Marshal(r.Event(e, view.EventOptions{Payload: true}))
	if err != nil {
		panic(err)
	}
	return string(shown)
}

// A type of event is judged before a person is shown one: what lockdown's list, and what is told of it,
// know has an entry here too.
func TestEveryTypeIsJudgedForPeople(t *testing.T) {
	t.Parallel()
	judged := view.Seen()
	known := append(view.Types(), view.Told()...)
	for _, d := range documentedEvents(t) {
		e := d.event(t)
		known = append(known, e.Kind.Type)
	}
	for _, typ := range known {
		if !slices.Contains(judged, typ) {
			t.Errorf("%s: it is not judged what a person is shown of it: add it to seen", typ)
		}
	}
	for _, typ := range judged {
		if !slices.Contains(known, typ) {
			t.Errorf("%s is judged, and nothing else knows it", typ)
		}
	}
}

// Who sees every conversation, and did it, is told what a service is told, but for what was said before.
func TestThePersonIsTold(t *testing.T) {
	t.Parallel()
	for _, d := range documentedEvents(t) {
		e := d.event(t, a{"authorizations": []any{a{"team_id": "T0HOME0001", "user_id": "U0SELF0001", "is_bot": true}}})
		shown := everybody(e.User).Event(&e)
		r := view.NewJudge(view.JudgeOptions{}).Reading(t.Context())
		was, is := r.Event(&e, view.EventOptions{}), r.Event(&shown, view.EventOptions{})
		if was.Text != is.Text && e.Kind.Subtype != "message_deleted" && e.Kind.Type != "function_executed" {
			t.Errorf("%s: a service is told %q, the person who did it %q", d.Name, was.Text, is.Text)
		}
		if was.TS != is.TS || was.Channel != is.Channel || was.User != is.User || was.ThreadTS != is.ThreadTS {
			t.Errorf("%s: a service sees %+v, the person %+v", d.Name, was, is)
		}
		if again := everybody(e.User).Event(&shown); !bytes.Equal(again.Raw, shown.Raw) {
			t.Errorf("%s: %s is built anew as %s", d.Name, shown.Raw, again.Raw)
		}
	}
}

// plant puts canaries into every object of a body, by names that nobody has listed and by those of what is
// never shown.
func plant(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plant(v[i])
		}
	case a:
		for k := range v {
			if k != "values" && k != "submission" { // their names are a form's
				v[k] = plant(v[k])
			}
		}
		for _, name := range []string{
			"authorizations", "event_context", "previous_message", "private_metadata", "response_url", "response_urls", "trigger_id",
			"groups", "ims", "shares", "pinned_to", "pinned_info", "room", "something_new", "token", "action_token", "event_payload", "channels",
		} {
			v[name] = a{"x": canary, "text": canary, "channel": canary, "user_id": canary}
		}
	}
	return v
}

func TestWhatIsNotListedIsNotShown(t *testing.T) {
	t.Parallel()
	for _, d := range documentedEvents(t) {
		for _, o := range []*a{&d.Event, &d.Payload} {
			if *o != nil {
				*o = plant(*o).(a) //nolint:forcetypeassert // it was one
			}
		}
		e := d.event(t, a{"authorizations": []any{a{"team_id": "T0HOME0001", "user_id": canary}}, "event_context": canary, "authed_users": []string{canary}, "token": canary})
		for _, user := range []string{"U0BYSTANDR", e.User} {
			shown := everybody(user).Event(&e)
			if strings.Contains(string(shown.Raw), canary) {
				t.Errorf("%s for %s: %s", d.Name, user, shown.Raw)
			}
			if text := textOf(&shown); strings.Contains(text, `event_context`) || strings.Contains(text, "authorizations") {
				t.Errorf("%s for %s: %s", d.Name, user, text)
			}
		}
	}
}

// Nested messages are judged by their own conversation.
func TestNestedMessagesAreJudged(t *testing.T) {
	t.Parallel()
	secret := func(more a) a {
		m := a{"type": "message", "user": "U0INSIDE01", "text": canary, "ts": "1763990000.000100", "blocks": []any{a{"type": "section", "text": a{"type": "mrkdwn", "text": canary}}}}
		maps.Copy(m, more)
		return m
	}
	link := "https://x.slack.com/archives/" + hiddenIn + "/p1763990000000100"
	said := func(more a) a {
		m := a{"type": "message", "channel": seesIn, "user": "U0INSIDE01", "text": "look", "ts": "1763990009.000100"}
		maps.Copy(m, more)
		return m
	}
	shares := func(at a) a { return said(a{"attachments": []any{at}}) }
	quote := a{"text": canary, "fallback": canary, "author_name": canary, "ts": "1763990000.000100"}
	with := func(more a) a {
		at := maps.Clone(quote)
		maps.Copy(at, more)
		return at
	}
	cases := map[string]struct {
		event a
		words bool // it is said that something is left out
	}{
		"a forward":                     {shares(with(a{"is_share": true, "channel_id": hiddenIn})), true},
		"a forward that names no place": {shares(with(a{"is_share": true})), true},
		"a preview":                     {shares(with(a{"is_msg_unfurl": true, "from_url": link, "channel_name": canary})), true},
		"a preview, by its link alone":  {shares(with(a{"from_url": link})), true},
		"a preview, by its former link": {shares(with(a{"original_url": link})), true},
		"a forward of blocks":           {shares(with(a{"is_share": true, "channel_id": seesIn, "message_blocks": []any{a{"channel": hiddenIn, "message": a{"blocks": []any{a{"type": "section", "text": canary}}}}}})), true},
		"a forward with two places":     {shares(with(a{"is_share": true, "channel_id": seesIn, "from_url": link})), true},
		"a forward in a forward":        {shares(a{"is_share": true, "channel_id": seesIn, "text": "seen", "attachments": []any{quote}}), false},
		"a root of elsewhere":           {said(a{"subtype": "thread_broadcast", "root": secret(a{"channel": hiddenIn})}), true},
		"a change of elsewhere":         {a{"type": "message", "subtype": "message_changed", "channel": seesIn, "message": secret(a{"channel": hiddenIn})}, true},
		"what was said before":          {a{"type": "message", "subtype": "message_changed", "channel": seesIn, "message": said(nil), "previous_message": secret(nil)}, false},
		"what was deleted":              {a{"type": "message", "subtype": "message_deleted", "channel": seesIn, "deleted_ts": "1763990000.000100", "previous_message": secret(nil)}, false},
		"a pin of elsewhere":            {a{"type": "pin_added", "user": "U0INSIDE01", "channel_id": seesIn, "item": a{"type": "message", "channel": seesIn, "message": secret(a{"channel": hiddenIn})}}, true},
		"a pin, by its link":            {a{"type": "pin_added", "user": "U0INSIDE01", "channel_id": seesIn, "item": a{"type": "message", "channel": seesIn, "message": secret(a{"permalink": link})}}, true},
		"a name in a text":              {said(a{"text": "see <#" + hiddenIn + "|" + canary + ">"}), false},
		"a name in a text, escaped":     {said(a{"blocks": []any{a{"type": "section", "text": a{"text": "<#" + hiddenIn + "|" + canary + ">"}}}}), false},
		"where else a file is":          {said(a{"files": []any{a{"id": "F1", "name": "x", "channels": []string{canary}, "groups": []string{canary}, "shares": a{"private": a{canary: 1}}}}}), false},
		"where else a deleted file was": {a{"type": "file_deleted", "file_id": "F1", "channel_ids": []string{canary, seesIn}}, false},
		"the former and the new id":     {a{"type": "channel_id_changed", "old_channel_id": canary, "new_channel_id": seesIn}, false},
		"a type that nobody has judged": {a{"type": "something_new", "channel": seesIn, "text": canary, "user": a{"name": canary}}, false},
		"a member that is no object":    {said(a{"root": canary, "attachments": canary, "edited": canary, "item": canary}), false},
		"a user group's channels":       {a{"type": "subteam_updated", "subteam": a{"id": "S1", "prefs": a{"groups": []string{canary}}}}, false},
		"the metadata of a message":     {said(a{"metadata": a{"event_type": "x", "event_payload": a{"x": canary}}}), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := eventtest.Envelope("Ev1", c.event)
			shown := onlooker("U0INSIDE01").Event(&e)
			text := textOf(&shown)
			if strings.Contains(string(shown.Raw), canary) || strings.Contains(text, canary) {
				t.Errorf("%s", shown.Raw)
			}
			if strings.Contains(text, "left out: not visible") != c.words {
				t.Errorf("left out in words: %v, want %v: %s", !c.words, c.words, text)
			}
			all := everybody("U0INSIDE01").Event(&e)
			if c.words && c.event["subtype"] == nil && !strings.Contains(name, "no place") && !strings.Contains(textOf(&all), canary) {
				t.Errorf("who sees both is not shown it: %s", all.Raw)
			}
		})
	}
}

// What was typed into a form is shown to the one who did it alone; which button was pressed to all who see
// the message, unless they do not see it any more.
func TestFormsAreOfTheirActor(t *testing.T) {
	t.Parallel()
	send := func(channel string, payload a) event.Event {
		payload["team"], payload["user"] = a{"id": "T0HOME0001"}, a{"id": "U0ACTOR001", "name": "ada"}
		payload["trigger_id"], payload["response_url"] = "handle", "https://hooks.slack.com/handle"
		if channel != "" {
			payload["channel"] = a{"id": channel, "name": "x"}
		}
		env, err := event.DecodeSlack([]byte(url.Values{"payload": {mustJSON(t, payload)}}.Encode()), event.Form)
		if err != nil {
			t.Fatal(err)
		}
		return env.Event
	}
	values := a{"values": a{"b": a{"x": a{"type": "plain_text_input", "value": canary}}}}
	message := a{"ts": "1763990000.000100", "text": "asks", "user": "U0SELF0001"}
	cases := map[string]event.Event{
		"a form":                send("", a{"type": "view_submission", "view": a{"id": "V1", "callback_id": "f", "state": values}}),
		"a dialog":              send(seesIn, a{"type": "dialog_submission", "submission": a{"x": canary}}),
		"an input":              send(seesIn, a{"type": "block_actions", "message": message, "actions": []any{a{"type": "plain_text_input", "action_id": "x", "value": canary}}}),
		"a menu":                send(seesIn, a{"type": "block_actions", "message": message, "actions": []any{a{"type": "static_select", "selected_option": a{"text": a{"text": canary}, "value": canary}}}}),
		"the form of a message": send(seesIn, a{"type": "block_actions", "message": message, "state": values, "actions": []any{a{"type": "button", "value": "yes"}}}),
		"what was typed so far": send("", a{"type": "block_suggestion", "action_id": "x", "value": canary}),
	}
	for name, e := range cases {
		mine, theirs := onlooker("U0ACTOR001").Event(&e), onlooker("U0OTHER001").Event(&e)
		if !strings.Contains(textOf(&mine), canary) {
			t.Errorf("%s: its actor is not shown it: %s", name, mine.Raw)
		}
		if strings.Contains(string(theirs.Raw), canary) {
			t.Errorf("%s: another one is shown it: %s", name, theirs.Raw)
		}
		for _, shown := range []event.Event{mine, theirs} {
			if strings.Contains(string(shown.Raw), "handle") {
				t.Errorf("%s: %s", name, shown.Raw)
			}
		}
	}
	pressed := send(seesIn, a{"type": "block_actions", "message": message, "actions": []any{a{"type": "button", "action_id": "go", "value": "yes", "text": a{"text": "Yes"}}}})
	if shown := onlooker("U0OTHER001").Event(&pressed); !strings.Contains(textOf(&shown), "Yes") {
		t.Errorf("the button is not told: %s", textOf(&shown))
	}
	left := send(hiddenIn, a{"type": "block_actions", "message": a{"ts": "1763990000.000100", "text": canary}, "actions": []any{a{"type": "button", "value": "yes"}}})
	if shown := onlooker("U0ACTOR001").Event(&left); strings.Contains(string(shown.Raw), canary) {
		t.Errorf("who left is shown the message: %s", shown.Raw)
	}
}

// An event that is wide or deep is bounded.
func TestContentsAreBounded(t *testing.T) {
	t.Parallel()
	deep := any("x")
	for range 500 {
		deep = a{"type": "section", "elements": []any{deep}}
	}
	wide := make([]any, 100_000)
	for i := range wide {
		wide[i] = 1
	}
	e := eventtest.Envelope("Ev1", a{"type": "message", "channel": seesIn, "text": "x", "blocks": []any{deep}, "reply_users": wide, "ts": "1"})
	if shown := everybody("U1").Event(&e); len(shown.Raw) > 100_000 {
		t.Errorf("%d bytes", len(shown.Raw))
	}
}

func BenchmarkContents(b *testing.B) {
	e := eventtest.Envelope("Ev1", a{
		"type": "message", "channel": seesIn, "user": "U1", "text": "see <#C1|x>", "ts": "1763990000.000100", "client_msg_id": "x", "team": "T1",
		"blocks": []any{a{"type": "rich_text", "block_id": "x", "elements": []any{a{"type": "rich_text_section", "elements": []any{a{"type": "text", "text": "hello"}}}}}},
	})
	s := onlooker("U1")
	for b.Loop() {
		s.Event(&e)
	}
}
