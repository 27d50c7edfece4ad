// Package gaps keeps account of the times in which events were missed, and fills them.
//
// Slack gives an event up when its deliveries fail, at the latest some six minutes after
// the first (a day with Delayed Events), and delivers none of a minute in which an app was
// over its hourly limit. Slack does not say what the app missed, but when is known: from
// Slack's own notice, from how long nothing could be received or stored, and from
// deliveries that arrive so late that others before them must have been given up. A
// [Ledger] records these times, durably and once for all processes that share a store. A
// [Filler] reads the messages of these times from the history of the channels, and publishes
// what is not stored yet.
package gaps

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"slackmcp/webhook/event"
)

// A Kind says how a gap was noticed.
type Kind string

// The kinds.
const (
	// RateLimited is Slack's notice that it withheld events of a minute (app_rate_limited).
	RateLimited Kind = "rate_limited"
	// Downtime is the time in which no process of this store ran.
	Downtime Kind = "downtime"
	// Unavailable is the time in which deliveries were refused: the store took nothing, or the
	// server was too busy to read them.
	Unavailable Kind = "unavailable"
	// Unreachable is the time before a delivery that came so late that others before it
	// were given up, while a process ran: something in front of it kept them away.
	Unreachable Kind = "unreachable"
	// Disconnected is the time in which Slack could deliver over no connection of Socket Mode,
	// to none of the processes that share the store.
	Disconnected Kind = "disconnected"
	// Lost is the time in which events were received that the store has lost since.
	Lost Kind = "lost"
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{RateLimited, Downtime, Unavailable, Unreachable, Disconnected, Lost}
}

// A Gap is a time in which events may have been missed: From <= t < To.
type Gap struct {
	ID   string    `json:"id"`
	Kind Kind      `json:"kind"`
	Team string    `json:"team,omitempty"` // whose events may be missing; empty means every team
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// NoticedAt is when it was recorded first.
	NoticedAt time.Time `json:"noticed_at"`
	// Fill is how far it was filled; nil is not at all.
	Fill *Fill `json:"fill,omitempty"`
}

// A Fill is how far a gap was filled.
type Fill struct {
	StartedAt time.Time `json:"started_at"`
	// DoneAt is zero until all channels were read.
	DoneAt time.Time `json:"done_at,omitzero"`
	// Through is the last channel that was read to its end: they are read by their ids.
	Through string `json:"through,omitempty"`
	// Channels, Messages and Stored count what was read, what was found in the gap, and
	// what of that was missing and is stored now.
	Channels int `json:"channels"`
	Messages int `json:"messages"`
	Stored   int `json:"stored"`
	// Skipped are channels that could not be read, each with the reason; at most 100.
	Skipped []string `json:"skipped,omitempty"`
}

// Open reports whether the gap was not filled to its end.
func (g *Gap) Open() bool { return g.Fill == nil || g.Fill.DoneAt.IsZero() }

// with returns the gap extended to the time of another. The new part was not filled.
func (g Gap) with(other Gap) Gap {
	if other.From.Before(g.From) {
		g.From = other.From
	}
	if other.To.After(g.To) {
		g.To = other.To
	}
	g.Fill = nil
	return g
}

// State returns "open", "filling" (begun and not finished) or "filled".
func (g *Gap) State() string {
	switch {
	case g.Fill == nil:
		return "open"
	case g.Open():
		return "filling"
	}
	return "filled"
}

// prefix begins the keys of gaps.
const prefix = "gaps/at/"

// newGap returns a gap. Its id is made of its kind, its team and when it began, so that
// two processes that notice the same gap write the same record; ids are in the order of time.
func newGap(kind Kind, team string, from, to, now time.Time) Gap {
	from, to = from.UTC().Truncate(time.Millisecond), to.UTC().Truncate(time.Millisecond)
	id := fmt.Sprintf("%013d-%s", max(from.UnixMilli(), 0), kind)
	if team != "" {
		id += "-" + safe(team)
	}
	return Gap{ID: id, Kind: kind, Team: team, From: from, To: to, NoticedAt: now.UTC()}
}

// safe replaces the characters of a text that keys may not have.
func safe(s string) string {
	const longest = 128
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '.'
	}, s[:min(len(s), longest)])
}

func decode(value []byte) (Gap, error) {
	var g Gap
	if err := json.Unmarshal(value, &g); err != nil {
		return g, fmt.Errorf("read a gap: %w", err)
	}
	return g, nil
}

// Notice returns the event that announces a gap, received now; see [event.SourceGaps]. Its ID is
// the gap's: a store that is given it twice keeps one.
func (g *Gap) Notice(now time.Time) (event.Event, error) {
	raw, err := json.Marshal(event.GapNotice{Type: event.KindGap, Gap: event.DetectedGap{
		ID: g.ID, Kind: string(g.Kind), From: g.From, To: g.To, NoticedAt: g.NoticedAt,
	}})
	if err != nil {
		return event.Event{}, fmt.Errorf("encode a gap: %w", err)
	}
	return event.Event{
		Source: event.SourceGaps, ID: g.ID, Kind: event.Kind{Type: event.KindGap}, Team: g.Team,
		At: g.From, ReceivedAt: now, Raw: raw,
	}, nil
}
