package rule

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slackmcp/internal/words"
	"slackmcp/internal/yamldoc"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A matcher is a When whose patterns, paths and expressions are parsed.
type matcher struct {
	when     When
	patterns []event.Pattern
	places   places
	any      []*matcher
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
	if m.places, err = newPlaces(w.Match); err != nil {
		return nil, err
	}
	for i := range w.Any {
		one, err := newMatcher(&w.Any[i])
		if err != nil {
			return nil, err
		}
		m.any = append(m.any, one)
	}
	return m, nil
}

// places are conditions that all have to match.
type places []place

func newPlaces(list []yamldoc.Entry[Condition]) (all places, err error) {
	for _, entry := range list {
		p := place{cond: entry.Value}
		if p.at, err = newLocator(entry.Name); err != nil {
			return nil, err
		}
		if p.cond.Matches != "" {
			if p.re, err = regexp.Compile(p.cond.Matches); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func (l places) match(e *event.Event) bool {
	for i := range l {
		if !l[i].match(e) {
			return false
		}
	}
	return true
}

// match reports whether the rule matches the event.
func (m *matcher) match(e *event.Event) bool {
	w := &m.when
	for _, field := range []struct {
		wanted []string // empty for any value
		value  string
	}{{w.Source, e.Source}, {w.Subtype, e.Kind.Subtype}, {w.Channel, e.Channel}, {w.User, e.User}, {w.Team, e.Team}} {
		if len(field.wanted) > 0 && !slices.Contains(field.wanted, field.value) {
			return false
		}
	}
	if len(m.patterns) > 0 && !slices.ContainsFunc(m.patterns, func(p event.Pattern) bool { return p.Match(e) }) {
		return false
	}
	return m.places.match(e) && (len(m.any) == 0 || slices.ContainsFunc(m.any, func(one *matcher) bool { return one.match(e) }))
}

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
	if c.compares() {
		ok = ok && found && c.compare(text)
	}
	return ok != c.Not
}

// compare judges a text as a number; what is none fits no condition.
func (c *Condition) compare(text string) bool {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return err == nil && !math.IsNaN(v) && (c.GT == nil || v > *c.GT) && (c.GTE == nil || v >= *c.GTE) && (c.LT == nil || v < *c.LT) && (c.LTE == nil || v <= *c.LTE)
}

// filter returns the part of the conditions that the queue itself can check.
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
// form's payload, or by the name of a form's field. The place "text" of a message of Slack's is
// all that it says, and "header:<name>" is a header that the source keeps.
type locator struct {
	path          event.Path
	field, header string
}

func newLocator(s string) (locator, error) {
	if name, ok := strings.CutPrefix(s, event.HeaderPlace); ok {
		if name == "" {
			return locator{}, errors.New("name the header, such as header:X-Shop-Domain")
		}
		return locator{header: name}, nil
	}
	p, err := event.ParsePath(s)
	return locator{path: p, field: s}, err
}

func (l locator) find(e *event.Event) (string, bool) {
	if l.header != "" {
		return e.Headers.Get(l.header)
	}
	if l.field == placeText {
		if text, _, ok := said(e); ok {
			return words.Unescape(text), text != "" // a condition is written as a person reads
		}
	}
	if e.Encoding == event.JSON {
		return l.path.Find(e.Raw)
	}
	if payload, ok := event.FormValue(e.Raw, "payload"); ok {
		return l.path.Find(payload)
	}
	v, ok := event.FormValue(e.Raw, l.field)
	return string(v), ok
}

// A breaker counts the acts of one rule. It is closed until the rule has acted on Limit
// events within a time span and gets one more; then it is open for Pause, and after that
// it begins to count again.
type breaker struct {
	b   Breaker
	now func() time.Time

	mu     sync.Mutex
	acts   []time.Time // within the span, the oldest first; at most Limit
	opened time.Time   // zero while closed
}

// The changes of a breaker; empty is none.
const (
	opened = "open"
	closed = "closed"
)

// allow reports whether the rule may act on an event, and counts the act. change says
// whether the breaker has just opened or closed.
func (t *breaker) allow(e *event.Event) (ok bool, change string) {
	if !t.counts(e) {
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

// undo counts an allowed attempt as no act: it is made again, with the same number, and asked for again.
func (t *breaker) undo(d *queue.Delivery) {
	if d.Attempt != 1 || !t.counts(&d.Event) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.acts); n > 0 {
		t.acts = t.acts[:n-1]
	}
}

// counts reports whether the breaker counts acts on an event.
func (t *breaker) counts(e *event.Event) bool {
	if t.b.Counts != countsBots {
		return true
	}
	ids, subtype := botsOf(e)
	return len(ids) > 0 || subtype == "bot_message"
}

// A TrippedError says that the breaker of a rule stopped an event.
type TrippedError struct {
	Rule string
	Breaker
}

// Error says what happened and the remedy.
func (e *TrippedError) Error() string {
	return fmt.Sprintf("rule %s acted on %d events within %s and pauses for %s: if it is no loop between bots, raise breaker.limit and redrive",
		e.Rule, e.Limit, e.Within, e.Pause)
}

// botsOf returns the ids of the bots that wrote the message of an event of Slack, or the
// message that it changed, and the event's subtype. It returns nothing for other events.
func botsOf(e *event.Event) (ids []string, subtype string) {
	if e.Source != event.SourceSlack {
		return nil, ""
	}
	type by struct {
		BotID string `json:"bot_id"`
	}
	a, err := event.Inner[struct {
		by

		Subtype  string `json:"subtype"`
		Message  by     `json:"message"`
		Previous by     `json:"previous_message"`
	}](e)
	if err != nil {
		return nil, "" // an event of another shape is no message of a bot
	}
	for _, one := range []by{a.by, a.Message, a.Previous} {
		if one.BotID != "" {
			ids = append(ids, one.BotID)
		}
	}
	return ids, a.Subtype
}

// A Self is our own app in Slack; an empty field is unknown.
type Self struct{ UserID, BotID string }

// did reports whether our own app caused an event. Our bot never causes its own invitation
// to a channel or its removal from one.
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
	ids, _ := botsOf(e)
	return s.BotID != "" && slices.Contains(ids, s.BotID)
}
