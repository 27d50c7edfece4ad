package event

import (
	"errors"
	"fmt"
	"time"
)

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
	// ExcludeSelf leaves out what our own app caused.
	ExcludeSelf bool
}

// Order is the direction in which a Query reads.
type Order uint8

const (
	// NewestFirst reads back from the end of the store.
	NewestFirst Order = iota
	// OldestFirst reads forward from the oldest event that is kept.
	OldestFirst
)

// Limits of a Query, used where it says nothing or too much.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
	// DefaultScanBudget is how many stored events one page may look at, so that a
	// filter that matches nothing costs a bounded time.
	DefaultScanBudget = 20_000
)

// A Query asks for one page of events.
type Query struct {
	Filter Filter
	// After is where the previous page ended (its Next); empty begins at the end
	// that Order says. The event at After is not part of the page.
	After Position
	Order Order
	// Limit is the page's size; 0 means DefaultLimit, and MaxLimit is the most.
	Limit int
	// ScanBudget is how many events may be looked at; 0 means DefaultScanBudget.
	ScanBudget int
}

// A Page is the answer to a Query.
type Page struct {
	Events []Event
	// Next continues the query as its After. It is set whenever something may be
	// left, also with an empty page whose scan budget ran out. With OldestFirst it
	// is always set once the store has an event: what arrives later follows it.
	Next Position
	// More reports that the store has events after Next that were not looked at.
	More bool
}

// Match reports whether the filter selects e.
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
