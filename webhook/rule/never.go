package rule

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook/event"
)

// A Sender is a source whose events rules may match.
type Sender struct {
	Name string
	// Typed says that the sender names the types of its events; else all are of the type Name.
	Typed bool
	// Headers are those that are kept with its events, by their canonical names.
	Headers []string
}

// ownSources are the sources that no file of sources names.
var ownSources = []string{event.SourceSlack, event.SourceReceipts, event.SourceGaps}

// slackWord is what Slack's types, subtypes and ids are made of.
var (
	slackWord = regexp.MustCompile(`^[a-z0-9_]*$`)
	slackID   = regexp.MustCompile(`^[A-Z0-9]+$`)
)

// checkWhen finds what no event can match, and sources that there are not.
func (p *parser) checkWhen(r *yamldoc.Reader, line int, w *When) {
	problem := func(what, remedy string) { r.Problem(line, what, remedy) }
	for _, name := range w.Source {
		if p.senders != nil && !slices.Contains(ownSources, name) && p.sender(name) == nil {
			problem("there is no source "+name, p.sourcesRemedy())
		}
	}
	for _, text := range w.Type {
		if pattern, err := event.ParsePattern(text); err == nil {
			p.checkType(problem, w, pattern)
		}
	}
	patterns, err := event.ParsePatterns(w.Type...)
	if err == nil && len(patterns) > 0 && len(w.Subtype) > 0 && !slices.ContainsFunc(patterns, func(one event.Pattern) bool {
		_, subtype, _ := one.Parts()
		return subtype == nil || slices.Contains(w.Subtype, *subtype)
	}) {
		problem("no event has one of these types and one of these subtypes", "write the subtype in one place: in type (message/channel_join) or in subtype")
	}
	if len(w.Channel)+len(w.User)+len(w.Team) > 0 && p.othersAlone(w) {
		problem("channel, user and team are Slack's, and no event of "+strings.Join(w.Source, ", ")+" has them", "match a place in the body instead, such as match: {customer.id: ...}")
	}
	p.checkHeaders(problem, w)
}

// checkType finds a type that no event of the rule's sources can have.
func (p *parser) checkType(problem func(what, remedy string), w *When, pattern event.Pattern) {
	typ, subtype, channelType := pattern.Parts()
	switch {
	case len(w.Source) == 0 || typ == "*":
	case len(w.Source) == 1 && w.Source[0] == event.SourceSlack:
		if !slackWord.MatchString(typ) || subtype != nil && !slackWord.MatchString(*subtype) {
			problem(fmt.Sprintf("no event of Slack's can be of the type %q", pattern), "Slack's types have small letters, digits and _ alone, such as reaction_added or message/channel_join")
		}
	case !p.othersAlone(w):
	case channelType != "":
		problem(fmt.Sprintf("%s is a message in a place of Slack's, and no event of %s has one", pattern, strings.Join(w.Source, ", ")), "write the sender's own type, or source: slack")
	case !slices.ContainsFunc(w.Source, func(name string) bool {
		s := p.sender(name)
		return s == nil || s.Typed || s.Name == typ && (subtype == nil || *subtype == "")
	}):
		problem(fmt.Sprintf("no event of %s can be of the type %q: the source names no place of a type, so that all its events are of the type that is its name", strings.Join(w.Source, ", "), pattern),
			"say where the type is with type: in the sources file, or leave type out")
	}
}

// checkHeaders finds conditions on headers that no source of the rule keeps.
func (p *parser) checkHeaders(problem func(what, remedy string), w *When) {
	for _, entry := range w.Match {
		name, ok := strings.CutPrefix(entry.Name, event.HeaderPlace)
		if !ok || p.senders == nil || entry.Value.Not || entry.Value.Exists != nil && !*entry.Value.Exists {
			continue
		}
		name = http.CanonicalHeaderKey(name)
		if !slices.ContainsFunc(p.senders, func(s Sender) bool {
			return slices.Contains(s.Headers, name) && (len(w.Source) == 0 || slices.Contains(w.Source, s.Name))
		}) {
			problem("no source of this rule keeps the header "+name, "add it to keep_headers of the source, in the sources file")
		}
	}
}

// othersAlone reports whether all sources of a rule are senders beside Slack.
func (p *parser) othersAlone(w *When) bool {
	return len(w.Source) > 0 && !slices.ContainsFunc(w.Source, func(name string) bool { return p.sender(name) == nil })
}

func (p *parser) sender(name string) *Sender {
	i := slices.IndexFunc(p.senders, func(s Sender) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &p.senders[i]
}

func (p *parser) sourcesRemedy() string {
	names := slices.Clone(ownSources)
	for _, s := range p.senders {
		names = append(names, s.Name)
	}
	return "write one of " + strings.Join(names, ", ") + ", or describe it in the file of SOURCES_FILE"
}

// slackIDs is a Check of an id.
func slackIDs(s string) error {
	if err := notAName(s); err != nil {
		return err
	}
	if !slackID.MatchString(s) {
		return fmt.Errorf("ids have capitals and digits alone, such as C0123456789")
	}
	return nil
}
