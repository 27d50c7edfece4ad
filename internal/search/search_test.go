package search_test

import (
	"fmt"
	"strings"
	"testing"

	"slackmcp/internal/search"
	"slackmcp/webhook/event"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, text string
		want        bool
	}{
		{"deploy", "We DEPLOY today.", true},
		{"deploy", "deployment", false},
		{"deploy*", "the deployment", true},
		{"deploy* failed", "failed: deployments", true},
		{"deploy failed", "deploy", false},
		{`"deploy failed"`, "the deploy failed again", true},
		{`"deploy failed"`, "failed deploy", false},
		{`"deploy failed"`, "deploy, deploy; *failed*", true},
		{`"failed agai*"`, "it failed again", true},
		{"“deploy failed”", "deploy failed", true},
		{"foo-bar", "x foo_bar y", true},
		{"foo-bar", "bar foo", false},
		{"cafe", "Café", true},
		{"CAFÉ", "cafe\u0301s café", true},
		{"strasse", "Straße", true},
		{"Ελλάς", "ΕΛΛΑΣ", true},
		{"file", "\ufb01le", true},
		{"password", "pass\u200bword", true},
		{"東京", "私は東京に住む", true},
		{"東京", "東の京", false},
		{"京*", "東京都", true},
		{"が", "か", false},
		{"हिन्दी", "हिन्दी में", true},
		{"4711", "order 4711!", true},
		{"-5", "about 5 of them", true},
		{"*bold*", "a bold word", true},
		{"a", "", false},
	} {
		q, err := search.Parse(c.query)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.query, err)
			continue
		}
		if got := q.Match(c.text); got != c.want {
			t.Errorf("%q in %q = %v, want %v", c.query, c.text, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for query, remedy := range map[string]string{
		"":                       "at least one",
		" ... ":                  "at least one",
		`a "b`:                   "second one",
		"*":                      "before it",
		"de*":                    "at least 3",
		"de*ploy":                "one *",
		"a OR b":                 "ask once for each",
		"deploy -failed":         "leave \"-failed\" out",
		"from:@alice deploy":     "other arguments",
		"-in:#general deploy":    "leave \"-in:#general\" out",
		strings.Repeat("ä", 201): "longer than 200",
		strings.Repeat("a ", 17): "more than 16",
		"\xff":                   "UTF-8",
	} {
		if _, err := search.Parse(query); err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("Parse(%q) = %v, want an error with %q", query, err, remedy)
		}
	}
}

func slack(kind, subtype, inner string) *event.Event {
	return &event.Event{Source: "slack", Kind: event.Kind{Type: kind, Subtype: subtype}, Raw: []byte(`{"type":"event_callback","token":"tokenword","event":` + inner + `}`)}
}

// TestFinds has what is searched of events: what a person sees of them, and nothing else that stands in them.
func TestFinds(t *testing.T) {
	t.Parallel()
	rich := slack("message", "", `{"type":"message","user":"U0WRITER","client_msg_id":"clientword","text":"see R&amp;D &lt;now&gt; <https://example.com/hiddenpath|the plan> <#C1|roadmap>",
		"attachments":[{"title":"Quarterly","text":"attached words","title_link":"https://x.example"}],"blocks":[{"type":"section","block_id":"blockword","text":{"type":"mrkdwn","text":"from a block \u00fcber"}}],
		"files":[{"id":"F1","name":"budget.xlsx","permalink":"https://a.slack.example/permaword"}]}`)
	changed := slack("message", "message_changed", `{"type":"message","subtype":"message_changed","message":{"text":"after the change"},"previous_message":{"text":"former words"}}`)
	deleted := slack("message", "message_deleted", `{"type":"message","subtype":"message_deleted","previous_message":{"text":"former words"}}`)
	command := &event.Event{Source: "slack", Kind: event.Kind{Type: event.SlashCommand}, Encoding: event.Form, Raw: []byte("command=%2Fdeploy&text=staging+now&token=tokenword")}
	other := &event.Event{Source: "stripe", Raw: []byte(`{"type":"payment_failed","amount":1999,"customer":{"name":"Acme"},"client_secret":"secretword"}`)}
	broken := &event.Event{Source: "slack", Kind: event.Kind{Type: "message"}, Raw: []byte(`{"event":{"text":"cut of`)}
	for _, c := range []struct {
		e     *event.Event
		query string
		want  bool
	}{
		{rich, "see plan roadmap", true},
		{rich, "hiddenpath", false},
		{rich, `"r d now"`, true},
		{rich, "quarterly attached", true},
		{rich, "block uber", true},
		{rich, "budget xlsx", true},
		{rich, "clientword", false},
		{rich, "blockword", false},
		{rich, "permaword", false},
		{rich, "tokenword", false},
		{rich, "mrkdwn", false},
		{changed, "after change", true},
		{changed, "former", false},
		{deleted, "former", true},
		{command, "deploy staging", true},
		{command, "tokenword", false},
		{other, "acme 1999", true},
		{other, "secretword", false},
		{broken, "cut", false},
		{&event.Event{Source: "slack"}, "cut", false},
	} {
		text, err := search.Filter(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := text.Says(c.e); got != c.want {
			t.Errorf("%q in %s = %v, want %v", c.query, c.e.Raw, got, c.want)
		}
	}
}

// TestWordsHaveAllThatIsFound asks for each word of what is searched: an index of the terms has it.
func TestWordsHaveAllThatIsFound(t *testing.T) {
	t.Parallel()
	e := slack("message", "", `{"text":"Ümläut &amp; <https://example.com/a_b|label> 東京 deploymentsword","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"emoji","name":"tada"},{"type":"user","user_id":"U1"},{"type":"text","text":"x"}]}]}]}`)
	has := map[search.Term]bool{}
	for w := range search.Words(e) {
		has[search.Term{Word: string(w)}] = true
		if n := search.Prefix(w); n > 0 {
			has[search.Term{Word: string(w[:n]), Prefix: true}] = true
		}
	}
	for word := range strings.FieldsSeq(search.TextOf(e)) {
		q, err := search.Parse(strings.Trim(word, `:<>"*`))
		if err != nil {
			continue // marks
		}
		for _, term := range q.Terms() {
			if !has[term] {
				t.Errorf("%q is found, and the index lacks %+v", word, term)
			}
		}
	}
	for _, prefix := range []string{"deploy*", "uml*"} {
		q, err := search.Parse(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if !has[q.Terms()[0]] || !q.Finds(e) {
			t.Errorf("%q: in the index %v, found %v", prefix, has[q.Terms()[0]], q.Finds(e))
		}
	}
}

// TestWordsEnd has readers that have enough after a few words, of texts of ASCII and others, and of numbers.
func TestWordsEnd(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"text":"a b c d e"}`, `{"text":"ä b c d e"}`, `{"list":["a","b","c d","e"]}`, `[1,2,3,4,5]`} {
		e := &event.Event{Source: "shop", Raw: []byte(body)}
		for most := 1; most <= 5; most++ {
			var got []string
			for w := range search.Words(e) {
				if got = append(got, string(w)); len(got) == most {
					break
				}
			}
			if len(got) != most {
				t.Errorf("%s: %q, want %d words", body, got, most)
			}
		}
	}
}

// FuzzMatch holds matching to its bounds: nothing panics, and a word of a text is found in it.
func FuzzMatch(f *testing.F) {
	f.Add("deploy*", "Deployment der Café-Straße 東京")
	f.Add(`"a b" c`, "a b c")
	f.Fuzz(func(t *testing.T, query, text string) {
		if q, err := search.Parse(query); err == nil {
			q.Match(text)
			if !q.Match(strings.ReplaceAll(query, "*", " ")) && !strings.Contains(query, `"`) {
				t.Errorf("%q does not find itself", query)
			}
		}
	})
}

func message() *event.Event {
	text := "The deployment of the billing service failed again because the migration timed out after ten minutes, please have a look at <https://ci.example.com/runs/4711|the log> before we try once more"
	return slack("message", "", fmt.Sprintf(`{"type":"message","user":"U0123456789","ts":"1700000000.000100","client_msg_id":"3a7f3a5e-3a7f-4a5e-9a7f-3a7f3a5e3a7f","text":%q,"team":"T0123456789","blocks":[{"type":"rich_text","block_id":"aBcD","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":%q}]}]}],"channel":"C0123456789","event_ts":"1700000000.000100","channel_type":"channel"}`, text, text))
}

func BenchmarkWords(b *testing.B) {
	e := message()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range search.Words(e) {
			n++
		}
	}
}

func BenchmarkFinds(b *testing.B) {
	e := message()
	text, _ := search.Filter("billing migration")
	b.ReportAllocs()
	for b.Loop() {
		text.Says(e)
	}
}
