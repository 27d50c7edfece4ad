package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"slackmcp/store/state"
	"slackmcp/webhook/signature"
)

// A Request asks for a subscription, new or refreshed.
type Request struct {
	Key
	// Credential is what the principal showed, as a fingerprint: the subscription ends with
	// it. Empty where a credential has none.
	Credential string
	Secret     string
	// Cursor is where a new subscription begins; empty is now. A live one has its own.
	Cursor string
	// Since leaves out what was received before, of a new subscription.
	Since time.Time
	// TTL is how long it is to live; 0 is as long as is usual, and Forever as long as can be.
	TTL time.Duration
}

// Forever asks for no end. What is granted ends all the same.
const Forever time.Duration = -1

// A Grant is a subscription as its client is told of it.
type Grant struct {
	ID            string
	RefreshBefore time.Time
	// Cursor is where it stands; Truncated says that something before it was lost since the
	// last refresh.
	Cursor    string
	Truncated bool
	Status    Status
}

// A Status says how deliveries fare.
type Status struct {
	Active         bool
	LastDeliveryAt time.Time
	// LastError is from the list of [CallbackError]; empty after a success.
	LastError   string
	FailedSince time.Time
}

// An InputError says which part of a request is wrong.
type InputError struct{ Field, Problem string }

// Error names the field and the remedy.
func (e *InputError) Error() string { return e.Field + ": " + e.Problem }

// A LimitError says that a bound is reached.
type LimitError struct {
	Limit string
	Max   int
}

// Error names the bound.
func (e *LimitError) Error() string { return fmt.Sprintf("%s: at most %d", e.Limit, e.Max) }

// oldSecretFor is how long a secret that was replaced still signs beside the new one.
const oldSecretFor = 15 * time.Minute

// subscribeTries bounds the tries against others who write the same subscription.
const subscribeTries = 4

// Subscribe grants or refreshes a subscription: its secret and its end are set anew, and
// deliveries go on where they were suspended. The callback is challenged first unless it
// was. Errors: *InputError, *LimitError, *CallbackError, and those of the State.
func (e *Engine) Subscribe(ctx context.Context, r Request) (Grant, error) {
	if !strings.HasPrefix(r.Secret, "whsec_") || signature.CheckStandard([]string{r.Secret}) != nil {
		return Grant{}, &InputError{"delivery.secret", "write whsec_ and 24 to 64 bytes in base64"}
	}
	if err := e.opt.Client.Check(r.URL); err != nil {
		return Grant{}, &InputError{"delivery.url", err.Error()}
	}
	for range subscribeTries {
		g, err := e.subscribe(ctx, &r)
		if !errors.Is(err, state.ErrConflict) {
			return g, err
		}
	}
	return Grant{}, fmt.Errorf("subscribe: %w", state.ErrConflict)
}

func (e *Engine) subscribe(ctx context.Context, r *Request) (Grant, error) {
	now := time.Now()
	s := &Subscription{
		ID: r.ID(), Principal: r.Principal, Credential: r.Credential, Name: r.Name, Arguments: r.Arguments, URL: r.URL,
		Secret: r.Secret, CreatedAt: now, RefreshedAt: now, ExpiresAt: now.Add(e.ttl(r.TTL)),
	}
	old, err := e.load(ctx, r.Key)
	if err != nil {
		return Grant{}, err
	}
	if old == nil {
		if err := e.room(ctx, r.Principal); err != nil {
			return Grant{}, err
		}
	} else {
		s.renews(old, now)
	}
	if err := e.verify(ctx, s); err != nil {
		return Grant{}, err
	}
	p, err := e.place(ctx, r, s, old == nil)
	if err != nil {
		return Grant{}, err
	}
	when := state.Put{TTL: time.Until(s.ExpiresAt), IfAbsent: true}
	if old != nil {
		when.IfVersion, when.IfAbsent = old.version, false
	}
	if s.version, err = put(ctx, e.opt.State, s.key().path(), s, when); err != nil {
		return Grant{}, err
	}
	e.tell(s)
	g := Grant{ID: s.ID, RefreshBefore: s.ExpiresAt, Cursor: p.Cursor, Truncated: p.Truncated, Status: p.status()}
	g.Status.Active = true
	return g, nil
}

// renews takes over what a refresh does not change.
func (s *Subscription) renews(old *Subscription, now time.Time) {
	s.CreatedAt, s.Paused = old.CreatedAt, old.Paused
	s.OldSecret, s.OldUntil = old.OldSecret, old.OldUntil
	if old.Secret != s.Secret {
		s.OldSecret, s.OldUntil = old.Secret, now.Add(oldSecretFor)
	}
}

// load returns the subscription of a key, or nil when there is none that is live.
func (e *Engine) load(ctx context.Context, k Key) (*Subscription, error) {
	entry, err := e.opt.State.Get(ctx, k.path())
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if err != nil {
		return nil, err
	}
	return decodeSubscription(entry)
}

// room checks the bounds before a new subscription.
func (e *Engine) room(ctx context.Context, principal string) error {
	held, err := e.opt.State.List(ctx, subscriptionKeys+short(principal)+"/", "", e.opt.MaxPerPrincipal)
	switch {
	case err != nil:
		return err
	case len(held) >= e.opt.MaxPerPrincipal:
		return &LimitError{Limit: "subscriptions of one principal", Max: e.opt.MaxPerPrincipal}
	case e.known() >= e.opt.Max:
		return &LimitError{Limit: "subscriptions in all", Max: e.opt.Max}
	}
	return nil
}

func (e *Engine) ttl(asked time.Duration) time.Duration {
	if asked <= 0 {
		return e.opt.TTL
	}
	return min(max(asked, minTTL), e.opt.TTL)
}

// place finds where a subscription stands, and puts a new one where it begins.
func (e *Engine) place(ctx context.Context, r *Request, s *Subscription, fresh bool) (progress, error) {
	p, err := loadProgress(ctx, e.opt.State, s.ID)
	switch {
	case err != nil && !errors.Is(err, state.ErrNotFound):
		return p, err
	case err != nil || fresh:
		return e.begin(ctx, r, s, p.version)
	}
	told := p.Truncated
	if p.Truncated || !p.SuspendedAt.IsZero() {
		p.Truncated, p.SuspendedAt, p.Lost = false, time.Time{}, 0
		err = p.save(ctx, e.opt.State, s)
	}
	p.Truncated = told
	return p, err
}

// begin puts a subscription where it begins, over what a former life has left. Whether
// the client's cursor leads anywhere is told at once.
func (e *Engine) begin(ctx context.Context, r *Request, s *Subscription, version string) (progress, error) {
	p := progress{Cursor: r.Cursor, Since: r.Since, version: version}
	var told bool
	var err error
	if r.Cursor == "" {
		p.Cursor, err = e.opt.Source.Now(ctx)
	} else {
		var b Batch
		b, err = e.look(ctx, r)
		if told = b.Truncated; told {
			p.Cursor = b.From
		}
	}
	if err == nil {
		err = p.save(ctx, e.opt.State, s)
	}
	p.Truncated = told
	return p, err
}

// look reads one event behind the cursor of a request.
func (e *Engine) look(ctx context.Context, r *Request) (Batch, error) {
	f, err := e.opt.Source.Follow(r.Name, r.Arguments, r.Cursor, 1)
	if err != nil {
		return Batch{}, err
	}
	defer f.Close()
	return f.Read(ctx, r.Since)
}

// Unsubscribe ends a subscription and reports whether there was one.
func (e *Engine) Unsubscribe(ctx context.Context, k Key) (found bool, err error) {
	err = e.opt.State.Delete(ctx, k.path(), "")
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	e.end(k.ID())
	e.forget(ctx, k.ID())
	return true, nil
}

// forget removes what was kept beside a subscription. What stays behind expires.
func (e *Engine) forget(ctx context.Context, id string) {
	_ = e.opt.State.Delete(ctx, deliveryKeys+id, "")
	letters, err := list(ctx, e.opt.State, letterKeys+id+"/")
	if err != nil {
		return
	}
	for _, l := range letters {
		_ = e.opt.State.Delete(ctx, l.Key, "")
	}
}

// terminated is the message by which a receiver is told that its subscription ended.
func (e *Engine) terminated(why string) []byte {
	body, _ := json.Marshal(map[string]any{ // strings and a number
		"type":  "terminated",
		"error": map[string]any{"code": e.opt.TerminatedCode, "message": "Forbidden", "data": map[string]any{"reason": why}},
	})
	return body
}
