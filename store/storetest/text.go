package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"slackmcp/internal/search"
	"slackmcp/webhook/event"
)

func textTests() []test {
	return []test{
		{name: "words are found in the same events by every store", run: textFinds},
		{name: "words are found after a restart and after trimming", restart: true, run: textAcrossRestart},
		{name: "a search for words that ends early says how far it looked", run: textLooked},
		{name: "what its reader may not see matches no words", run: textSight},
	}
}

// saying is an event whose message has a text.
func (e *env) saying(id, channel, text string) event.Event {
	m := e.message(id)
	m.Channel, m.Raw = channel, fmt.Appendf(nil, `{"type":"event_callback","event":{"type":"message","client_msg_id":"unsaid","text":%q}}`, text)
	return m
}

func (e *env) say(id, channel, text string) event.Position {
	e.Helper()
	r, err := e.q.Publish(e.Context(), e.saying(id, channel, text))
	if err != nil {
		e.Fatalf("Publish(%s): %v", id, err)
	}
	return r.Position
}

// asking is a query for words.
func (e *env) asking(words string) event.Query {
	e.Helper()
	text, err := search.Filter(words)
	if err != nil {
		e.Fatalf("Filter(%q): %v", words, err)
	}
	return event.Query{Order: event.OldestFirst, Filter: event.Filter{Text: text}}
}

// textCases are what is found among the texts of textFinds.
var textCases = []struct {
	words, channel string
	want           []string
}{
	{words: "deployment", want: []string{"m1", "m4"}},
	{words: "DEPLOY*", want: []string{"m1", "m3", "m4"}},
	{words: "deploy* failed", want: []string{"m1", "m3"}},
	{words: `"deployment failed"`, want: []string{"m1"}},
	{words: "deployment", channel: "C2", want: []string{"m4"}},
	{words: "cafe", want: []string{"m2"}},
	{words: "unsaid", want: nil},
	{words: "nowhere", want: nil},
	{words: "4711 acme", want: []string{"m5"}},
}

func textFinds(e *env) {
	e.open(Config{})
	e.say("m1", "C1", "The deployment failed again")
	e.say("m2", "C1", "We meet in the Café at ten")
	e.say("m3", "C1", "failed: deploys of today")
	e.say("m4", "C2", "A deployment that went well has not failing parts")
	other := event.Event{Source: "shop", ID: "m5", Kind: event.Kind{Type: "order"}, ReceivedAt: time.Now(), Raw: []byte(`{"number":4711,"customer":"Acme"}`)}
	if _, err := e.q.Publish(e.Context(), other); err != nil {
		e.Fatalf("Publish: %v", err)
	}
	e.publish(names("n", 12)...)
	for _, c := range textCases {
		q := e.asking(c.words)
		q.Filter.Channel = c.channel
		got, _ := e.pages(q)
		e.same(fmt.Sprintf("oldest first, %q in %q", c.words, c.channel), got, c.want)
		q.Order, q.Limit = event.NewestFirst, 1
		got, _ = e.pages(q)
		e.same(fmt.Sprintf("newest first, %q in %q", c.words, c.channel), got, reversed(c.want))
		q.NoBodies = true
		got, _ = e.pages(q)
		e.same(fmt.Sprintf("without bodies, %q in %q", c.words, c.channel), got, reversed(c.want))
	}
}

func textAcrossRestart(e *env) {
	e.open(Config{RetentionCount: 40})
	e.say("first", "C1", "an early deployment")
	e.publish(names("m", 20)...)
	e.say("second", "C1", "another deployment")
	e.restart()
	got, _ := e.pages(e.asking("deployment"))
	e.same("after the restart", got, []string{"first", "second"})
	e.publish(names("n", 30)...)
	e.say("third", "C1", "one more deployment")
	e.eventually("the oldest are trimmed", func() error {
		s, err := e.q.Stats(e.Context())
		if err == nil && s.Events > 40 {
			err = fmt.Errorf("%d events are kept", s.Events)
		}
		return err
	})
	got, _ = e.pages(e.asking("deployment"))
	e.same("after trimming", got, []string{"second", "third"})
}

func textLooked(e *env) {
	e.open(Config{})
	e.say("hit", "C1", "the needle")
	var last time.Time
	for _, id := range names("m", 20) {
		m := e.saying(id, "C1", "hay")
		last = m.ReceivedAt
		if _, err := e.q.Publish(e.Context(), m); err != nil {
			e.Fatalf("Publish: %v", err)
		}
	}
	q := e.asking("hay")
	q.Order, q.ScanBudget, q.Limit = event.NewestFirst, 5, 1
	p, err := e.q.History(e.Context(), q)
	if err != nil || !p.More || !p.Looked.Round(time.Millisecond).Equal(last.Round(time.Millisecond)) {
		e.Errorf("History = more %v, looked as far as %v, %v, want more, and %v", p.More, p.Looked, err, last)
	}
	q = e.asking("needle")
	q.Order, q.ScanBudget = event.NewestFirst, 5
	got, sizes := e.pages(q)
	e.same("page by page", got, []string{"hit"})
	if len(sizes) > 5 {
		e.Errorf("21 events took %d pages with a budget of 5 events", len(sizes))
	}
}

// textSight has a reader who may see one channel: words of another one match nothing, and nobody looks at them.
func textSight(e *env) {
	e.open(Config{})
	for i := range 10 {
		e.say(fmt.Sprint("open", i), "C1", "the word")
		e.say(fmt.Sprint("secret", i), "C2", "the word")
	}
	q := e.asking("word")
	says := q.Filter.Text.Says
	q.Filter.Text = &event.Text{Query: "word", Says: func(m *event.Event) bool {
		if m.Channel == "C2" {
			e.Errorf("%s is looked at, and its reader may not see it", m.ID)
		}
		return says(m)
	}}
	q.Filter.Sight = &event.Sight{NeedsBody: func(*event.Event) bool { return false }, Sees: func(m *event.Event) bool { return m.Channel == "C1" }}
	if p, err := e.q.History(e.Context(), q); errors.Is(err, errors.ErrUnsupported) && len(p.Events) == 0 {
		return
	}
	got, _ := e.pages(q)
	if len(got) != 10 || slices.ContainsFunc(got, func(id string) bool { return id[0] != 'o' }) {
		e.Errorf("found %v, want the ten open ones", got)
	}
}
