package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"slackmcp/store/state"
)

// The states of a subscription, as an operator sees them.
const (
	StateActive    = "active"
	StateFailing   = "failing"   // the last delivery was not accepted; it is tried again
	StateSuspended = "suspended" // too many were not; the next refresh goes on
	StatePaused    = "paused"    // an operator said so
)

// An Info is a subscription as an operator sees it: without its secrets, and without
// what stands in its URL's query.
type Info struct {
	ID             string          `json:"id"`
	State          string          `json:"state"`
	Principal      string          `json:"principal"`
	Name           string          `json:"name"`
	Arguments      json.RawMessage `json:"arguments"`
	Callback       string          `json:"callback"`
	CreatedAt      time.Time       `json:"created_at"`
	RefreshedAt    time.Time       `json:"refreshed_at"`
	ExpiresAt      time.Time       `json:"expires_at"`
	Cursor         string          `json:"cursor"`
	Attempt        int             `json:"attempt,omitempty"`
	NextAttemptAt  time.Time       `json:"next_attempt_at,omitzero"`
	LastDeliveryAt time.Time       `json:"last_delivery_at,omitzero"`
	LastError      string          `json:"last_error,omitempty"`
	FailingSince   time.Time       `json:"failing_since,omitzero"`
	Truncated      bool            `json:"truncated,omitempty"`
	Accepted       int64           `json:"accepted"`
	Skipped        int64           `json:"skipped"`
	Dead           int64           `json:"dead"`
	// DeadLetters are shown by Show alone.
	DeadLetters []Letter `json:"dead_letters,omitempty"`
}

// List returns every subscription, by principal.
func (e *Engine) List(ctx context.Context) ([]Info, error) {
	entries, err := list(ctx, e.opt.State, subscriptionKeys)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(entries))
	for _, entry := range entries {
		s, err := decodeSubscription(entry)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Key, err)
		}
		info, err := e.info(ctx, s)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (e *Engine) info(ctx context.Context, s *Subscription) (Info, error) {
	p, err := loadProgress(ctx, e.opt.State, s.ID)
	if err != nil && ignore(err) != nil {
		return Info{}, err
	}
	i := Info{
		ID: s.ID, State: StateActive, Principal: s.Principal, Name: s.Name, Arguments: s.Arguments, Callback: s.callback(),
		CreatedAt: s.CreatedAt, RefreshedAt: s.RefreshedAt, ExpiresAt: s.ExpiresAt,
		Cursor: p.Cursor, Attempt: p.Attempt, NextAttemptAt: p.Due, LastDeliveryAt: p.LastDeliveryAt, LastError: p.LastError,
		FailingSince: p.FailingSince, Truncated: p.Truncated, Accepted: p.Accepted, Skipped: p.Skipped, Dead: p.Dead,
	}
	switch {
	case s.Paused:
		i.State = StatePaused
	case !p.SuspendedAt.IsZero():
		i.State = StateSuspended
	case p.LastError != "":
		i.State = StateFailing
	}
	return i, nil
}

// Show returns one subscription with its dead letters, by its id or the beginning of it.
// state.ErrNotFound.
func (e *Engine) Show(ctx context.Context, id string) (Info, error) {
	s, err := e.find(ctx, id)
	if err != nil {
		return Info{}, err
	}
	info, err := e.info(ctx, s)
	if err != nil {
		return Info{}, err
	}
	info.DeadLetters, err = e.letters(ctx, s.ID)
	return info, err
}

// Pause stops deliveries until Resume; events wait in the log meanwhile. state.ErrNotFound.
func (e *Engine) Pause(ctx context.Context, id string) error { return e.setPaused(ctx, id, true) }

// Resume goes on behind the last event that was delivered. state.ErrNotFound.
func (e *Engine) Resume(ctx context.Context, id string) error { return e.setPaused(ctx, id, false) }

func (e *Engine) setPaused(ctx context.Context, id string, paused bool) error {
	s, err := e.find(ctx, id)
	if err != nil {
		return err
	}
	s.Paused = paused
	s.version, err = put(ctx, e.opt.State, s.key().path(), s,
		state.Put{TTL: max(time.Until(s.ExpiresAt), time.Second), IfVersion: s.version})
	if err == nil {
		e.tell(s)
	}
	return err
}

// Remove ends a subscription and tells its receiver. state.ErrNotFound.
func (e *Engine) Remove(ctx context.Context, id string) error {
	s, err := e.find(ctx, id)
	if err != nil {
		return err
	}
	e.evict(ctx, s, "an operator removed the subscription")
	return nil
}

func (e *Engine) find(ctx context.Context, id string) (*Subscription, error) {
	entries, err := list(ctx, e.opt.State, subscriptionKeys)
	if err != nil {
		return nil, err
	}
	var found *Subscription
	for _, entry := range entries {
		_, at, _ := strings.Cut(strings.TrimPrefix(entry.Key, subscriptionKeys), "/")
		if id == "" || !strings.HasPrefix(at, id) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%q begins the ids of several subscriptions", id)
		}
		if found, err = decodeSubscription(entry); err != nil {
			return nil, err
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no subscription whose id begins with %q; subscriptions list shows them: %w", id, state.ErrNotFound)
	}
	return found, nil
}

// Stats counts this process's part, for metrics.
type Stats struct {
	// Subscriptions is how many there are, Working how many this process delivers to.
	Subscriptions, Working int
}

// Stats counts without reading anything.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{Subscriptions: len(e.all), Working: len(e.runners)}
}
