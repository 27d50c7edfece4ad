package rule

import (
	"regexp"
	"slices"
	"strings"

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
