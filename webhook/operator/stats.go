package operator

import (
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

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

// ViewStats shows counts as they are at an instant.
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

// State is the group's state in a word.
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
