package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/store/state"
	"slackmcp/webhook/signature"
)

// A Key is what makes a subscription: two with the same key are one. Nothing of it
// changes during its life.
type Key struct {
	Principal string
	// URL is the callback, byte for byte as it was given.
	URL string
	// Name and Arguments say what is asked for; Arguments are canonical JSON.
	Name      string
	Arguments json.RawMessage
}

// ID is derived from the key and says nothing of it.
func (k Key) ID() string {
	h := sha256.New()
	for _, part := range []string{k.Principal, k.URL, k.Name, string(k.Arguments)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return "sub_" + hex.EncodeToString(h.Sum(nil)[:16])
}

func (k Key) path() string { return subscriptionKeys + short(k.Principal) + "/" + k.ID() }

// A Subscription is a key with what may change: its secret, its end, and whether an
// operator paused it. It is kept as JSON.
type Subscription struct {
	ID         string          `json:"id"`
	Principal  string          `json:"principal"`
	Credential string          `json:"credential,omitempty"`
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
	URL        string          `json:"url"`

	// Secret signs; until OldUntil, OldSecret does too.
	Secret    string    `json:"secret"`
	OldSecret string    `json:"old_secret,omitempty"`
	OldUntil  time.Time `json:"old_until,omitzero"`

	CreatedAt   time.Time `json:"created_at"`
	RefreshedAt time.Time `json:"refreshed_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	Paused      bool      `json:"paused,omitempty"`

	version string
}

func (s *Subscription) key() Key {
	return Key{Principal: s.Principal, URL: s.URL, Name: s.Name, Arguments: s.Arguments}
}

// callback is the URL as an operator sees it: what stands in a query may be a secret.
func (s *Subscription) callback() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

func decodeSubscription(e state.Entry) (*Subscription, error) {
	s := &Subscription{}
	if err := json.Unmarshal(e.Value, s); err != nil {
		return nil, err
	}
	s.version = e.Version
	return s, nil
}

// A Request asks for a subscription, new or refreshed.
type Request struct {
	Key
	// Caller is the principal that Key names. Required.
	Caller *access.Principal
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

// A Grant is the answer to a [Request].
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

// subscribeTries bounds the attempts when others write the same subscription.
const subscribeTries = 4

// Subscribe grants or refreshes a subscription: its secret and its end are set anew, and
// deliveries go on where they were suspended. The callback is challenged first unless it
// was. Errors: *InputError, *LimitError, *CallbackError, and those of the State.
func (n *Notifier) Subscribe(ctx context.Context, r Request) (Grant, error) {
	if !strings.HasPrefix(r.Secret, "whsec_") || signature.CheckStandard([]string{r.Secret}) != nil {
		return Grant{}, &InputError{"delivery.secret", "write whsec_ and 24 to 64 bytes in base64"}
	}
	if err := n.opt.Client.Check(r.URL); err != nil {
		return Grant{}, &InputError{"delivery.url", err.Error()}
	}
	if !n.mayPost(r.Principal, r.URL) {
		return Grant{}, &InputError{"delivery.url", "the events of people who have signed in are not posted to this host: the operator has to name it in PEOPLE_CALLBACK_HOSTS. Poll, or hold a stream open"}
	}
	for range subscribeTries {
		g, err := n.subscribe(ctx, &r)
		if !errors.Is(err, state.ErrConflict) {
			return g, err
		}
	}
	return Grant{}, fmt.Errorf("subscribe: %w", state.ErrConflict)
}

func (n *Notifier) subscribe(ctx context.Context, r *Request) (Grant, error) {
	now := time.Now()
	s := &Subscription{
		ID: r.ID(), Principal: r.Principal, Credential: r.Credential, Name: r.Name, Arguments: r.Arguments, URL: r.URL,
		Secret: r.Secret, CreatedAt: now, RefreshedAt: now, ExpiresAt: now.Add(n.ttl(r.TTL)),
	}
	old, err := n.load(ctx, r.Key)
	if err != nil {
		return Grant{}, err
	}
	if old == nil {
		if err := n.checkLimits(ctx, r.Principal); err != nil {
			return Grant{}, err
		}
	} else {
		s.renews(old, now)
	}
	if err := n.verify(ctx, s); err != nil {
		return Grant{}, err
	}
	p, err := n.place(ctx, r, s, old == nil)
	if err != nil {
		return Grant{}, err
	}
	when := state.Put{TTL: time.Until(s.ExpiresAt), IfAbsent: true}
	if old != nil {
		when.IfVersion, when.IfAbsent = old.version, false
	}
	if s.version, err = put(ctx, n.opt.State, s.key().path(), s, when); err != nil {
		return Grant{}, err
	}
	n.changed(s)
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
func (n *Notifier) load(ctx context.Context, k Key) (*Subscription, error) {
	entry, err := n.opt.State.Get(ctx, k.path())
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if err != nil {
		return nil, err
	}
	return decodeSubscription(entry)
}

// checkLimits checks the bounds before a new subscription.
func (n *Notifier) checkLimits(ctx context.Context, principal string) error {
	held, err := n.opt.State.List(ctx, subscriptionKeys+short(principal)+"/", "", n.opt.MaxPerPrincipal)
	switch {
	case err != nil:
		return err
	case len(held) >= n.opt.MaxPerPrincipal:
		return &LimitError{Limit: "subscriptions of one principal", Max: n.opt.MaxPerPrincipal}
	case n.known() >= n.opt.Max:
		return &LimitError{Limit: "subscriptions in all", Max: n.opt.Max}
	}
	return nil
}

func (n *Notifier) ttl(asked time.Duration) time.Duration {
	if asked <= 0 {
		return n.opt.TTL
	}
	return min(max(asked, minTTL), n.opt.TTL)
}

// place finds where a subscription stands, and puts a new one where it begins.
func (n *Notifier) place(ctx context.Context, r *Request, s *Subscription, fresh bool) (progress, error) {
	p, err := loadProgress(ctx, n.opt.State, s.ID)
	switch {
	case err != nil && !errors.Is(err, state.ErrNotFound):
		return p, err
	case err != nil || fresh:
		return n.begin(ctx, r, s, p.version)
	}
	truncated := p.Truncated
	if p.Truncated || !p.SuspendedAt.IsZero() {
		p.Truncated, p.SuspendedAt, p.Lost = false, time.Time{}, 0
		err = p.save(ctx, n.opt.State, s)
	}
	p.Truncated = truncated
	return p, err
}

// begin puts a subscription where it begins, over what a former life has left. Whether
// the client's cursor leads anywhere is answered at once.
func (n *Notifier) begin(ctx context.Context, r *Request, s *Subscription, version string) (progress, error) {
	p := progress{Cursor: r.Cursor, Since: r.Since, version: version}
	var truncated bool
	var err error
	if r.Cursor == "" {
		p.Cursor, err = n.opt.Source.Now(ctx, r.Caller)
	} else {
		var b Batch
		b, err = n.look(ctx, r)
		if truncated = b.Truncated; truncated {
			p.Cursor = b.From
		}
	}
	if err == nil {
		err = p.save(ctx, n.opt.State, s)
	}
	p.Truncated = truncated
	return p, err
}

// look reads one event behind the cursor of a request.
func (n *Notifier) look(ctx context.Context, r *Request) (Batch, error) {
	f, err := n.opt.Source.Follow(r.Caller, r.Name, r.Arguments, r.Cursor, 1)
	if err != nil {
		return Batch{}, err
	}
	defer f.Close()
	return f.Read(ctx, r.Since)
}

// Unsubscribe ends a subscription and reports whether there was one.
func (n *Notifier) Unsubscribe(ctx context.Context, k Key) (found bool, err error) {
	err = n.opt.State.Delete(ctx, k.path(), "")
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n.end(k.ID())
	n.forget(ctx, k.ID())
	return true, nil
}

// forget removes what was kept beside a subscription. What stays behind expires.
func (n *Notifier) forget(ctx context.Context, id string) {
	_ = n.opt.State.Delete(ctx, deliveryKeys+id, "")
	letters, err := list(ctx, n.opt.State, letterKeys+id+"/")
	if err != nil {
		return
	}
	for _, l := range letters {
		_ = n.opt.State.Delete(ctx, l.Key, "")
	}
}

// terminated is the message to a receiver whose subscription was ended.
func (n *Notifier) terminated(why string) []byte {
	body, _ := json.Marshal(map[string]any{ // strings and a number
		"type":  "terminated",
		"error": map[string]any{"code": n.opt.TerminatedCode, "message": "Forbidden", "data": map[string]any{"reason": why}},
	})
	return body
}

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
func (n *Notifier) List(ctx context.Context) ([]Info, error) {
	entries, err := list(ctx, n.opt.State, subscriptionKeys)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(entries))
	for _, entry := range entries {
		s, err := decodeSubscription(entry)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Key, err)
		}
		info, err := n.info(ctx, s)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (n *Notifier) info(ctx context.Context, s *Subscription) (Info, error) {
	p, err := loadProgress(ctx, n.opt.State, s.ID)
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
func (n *Notifier) Show(ctx context.Context, id string) (Info, error) {
	s, err := n.find(ctx, id)
	if err != nil {
		return Info{}, err
	}
	info, err := n.info(ctx, s)
	if err != nil {
		return Info{}, err
	}
	info.DeadLetters, err = n.letters(ctx, s.ID)
	return info, err
}

// Pause stops deliveries until Resume; events wait in the log meanwhile. state.ErrNotFound.
func (n *Notifier) Pause(ctx context.Context, id string) error { return n.setPaused(ctx, id, true) }

// Resume goes on behind the last event that was delivered. state.ErrNotFound.
func (n *Notifier) Resume(ctx context.Context, id string) error { return n.setPaused(ctx, id, false) }

func (n *Notifier) setPaused(ctx context.Context, id string, paused bool) error {
	s, err := n.find(ctx, id)
	if err != nil {
		return err
	}
	s.Paused = paused
	s.version, err = put(ctx, n.opt.State, s.key().path(), s,
		state.Put{TTL: max(time.Until(s.ExpiresAt), time.Second), IfVersion: s.version})
	if err == nil {
		n.changed(s)
	}
	return err
}

// Remove ends a subscription and notifies its receiver. It returns state.ErrNotFound when
// there is none.
func (n *Notifier) Remove(ctx context.Context, id string) error {
	s, err := n.find(ctx, id)
	if err != nil {
		return err
	}
	n.evict(ctx, s, "an operator removed the subscription")
	return nil
}

func (n *Notifier) find(ctx context.Context, id string) (*Subscription, error) {
	entries, err := list(ctx, n.opt.State, subscriptionKeys)
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
func (n *Notifier) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Stats{Subscriptions: len(n.all), Working: len(n.runners)}
}
