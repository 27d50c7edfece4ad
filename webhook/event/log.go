package event

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrBusy says that the memory for reading was in use for too long.
var ErrBusy = errors.New("too_many_reads: as many events are being read at once as the server has memory for. Nothing is wrong with them: ask again in some seconds, and for less at a time (limit, filters)")

// A Log is the received events as their readers see them: every stored event, in the
// order of its position, a moment after it was acknowledged. All methods are safe for
// concurrent use.
//
// All readers of one process share a budget of memory for the bodies that they hold. So
// what is read is handed to a function: the bodies (Raw) are the reader's until it
// returns, and must be neither written to nor kept. The function must not wait for a
// client or for Slack, nor read the log again. A reader waits for its share; when it does
// not get one in time, the error is ErrBusy and the function was not called.
type Log interface {
	// Query calls use with one page; see [Query]. It returns the error of use. A position
	// that the log does not know any more is a *CursorExpiredError.
	Query(ctx context.Context, q Query, use func(Page) error) error
	// Get calls use with one event, or returns an error that wraps ErrNotFound.
	Get(ctx context.Context, source, id string, use func(*Event) error) error
	// Watch returns a channel, of capacity one, that holds a value after any number of
	// new events became visible that the filter selects; now and then also after others, so
	// that the position of a reader does not grow old. A reader takes it and then queries
	// OldestFirst after the last position that it saw. stop must be called once.
	Watch(f Filter) (changed <-chan struct{}, stop func())
	// Newest returns the position of the newest visible event, or "" when there is none.
	Newest() Position
}

// A Follower reads a log from a position on, page after page, and says when there is
// more to read: so that every reader that waits does it in one way. It is used by one
// goroutine at a time.
//
//	f := event.Follow(log, event.Query{After: log.Newest()})
//	defer f.Close()
//	for {
//		err := f.Read(ctx, func(page event.Page) error {
//			// Make of the events what is needed.
//		})
//		// Work with that.
//		select {
//		case <-f.Ready():
//		case <-ctx.Done():
//			return
//		}
//	}
type Follower struct {
	log     Log
	query   Query
	changed <-chan struct{}
	stop    func()
	more    bool // the last page did not reach the end of the log
}

// Follow returns a follower of what a query selects, oldest first, behind its position
// After. It watches the log until it is closed.
func Follow(log Log, q Query) *Follower {
	q.Order = OldestFirst
	f := &Follower{log: log, query: q}
	f.changed, f.stop = log.Watch(q.Filter)
	return f
}

// Read calls use with the next page, as [Log] has it, without waiting for more; it may be
// empty. A page that cannot be read, or of which use fails, leaves the position as it was.
// Behind a *CursorExpiredError the caller has to Seek.
func (f *Follower) Read(ctx context.Context, use func(Page) error) error {
	var next Position
	var more bool
	err := f.log.Query(ctx, f.query, func(page Page) error {
		next, more = page.Next, page.More
		return use(page)
	})
	f.more = err == nil && more
	if err == nil && next != "" {
		f.query.After = next
	}
	return err
}

// Ready returns a channel from which one can receive as soon as Read may return
// something. It has to be asked for anew after each Read.
func (f *Follower) Ready() <-chan struct{} {
	if f.more {
		return always
	}
	return f.changed
}

// always is closed: one can receive from it at any time.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Position returns the position behind which the next page begins: everything before it
// was looked at.
func (f *Follower) Position() Position { return f.query.After }

// Seek makes the next page begin behind a position; "" is the beginning of the log.
func (f *Follower) Seek(p Position) { f.query.After, f.more = p, true }

// Close ends the watch. It must be called once.
func (f *Follower) Close() { f.stop() }

// ErrNotFound says that no event with that source and id is kept.
var ErrNotFound = errors.New("event not found")

// CursorExpiredError says that a position belongs to another epoch of the store or
// to a part of it that retention has removed. Oldest is where reading can begin.
type CursorExpiredError struct {
	Oldest Position
}

// Error returns the sentence with the remedy.
func (e *CursorExpiredError) Error() string {
	return fmt.Sprintf("cursor_expired: start again without a cursor, or from %q", string(e.Oldest))
}

// A Filter selects events; empty fields select all. Fields are joined by "and",
// the Patterns among themselves by "or".
type Filter struct {
	Source   string
	Patterns []Pattern
	Team     string
	Channel  string
	User     string
	Thread   string
	// Since and Until bound ReceivedAt: Since <= ReceivedAt < Until.
	Since, Until time.Time
	// ExcludeSelf leaves out the events that our own app caused.
	ExcludeSelf bool
	// Sight is what the reader may see; nil is everything.
	Sight *Sight
	// Text is words that an event has to say; nil is any, or none.
	Text *Text
}

// A Text leaves out of a page the events that do not say certain words. What the reader may not see is never
// looked at.
type Text struct {
	// Query is what was asked for, as internal/search reads it. A store may use an index to find the events that
	// may say it; "" leaves it to Says alone, as for people, to whom the time of a search must tell nothing of what
	// they may not see.
	Query string
	// Says reports whether an event, with its body, says it to the reader. It is called while the log is read, so
	// it must not wait.
	Says func(*Event) bool
}

// A Sight leaves out of a page what its reader may not see, so that it takes none of the page's room.
type Sight struct {
	// Sees reports whether the reader may see an event. It is called while the log is read, so it must not
	// wait. The event has its position, and its body where NeedsBody asks for that.
	Sees func(*Event) bool
	// NeedsBody reports whether Sees has to have the body of an event.
	NeedsBody func(*Event) bool
	// Hidden returns the conversations of whose events the reader sees none but those of the user Self, so that a store
	// need not look at them, and others of which that is not so. It is asked once for a page; nil knows of none.
	Hidden func() (hidden, others []string)
	// Self is the reader's user id in Slack.
	Self string
	// Audience returns those users one of whom Self is whenever Sees is true of an event, if they are at most so many;
	// without ok it may be anybody. It is the same for all readers; nil is always anybody.
	Audience func(e *Event, most int) (users []string, ok bool)
}

// Sees reports whether the reader may see an event that the filter matches.
func (f *Filter) Sees(e *Event) bool { return f.Sight == nil || f.Sight.Sees(e) }

// Says reports whether an event, with its body, says the words that are asked for.
func (f *Filter) Says(e *Event) bool { return f.Text == nil || f.Text.Says(e) }

// IsZero reports whether f matches every event.
func (f *Filter) IsZero() bool {
	return f.Source == "" && len(f.Patterns) == 0 && f.Team == "" && f.Channel == "" && f.User == "" && f.Thread == "" &&
		f.Since.IsZero() && f.Until.IsZero() && !f.ExcludeSelf && f.Sight == nil && f.Text == nil
}

// Order is the direction in which a Query reads.
type Order uint8

const (
	// NewestFirst reads back from the end of the store.
	NewestFirst Order = iota
	// OldestFirst reads forward from the oldest event that is kept.
	OldestFirst
)

// Limits of a Query.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
	// DefaultScanBudget is how many stored events one page may look at, so that a
	// filter that matches nothing costs a bounded time.
	DefaultScanBudget = 20_000
	// MaxPageBytes is how many bytes of bodies fill one page, unless a query asks for less.
	MaxPageBytes = 1 << 20
)

// A Query asks for one page of events.
type Query struct {
	Filter Filter
	// After is where the previous page ended (its Next); an empty one begins at the end
	// that Order names. The event at After is not part of the page.
	After Position
	Order Order
	// Limit is the page's size; 0 means DefaultLimit, and MaxLimit is the most.
	Limit int
	// ScanBudget is how many events may be looked at; 0 means DefaultScanBudget.
	ScanBudget int
	// MaxBytes bounds the bodies of a page: it ends, with More and Next, behind the event with
	// which they reach so many bytes. So a page holds at most that and one body, and always
	// one event where there is one. 0 means MaxPageBytes, which is the most.
	MaxBytes int
	// NoBodies leaves Raw out, for a reader to which the other fields are enough.
	NoBodies bool
}

// PageBytes is how many bytes of bodies end a page that was asked for with maxBytes.
func PageBytes(maxBytes int) int {
	if maxBytes <= 0 {
		return MaxPageBytes
	}
	return min(maxBytes, MaxPageBytes)
}

// A Page is the answer to a Query.
type Page struct {
	Events []Event
	// Next continues the query as its After. It is set whenever something may be
	// left, also with an empty page whose scan budget ran out, and with a short one whose
	// bodies were enough. With OldestFirst it
	// is always set once the store has an event: events that arrive later follow it.
	Next Position
	// More reports that the store has events after Next that were not looked at.
	More bool
	// Unjudged reports that some events were left out because it is not known whether the reader may see them.
	Unjudged bool
	// Looked is when the last event was received at which a reader of words has looked; zero where it looked at none.
	Looked time.Time
	// Unreadable is how many events of the log, wherever they stand in it, cannot be read
	// because the store is damaged. No page has them.
	Unreadable int64
}

// Match reports whether the filter selects e by its fields, for a reader who sees everything; see [Filter.Sees]
// and [Filter.Says].
func (f *Filter) Match(e *Event) bool {
	switch {
	case f.Source != "" && f.Source != e.Source,
		f.Team != "" && f.Team != e.Team,
		f.Channel != "" && f.Channel != e.Channel,
		f.User != "" && f.User != e.User,
		f.Thread != "" && f.Thread != e.Thread,
		!f.Since.IsZero() && e.ReceivedAt.Before(f.Since),
		!f.Until.IsZero() && !e.ReceivedAt.Before(f.Until),
		f.ExcludeSelf && e.FromSelf:
		return false
	}
	if len(f.Patterns) == 0 {
		return true
	}
	for _, p := range f.Patterns {
		if p.Match(e) {
			return true
		}
	}
	return false
}

// A Pattern names kinds of events, as a handler, a rule or a list filter does:
//
//   - every event
//     message                every message, whatever its subtype
//     message/channel_join   one subtype
//     message/               a message without a subtype
//     message.channels       a message in a public channel, by its channel_type
//
// The dotted names are those that Slack's subscription page uses; no event carries
// them, so they are matched by channel_type (docs.slack.dev/reference/events).
// The zero Pattern matches nothing.
type Pattern struct {
	typ         string
	subtype     string
	bySubtype   bool
	channelType string
}

// channelTypes maps the suffix of a subscription name to the channel_type in the event.
var channelTypes = map[string]string{
	"channels": "channel",
	"groups":   "group",
	"im":       "im",
	"mpim":     "mpim",
	"app_home": "app_home",
}

// ParsePattern reads a pattern. The error says what can be written.
func ParsePattern(s string) (Pattern, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Pattern{}, fmt.Errorf("empty event type: write a type (message), a type and subtype (message/channel_join) or *")
	}
	if strings.Contains(s, "*") && s != "*" {
		return Pattern{}, fmt.Errorf("event type %q can never match: * stands alone, for every type; write the type whole, or a rule's match with a regular expression", s)
	}
	// What happened to a message, such as message.updated, is another sender's type.
	if typ, suffix, ok := strings.Cut(s, "."); ok && typ == "message" && (strings.HasPrefix(suffix, "message_") || !strings.HasSuffix(suffix, "ed") && suffix != "sent") {
		ct, known := channelTypes[suffix]
		if strings.HasPrefix(suffix, "message_") {
			return Pattern{}, fmt.Errorf("unknown event type %q: a subtype is written message/%s", s, suffix)
		}
		if !known {
			return Pattern{}, fmt.Errorf("unknown event type %q: after \"message.\" comes channels, groups, im, mpim or app_home", s)
		}
		return Pattern{typ: typ, channelType: ct}, nil
	}
	typ, subtype, ok := strings.Cut(s, "/")
	if typ == "" {
		return Pattern{}, fmt.Errorf("event type %q has no type before the slash", s)
	}
	return Pattern{typ: typ, subtype: subtype, bySubtype: ok}, nil
}

// ParsePatterns reads several patterns and stops at the first that is wrong.
func ParsePatterns(list ...string) ([]Pattern, error) {
	var ps []Pattern
	for _, s := range list {
		p, err := ParsePattern(s)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// MustPatterns is ParsePatterns of words that stand in the program; a wrong one panics, so that no reader of them
// passes over what it was made for.
func MustPatterns(list ...string) []Pattern {
	ps, err := ParsePatterns(list...)
	if err != nil {
		panic(err)
	}
	return ps
}

// Match reports whether e is of the kind that p names.
func (p Pattern) Match(e *Event) bool {
	switch {
	case p.typ == "":
		return false
	case p.typ == "*":
		return true
	case p.typ != e.Kind.Type:
		return false
	case p.bySubtype:
		return p.subtype == e.Kind.Subtype
	case p.channelType != "":
		return p.channelType == e.ChannelType
	}
	return true
}

// Type returns the one type that p matches, or "" when it matches several or none.
func (p Pattern) Type() string {
	if p.typ == "*" {
		return ""
	}
	return p.typ
}

// Parts returns what p asks for: a type, "*" for every one, or "" for none, and with it a subtype, which may be
// empty, unless it is nil, or a channel_type, unless it is "".
func (p Pattern) Parts() (typ string, subtype *string, channelType string) {
	if p.bySubtype && p.typ != "*" {
		subtype = &p.subtype
	}
	return p.typ, subtype, p.channelType
}

// String returns the pattern as ParsePattern reads it.
func (p Pattern) String() string {
	switch {
	case p.bySubtype:
		return p.typ + "/" + p.subtype
	case p.channelType != "":
		for suffix, ct := range channelTypes {
			if ct == p.channelType {
				return p.typ + "." + suffix
			}
		}
	}
	return p.typ
}
