package rule_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// spoken is an event of Slack's about a message.
func spoken(t *testing.T, subtype, message string) event.Event {
	t.Helper()
	env, err := event.DecodeSlack([]byte(`{"type":"event_callback","event_id":"Ev1","team_id":"T1","event":`+message+`}`), event.JSON)
	if err != nil {
		t.Fatal(err)
	}
	env.Source, env.Kind = event.SourceSlack, event.Kind{Type: "message", Subtype: subtype}
	return env.Event
}

// TestTextIsWhatAPersonSees runs the table of internal/words through the templates of rules.
func TestTextIsWhatAPersonSees(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../internal/words/testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var shapes []struct {
		Case        string
		Message     json.RawMessage
		Sees, Hides []string
	}
	if err := json.Unmarshal(raw, &shapes); err != nil {
		t.Fatal(err)
	}
	for _, s := range shapes {
		e := spoken(t, "", `{"type":"message",`+strings.TrimPrefix(string(s.Message), "{"))
		got, _, err := rule.Fill("{{.text}}", &e)
		if err != nil {
			t.Errorf("%s: %v", s.Case, err)
		}
		got = strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(got) // what comes from an event is harmless in a post
		for _, want := range s.Sees {
			if want = strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(want); !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in %q", s.Case, want, got)
			}
		}
		for _, hidden := range s.Hides {
			if strings.Contains(got, hidden) {
				t.Errorf("%s: %q is in %q", s.Case, hidden, got)
			}
		}
	}
}

// TestWhoseWordsATextIs: what quotes others, or shows a preview, is not of the event's author alone.
func TestWhoseWordsATextIs(t *testing.T) {
	t.Parallel()
	quotes := `{"type":"message","user":"U1","text":"x","attachments":[{"is_share":true,"text":"y"}]}`
	for _, tc := range []struct {
		template, subtype, message, text string
		words                            rule.Words
	}{
		{"{{.text}}", "", `{"user":"U1","text":"x"}`, "x", rule.WordsOfEvent},
		{"{{.text}}", "", quotes, "x\n&gt; y", rule.WordsUnknown},
		{"{{$.text}}", "", quotes, "x\n&gt; y", rule.WordsUnknown},
		{"{{with $x := $}}{{$x.text}}{{end}}", "", quotes, "x\n&gt; y", rule.WordsUnknown},
		{"{{index . \"text\"}}", "", quotes, "x\n&gt; y", rule.WordsUnknown},
		{"{{range $}}{{.}}{{end}}", "", quotes, "slackT1x\n&gt; ymessageU1", rule.WordsUnknown},
		{"{{.user}}", "", quotes, "U1", rule.WordsOfEvent},
		{"{{.text}}", "file_share", `{"user":"U1","files":[{"id":"F1","name":"a","user":"U1"}]}`, "[file F1: a]", rule.WordsOfEvent},
		{"{{.text}}", "file_share", `{"user":"U1","files":[{"id":"F1","name":"a","user":"U2"}]}`, "[file F1: a]", rule.WordsUnknown},
		{"{{.text}}", "message_changed", `{"message":{"user":"U1","text":"new"},"previous_message":{"user":"U1","text":"old"}}`, "new", rule.WordsOfEvent},
		{"x{{.text}}", "message_deleted", `{"previous_message":{"user":"U1","text":"old"}}`, "x", rule.WordsOfEvent},
	} {
		e := spoken(t, tc.subtype, tc.message)
		e.ID, e.User, e.Thread, e.At = "", "U1", "", e.ReceivedAt
		text, words, err := rule.FillWords(tc.template, &e)
		if err != nil || text != tc.text || words != tc.words {
			t.Errorf("%s of %s: %q of %v, %v, want %q of %v", tc.template, tc.message, text, words, err, tc.text, tc.words)
		}
	}
}

func TestAConditionOnAllThatAMessageSays(t *testing.T) {
	t.Parallel()
	rules := parse(t, `rules: [{name: cpu, when: {source: slack, match: {text: {contains: ["Host: web-3", "R&D > all"]}}}, log: {}}]`)
	for _, m := range []struct {
		json string
		want bool
	}{
		{`{"text":"","attachments":[{"fields":[{"title":"Host","value":"web-3"}]}]}`, true},
		{`{"text":"Host: web-3"}`, true},
		{`{"text":"R&amp;D &gt; all"}`, true},
		{`{"text":"","blocks":[{"type":"header","text":"Host: db"}]}`, false},
	} {
		e := spoken(t, "", m.json)
		if got := rules[0].Matches(&e); got != m.want {
			t.Errorf("%s: %v", m.json, got)
		}
	}
}
