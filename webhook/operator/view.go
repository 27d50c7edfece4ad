package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slackmcp/internal/search"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// An Event is an event as programs read it. It holds no credential: the payload went
// through [event.Sanitize].
type Event struct {
	EventID     string         `json:"event_id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subtype     string         `json:"subtype,omitempty"`
	Team        string         `json:"team,omitempty"`
	Channel     string         `json:"channel,omitempty"`
	ChannelType string         `json:"channel_type,omitempty"`
	User        string         `json:"user,omitempty"`
	ThreadTS    string         `json:"thread_ts,omitempty"`
	FromSelf    bool           `json:"from_self,omitempty"`
	HappenedAt  string         `json:"happened_at,omitempty"`
	ReceivedAt  string         `json:"received_at"`
	Position    event.Position `json:"position"`
	RetryNum    int            `json:"retry_num,omitempty"`
	// Headers are those that the source keeps.
	Headers map[string]string `json:"headers,omitempty"`
	// Payload is the body; the body of a form is a JSON string.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// View converts an event.
func View(e *event.Event) Event {
	v := Event{
		EventID: e.ID, Source: e.Source, Type: e.Kind.Type, Subtype: e.Kind.Subtype, Team: e.Team,
		Channel: e.Channel, ChannelType: e.ChannelType, User: e.User, ThreadTS: e.Thread, FromSelf: e.FromSelf,
		HappenedAt: stamp(e.At), ReceivedAt: stamp(e.ReceivedAt), Position: e.Position, RetryNum: e.Retry.Num, Headers: e.Headers.Map(),
	}
	body, err := event.Sanitize(e.Raw, e.Encoding)
	if err != nil {
		return v // a body that cannot be read is left out
	}
	if e.Encoding == event.JSON && json.Valid(body) {
		v.Payload = body
		return v
	}
	if text, err := json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD")); err == nil {
		v.Payload = text
	}
	return v
}

// A Letter is a dead letter as programs read it.
type Letter struct {
	Event

	Group    string `json:"group"`
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	DiedAt   string `json:"died_at"`
}

// ViewLetter converts a dead letter.
func ViewLetter(d *queue.DeadLetter) Letter {
	return Letter{Event: View(&d.Event), Group: d.Group, Attempts: d.Attempts, Reason: d.Reason, DiedAt: stamp(d.DiedAt)}
}

// A GroupState is what became of an event in a group, as programs read it.
type GroupState struct {
	Group    string      `json:"group"`
	State    queue.State `json:"state"`
	Attempts int         `json:"attempts,omitempty"`
	// At is when it is tried again, or when it died.
	At     time.Time `json:"at,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// Says is the state in words.
	Says string `json:"says"`
}

func viewState(s *queue.EventState) GroupState {
	v := GroupState{Group: s.Group, State: s.State, Attempts: s.Attempts, At: s.At.UTC(), Reason: s.Reason}
	switch s.State {
	case queue.Waiting:
		v.Says = "waiting: the group has not begun it"
	case queue.InFlight:
		v.Says = "in flight: attempt " + strconv.Itoa(s.Attempts)
	case queue.Retrying:
		v.Says = "to be tried again"
		if s.Attempts == 0 {
			v.Says = "to be tried"
		}
	case queue.Done:
		v.Says = "done: handled, or not wanted by the group's filter"
	case queue.Dead:
		v.Says = "dead letter"
	case queue.BeforeStart:
		v.Says = "not for this group: it was stored before the group began"
	case queue.NotKnown:
		v.Says = "not known: the group has nothing left of it, or another process is making the first attempt"
	}
	return v
}

// States says what became of an event in each group, by the groups' names.
func States(ctx context.Context, s Store, e *event.Event) ([]GroupState, error) {
	list, err := s.States(ctx, e.Position)
	if err != nil {
		return nil, fmt.Errorf("what became of event %s of %s: %w", e.ID, e.Source, err)
	}
	states := make([]GroupState, len(list))
	for i := range list {
		states[i] = viewState(&list[i])
	}
	return states, nil
}

// Summary returns what an event says in a few words: the text of a message, a command, a
// reaction; "" when it says nothing of the kind.
func Summary(e *event.Event) string {
	var said struct {
		Text, Command, Reaction, Name, Status string
		Message                               struct{ Text string }
	}
	raw, err := event.InnerJSON(e)
	if err != nil || json.Unmarshal(raw, &said) != nil {
		return ""
	}
	switch {
	case said.Command != "":
		return strings.TrimSpace(said.Command + " " + said.Text)
	case said.Text != "":
		return said.Text
	case said.Message.Text != "":
		return said.Message.Text
	case said.Reaction != "":
		return ":" + said.Reaction + ":"
	}
	return said.Status
}

// stamp writes an instant as RFC 3339 in UTC, and the zero time as "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Stats is a store's counts as programs read them.
type Stats struct {
	Backend    string         `json:"backend"`
	Durability string         `json:"durability"`
	Accepted   int64          `json:"accepted"`
	Expired    int64          `json:"expired"`
	Events     int64          `json:"events"`
	Oldest     event.Position `json:"oldest,omitempty"`
	Newest     event.Position `json:"newest,omitempty"`
	Groups     []Group        `json:"groups"`
}

// Group is one group's counts; the names are those of /health/detailed.
type Group struct {
	Name                 string  `json:"name"`
	Waiting              int64   `json:"waiting"`
	InFlight             int64   `json:"in_flight"`
	Retrying             int64   `json:"retrying"`
	Done                 int64   `json:"done"`
	DeadLetters          int64   `json:"dead_letters"`
	Expired              int64   `json:"expired"`
	OldestWaitingSeconds float64 `json:"oldest_waiting_seconds"`
	Stalled              bool    `json:"stalled"`
}

// ViewStats converts the counts of a store at the time now.
func ViewStats(s queue.Stats, now time.Time) Stats {
	v := Stats{
		Backend: s.Backend, Durability: s.Durability, Accepted: s.Accepted, Expired: s.Expired, Events: s.Events,
		Oldest: s.Oldest, Newest: s.Newest, Groups: []Group{},
	}
	for _, g := range s.Groups {
		one := Group{
			Name: g.Name, Waiting: g.Waiting, InFlight: g.InFlight, Retrying: g.Retrying, Done: g.Done,
			DeadLetters: g.Dead, Expired: g.Expired, Stalled: !g.StalledSince.IsZero(),
		}
		if !g.OldestWaiting.IsZero() {
			one.OldestWaitingSeconds = max(0, now.Sub(g.OldestWaiting).Seconds())
		}
		v.Groups = append(v.Groups, one)
	}
	return v
}

// State returns the group's state as one word.
func (g *Group) State() string {
	switch {
	case g.Stalled:
		return "stalled"
	case g.Waiting > 0 && g.InFlight == 0:
		return "waiting"
	case g.Waiting > 0:
		return "working"
	}
	return "idle"
}

var age = regexp.MustCompile(`^([0-9]{1,6})(s|m|h|d|w)$`)

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// unixTime is seconds since 1970, with a fraction as Slack's ts have it.
var unixTime = regexp.MustCompile(`^([0-9]{9,11})(?:\.([0-9]{1,9}))?$`)

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// ParseTime reads an instant as people write it: an age (90s, 15m, 2h, 1d, 2w), RFC 3339
// or a part of it (UTC without a zone), a ts or Unix seconds. "" is the zero time.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	if m := age.FindStringSubmatch(s); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return now.Add(-time.Duration(n) * units[m[2]]), nil
		}
	}
	if m := unixTime.FindStringSubmatch(s); m != nil {
		sec, err := strconv.ParseInt(m[1], 10, 64)
		nano, nanoErr := strconv.ParseInt((m[2] + "000000000")[:9], 10, 64)
		if err == nil && nanoErr == nil {
			return time.Unix(sec, nano), nil
		}
	}
	if days, ok := map[string]int{"today": 0, "yesterday": -1}[strings.ToLower(s)]; ok {
		return time.Date(now.Year(), now.Month(), now.Day()+days, 0, 0, 0, 0, now.Location()), nil
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write an age (90s, 15m, 2h, 1d, 2w), RFC 3339 (2026-01-31T09:00:00Z), a day (2026-01-31, today, yesterday) or a ts", s)
}

// A FilterText is what people write to choose events: in flags, or in the fields of a page.
type FilterText struct {
	Source, Team, Channel, User, Thread string
	Types                               []string
	Since, Until                        string
	ExcludeSelf                         bool
	// Query is words that events have to say; see internal/search.
	Query string
}

// Filter reads what was written; ages are before now. Its error begins with the field's name: type, since,
// until or query.
func (t *FilterText) Filter(now time.Time) (f event.Filter, err error) {
	f = event.Filter{Source: t.Source, Team: t.Team, Channel: t.Channel, User: t.User, Thread: t.Thread, ExcludeSelf: t.ExcludeSelf}
	if f.Patterns, err = event.ParsePatterns(t.Types...); err != nil {
		return f, fmt.Errorf("type: %w", err)
	}
	if f.Since, err = ParseTime(t.Since, now); err != nil {
		return f, fmt.Errorf("since: %w", err)
	}
	if f.Until, err = ParseTime(t.Until, now); err != nil {
		return f, fmt.Errorf("until: %w", err)
	}
	if strings.TrimSpace(t.Query) != "" {
		if f.Text, err = search.Filter(t.Query); err != nil {
			return f, fmt.Errorf("query: %w", err)
		}
	}
	return f, nil
}
