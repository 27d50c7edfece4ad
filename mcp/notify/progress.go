package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/store/state"
)

// A progress is how far a subscription's deliveries have come. It is kept as JSON, apart
// from the subscription, because only the process that delivers writes it; and less
// often than it changes, so that after a crash the last second is delivered again.
type progress struct {
	// Born names this life of the subscription: one that lapsed and was granted again has
	// another.
	Born string `json:"born"`
	// Cursor stands behind the last event that is done with.
	Cursor string `json:"cursor"`
	// Since leaves out what was received before.
	Since time.Time `json:"since,omitzero"`
	// Attempt counts the failures of the event behind the cursor; Due is when it is tried
	// again.
	Attempt int       `json:"attempt,omitempty"`
	Due     time.Time `json:"due,omitzero"`

	LastDeliveryAt time.Time `json:"last_delivery_at,omitzero"`
	LastError      string    `json:"last_error,omitempty"`
	FailingSince   time.Time `json:"failing_since,omitzero"`
	// Lost counts the events in a row that were given up.
	Lost        int       `json:"lost,omitempty"`
	SuspendedAt time.Time `json:"suspended_at,omitzero"`
	// Truncated says that events were lost since the last refresh.
	Truncated bool `json:"truncated,omitempty"`
	// Accepted, Skipped and Dead count events.
	Accepted int64 `json:"accepted"`
	Skipped  int64 `json:"skipped,omitempty"`
	Dead     int64 `json:"dead,omitempty"`

	version string
}

func (p *progress) status() Status {
	return Status{Active: p.SuspendedAt.IsZero(), LastDeliveryAt: p.LastDeliveryAt, LastError: p.LastError, FailedSince: p.FailingSince}
}

func loadProgress(ctx context.Context, s state.Store, id string) (progress, error) {
	var p progress
	entry, err := s.Get(ctx, deliveryKeys+id)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(entry.Value, &p); err != nil {
		return p, err
	}
	p.version = entry.Version
	return p, nil
}

// outlives is how long a progress is kept beyond its subscription.
const outlives = time.Hour

// save writes a progress over the version that it was read in, or where none was.
func (p *progress) save(ctx context.Context, s state.Store, sub *Subscription) error {
	if p.Born == "" {
		p.Born = rand.Text()
	}
	when := state.Put{TTL: max(time.Until(sub.ExpiresAt), 0) + outlives, IfAbsent: true}
	if p.version != "" {
		when.IfVersion, when.IfAbsent = p.version, false
	}
	version, err := put(ctx, s, deliveryKeys+sub.ID, p, when)
	if err == nil {
		p.version = version
	}
	return err
}

// settle saves a progress that somebody else may have written meanwhile: a refresh, or a
// process that has taken the subscription over. Whichever has come farther counts, unless
// the other is of another life.
func (p *progress) settle(ctx context.Context, s state.Store, sub *Subscription) error {
	err := p.save(ctx, s, sub)
	if !errors.Is(err, state.ErrConflict) {
		return err
	}
	other, err := loadProgress(ctx, s, sub.ID)
	if errors.Is(err, state.ErrNotFound) {
		p.version = ""
		return p.save(ctx, s, sub)
	}
	if err != nil {
		return err
	}
	if other.Born != p.Born || behind(p.Cursor, other.Cursor) {
		*p = other
		return nil
	}
	p.version, p.SuspendedAt, p.Truncated, p.Lost = other.version, other.SuspendedAt, other.Truncated, other.Lost
	return p.save(ctx, s, sub)
}

// CursorStart is the cursor before the first event of the log.
const CursorStart = "start"

// behind reports whether cursor a comes before b. Cursors are ordered as strings are.
func behind(a, b string) bool {
	return b != CursorStart && (a == CursorStart || a < b)
}
