package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/webhook/event"
)

// A matcher is a When made ready.
type matcher struct {
	when     When
	patterns []event.Pattern
	places   []place
}

type place struct {
	at   locator
	cond Condition
	re   *regexp.Regexp
}

func newMatcher(w *When) (*matcher, error) {
	m := &matcher{}
	if w == nil {
		return m, nil
	}
	m.when = *w
	var err error
	if m.patterns, err = event.ParsePatterns(w.Type...); err != nil {
		return nil, err
	}
	for _, entry := range w.Match {
		p := place{cond: entry.Value}
		if p.at, err = newLocator(entry.Name); err != nil {
			return nil, err
		}
		if p.cond.Matches != "" {
			if p.re, err = regexp.Compile(p.cond.Matches); err != nil {
				return nil, err
			}
		}
		m.places = append(m.places, p)
	}
	return m, nil
}

// match reports whether the rule wants the event.
func (m *matcher) match(e *event.Event) bool {
	w := &m.when
	if !among(w.Source, e.Source) || !among(w.Subtype, e.Kind.Subtype) || !among(w.Channel, e.Channel) ||
		!among(w.User, e.User) || !among(w.Team, e.Team) {
		return false
	}
	if len(m.patterns) > 0 && !slices.ContainsFunc(m.patterns, func(p event.Pattern) bool { return p.Match(e) }) {
		return false
	}
	for i := range m.places {
		if !m.places[i].match(e) {
			return false
		}
	}
	return true
}

// among reports whether a list that says something has the value.
func among(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }

func (p *place) match(e *event.Event) bool {
	text, found := p.at.find(e)
	c := &p.cond
	ok := c.Exists == nil || *c.Exists == found
	if len(c.Equals) > 0 {
		ok = ok && found && slices.Contains(c.Equals, text)
	}
	if len(c.Contains) > 0 {
		ok = ok && found && slices.ContainsFunc(c.Contains, func(part string) bool { return strings.Contains(text, part) })
	}
	if p.re != nil {
		ok = ok && found && p.re.MatchString(text)
	}
	return ok != c.Not
}

// filter is as much of the rule as the queue itself can judge.
func (m *matcher) filter(includeSelf bool) event.Filter {
	one := func(list []string) string {
		if len(list) == 1 {
			return list[0]
		}
		return ""
	}
	return event.Filter{
		Source: one(m.when.Source), Team: one(m.when.Team), Channel: one(m.when.Channel), User: one(m.when.User),
		Patterns: m.patterns, ExcludeSelf: !includeSelf,
	}
}

// A locator finds the text at a place of a body: by a path in JSON, also in that of a
// form's payload, or by the name of a form's field.
type locator struct {
	path  event.Path
	field string
}

func newLocator(s string) (locator, error) {
	p, err := event.ParsePath(s)
	return locator{p, s}, err
}

func (l locator) find(e *event.Event) (string, bool) {
	if e.Encoding == event.JSON {
		return l.path.Find(e.Raw)
	}
	if payload, ok := event.FormValue(e.Raw, "payload"); ok {
		return l.path.Find(payload)
	}
	v, ok := event.FormValue(e.Raw, l.field)
	return string(v), ok
}

// A trip counts the acts of one rule and says when it acts too often. It is closed until
// more than Limit events came within a time span; then it is open for Pause; then it
// counts anew.
type trip struct {
	b   Breaker
	now func() time.Time

	mu     sync.Mutex
	acts   []time.Time // within the span, the oldest first; at most Limit
	opened time.Time   // zero while closed
}

// A state of a breaker that has just begun; empty when nothing changed.
const (
	opened = "open"
	closed = "closed"
)

// allow counts one act, unless the breaker is open. change tells of its opening and
// closing.
func (t *trip) allow(e *event.Event) (ok bool, change string) {
	if t.b.Counts == countsBots && !byBot(e) {
		return true, ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if !t.opened.IsZero() {
		if now.Sub(t.opened) < t.b.Pause {
			return false, ""
		}
		t.opened, t.acts, change = time.Time{}, nil, closed
	}
	for len(t.acts) > 0 && now.Sub(t.acts[0]) >= t.b.Within {
		t.acts = t.acts[1:]
	}
	if len(t.acts) >= t.b.Limit {
		t.opened, t.acts = now, nil
		return false, opened
	}
	t.acts = append(t.acts, now)
	return true, change
}

// A TrippedError is an event that its rule's breaker stopped.
type TrippedError struct {
	Rule string
	Breaker
}

// Error says what happened and the remedy.
func (e *TrippedError) Error() string {
	return fmt.Sprintf("rule %s acted on %d events within %s and pauses for %s: if it is no loop between bots, raise breaker.limit and redrive",
		e.Rule, e.Limit, e.Within, e.Pause)
}

// author is who wrote an event of Slack, as far as its loop guards ask.
type author struct {
	BotID   string `json:"bot_id"`
	Subtype string `json:"subtype"`
	Message *struct {
		BotID string `json:"bot_id"`
	} `json:"message"`
	Previous *struct {
		BotID string `json:"bot_id"`
	} `json:"previous_message"`
}

func authorOf(e *event.Event) author {
	a, err := event.Inner[author](e)
	if err != nil {
		return author{} // of another shape: no bot's message
	}
	return a
}

func (a author) bots() []string {
	ids := []string{a.BotID}
	if a.Message != nil {
		ids = append(ids, a.Message.BotID)
	}
	if a.Previous != nil {
		ids = append(ids, a.Previous.BotID)
	}
	return ids
}

// byBot reports whether a bot wrote what a Slack event tells of.
func byBot(e *event.Event) bool {
	if e.Source != event.SourceSlack {
		return false
	}
	a := authorOf(e)
	for _, id := range a.bots() {
		if id != "" {
			return true
		}
	}
	return a.Subtype == "bot_message"
}

// A Self is who our own app is in Slack; empty fields are unknown.
type Self struct{ UserID, BotID string }

// did reports whether our own app caused an event. That somebody invited or removed our
// bot is never its own doing.
func (s Self) did(e *event.Event) bool {
	switch {
	case e.Source != event.SourceSlack:
		return false
	case e.FromSelf:
		return true
	case e.Kind.Type == "member_joined_channel", e.Kind.Type == "member_left_channel":
		return false
	case s.UserID != "" && e.User == s.UserID:
		return true
	}
	for _, id := range authorOf(e).bots() {
		if id != "" && id == s.BotID {
			return true
		}
	}
	return false
}
