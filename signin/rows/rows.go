// Package rows keeps who has signed in: one sealed row a sign-in, shared by the replicas, with the
// hashes of its tokens. Whatever happens to a sign-in is one compare-and-swap or one delete of its
// row, so the state needs no transactions.
//
// It promises that a row is asked for each request, or was less than five seconds ago; that what a
// sign-in has opened ends within 30 seconds of it, and within 60 while the state cannot be read; that
// a refresh token gives one successor, however many times and on however many replicas it is used at
// once, and ends the sign-in when it comes back later; and that a code which comes back ends what it
// gave. Tokens are in no log, error or row.
package rows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/seal"
	"slackmcp/store/state"
)

// ErrInvalid says that a token, a code or a sign-in is not known, no longer good, or another client's.
var ErrInvalid = errors.New("not known, or no longer good")

// Options configure SignIns.
type Options struct {
	// State keeps the rows, and Keys seal them. Required.
	State state.Store
	Keys  *seal.Keyring
	// Ceiling is what people may give at most, whatever they gave before; nil is all.
	Ceiling []access.Scope
	// OnEnd, when set, is called with the name of the principal of each sign-in that is seen to have
	// ended, possibly more than once. It must not wait for long.
	OnEnd func(ctx context.Context, principal string)
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Logger receives what an operator should know; silent when nil.
	Logger *slog.Logger
}

// SignIns are the sign-ins that there are. It is an access.Authenticator, an access.Keeper and a
// signin.People, and safe for concurrent use.
type SignIns struct {
	rows *seal.Rows
	opt  Options

	mu   sync.Mutex
	read map[string]seen  // what was read lately, by id
	held map[string]*held // sign-ins with open requests here, by id
}

// seen is a row that was read at a moment.
type seen struct {
	row row
	at  time.Time
}

// New returns the sign-ins of a state.
func New(o Options) (*SignIns, error) {
	if o.State == nil || o.Keys == nil {
		return nil, errors.New("rows: State and Keys are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	sealed, err := seal.NewRows(o.State, o.Keys)
	if err != nil {
		return nil, err
	}
	return &SignIns{rows: sealed, opt: o, read: map[string]seen{}, held: map[string]*held{}}, nil
}

// unavailable is an error of the state as callers know it.
func unavailable(err error) error { return fmt.Errorf("%w: %w", signin.ErrUnavailable, err) }

// get reads a row anew, and its version. A row whose time is over is none.
func (s *SignIns) get(ctx context.Context, id string) (row, string, error) {
	var r row
	key := keyOf(id)
	if key == "" {
		return r, "", ErrInvalid
	}
	e, err := s.rows.Get(ctx, key)
	if errors.Is(err, state.ErrNotFound) {
		s.forget(id)
		return r, "", ErrInvalid
	}
	if err != nil {
		return r, "", unavailable(err)
	}
	if json.Unmarshal(e.Value, &r) != nil || !r.Until.After(s.opt.Now()) {
		s.forget(id)
		return r, "", ErrInvalid
	}
	s.keep(id, r)
	return r, e.Version, nil
}

// maxRead bounds the rows that are remembered; beyond it those that are too old go.
const maxRead = 10_000

func (s *SignIns) keep(id string, r row) {
	now := s.opt.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.read) >= maxRead {
		for k, v := range s.read {
			if now.Sub(v.at) >= readReuse {
				delete(s.read, k)
			}
		}
	}
	if len(s.read) < maxRead {
		s.read[id] = seen{r, now}
	}
}

func (s *SignIns) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.read, id)
}

// lately returns a row that was read less than readReuse ago, or reads it.
func (s *SignIns) lately(ctx context.Context, id string) (_ row, fresh bool, _ error) {
	s.mu.Lock()
	v, ok := s.read[id]
	s.mu.Unlock()
	if ok && s.opt.Now().Sub(v.at) < readReuse && v.row.Until.After(s.opt.Now()) {
		return v.row, false, nil
	}
	r, _, err := s.get(ctx, id)
	return r, true, err
}

// put writes a row over a version, or where none is when the version is empty. It returns
// state.ErrConflict as it is.
func (s *SignIns) put(ctx context.Context, id string, r row, version string) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	p := state.Put{IfVersion: version, IfAbsent: version == "", TTL: r.Until.Sub(s.opt.Now()).Truncate(time.Millisecond)}
	_, err = s.rows.Put(ctx, keyOf(id), value, p)
	switch {
	case errors.Is(err, state.ErrConflict):
		s.forget(id)
		return state.ErrConflict
	case err != nil:
		s.forget(id)
		return unavailable(err)
	}
	s.keep(id, r)
	return nil
}

// maxTries bounds how often one row is changed again that others change too.
const maxTries = 20

// change changes a row by compare-and-swap, until it holds. What fn returns ends it.
func (s *SignIns) change(ctx context.Context, id string, fn func(*row) (write bool, err error)) error {
	for range maxTries {
		r, version, err := s.get(ctx, id)
		if err != nil {
			return err
		}
		write, err := fn(&r)
		if err != nil || !write {
			return err
		}
		if err = s.put(ctx, id, r, version); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return unavailable(errors.New("the sign-in changes too often"))
}

// Authenticate implements access.Authenticator: it knows access tokens.
func (s *SignIns) Authenticate(ctx context.Context, token string) (*access.Principal, error) {
	kind, id, secret, ok := parseToken(token)
	if !ok || kind != accessKind {
		return nil, access.ErrInvalidToken
	}
	r, fresh, err := s.lately(ctx, id)
	if err != nil {
		return nil, forAccess(err)
	}
	scopes, good := r.scopesOf(secret, s.opt.Now())
	if !good && !fresh { // it may have been given meanwhile, by another replica
		if r, _, err = s.get(ctx, id); err != nil {
			return nil, forAccess(err)
		}
		scopes, good = r.scopesOf(secret, s.opt.Now())
	}
	if !good {
		return nil, access.ErrInvalidToken
	}
	s.used(ctx, id, &r)
	return s.principal(id, &r, scopes), nil
}

// principal is the caller of a sign-in, with scopes within the ceiling.
func (s *SignIns) principal(id string, r *row, scopes []access.Scope) *access.Principal {
	if s.opt.Ceiling != nil {
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(one access.Scope) bool { return !slices.Contains(s.opt.Ceiling, one) })
	}
	return access.SignedIn(access.SignIn{ID: id, Person: r.Person, Keeper: s}, scopes...)
}

// Caller returns the caller of a sign-in by the name of its principal, for what it has left behind to be done. It
// is ErrInvalid where there is no such sign-in any more.
func (s *SignIns) Caller(ctx context.Context, name string) (*access.Principal, error) {
	id := name[strings.LastIndexByte(name, '#')+1:]
	r, _, err := s.lately(ctx, id)
	if err != nil {
		return nil, err
	}
	p := s.principal(id, &r, r.Scopes)
	if p.Name != name {
		return nil, ErrInvalid
	}
	return p, nil
}

func forAccess(err error) error {
	if errors.Is(err, ErrInvalid) {
		return access.ErrInvalidToken
	}
	return fmt.Errorf("%w: %w", access.ErrUnavailable, err)
}

// used writes the time of a use, seldom. That it is not written is no reason to refuse a caller.
func (s *SignIns) used(ctx context.Context, id string, r *row) {
	now := s.opt.Now()
	if now.Sub(r.Used) < usedEvery {
		return
	}
	err := s.change(ctx, id, func(r *row) (bool, error) {
		if now.Sub(r.Used) < usedEvery {
			return false, nil
		}
		r.Used = now
		return true, nil
	})
	if err != nil && !errors.Is(err, ErrInvalid) {
		s.opt.Logger.LogAttrs(ctx, slog.LevelDebug, "the last use of a sign-in was not written", slog.Any("error", err))
	}
}

// Issued is what a client is given.
type Issued struct {
	Access, Refresh string
	// ExpiresIn is how long Access is good for from now.
	ExpiresIn time.Duration
	Scopes    []access.Scope
	// SignIn is the id of the sign-in.
	SignIn string
}

func (s *SignIns) issued(id string, p pair) Issued {
	return Issued{
		Access: tokenText(accessKind, id, p.Access), Refresh: tokenText(refreshKind, id, p.Refresh),
		ExpiresIn: p.Until.Sub(s.opt.Now()), Scopes: p.Scopes, SignIn: id,
	}
}

// open writes the row of a new sign-in.
func (s *SignIns) open(ctx context.Context, c Code) (Issued, error) {
	now := s.opt.Now()
	family := make([]byte, randomBytes)
	_, _ = rand.Read(family) // it never fails
	r := row{
		Person: c.Account.Person, Name: c.Account.Name, Workspace: c.Account.Workspace, Client: c.Client, ClientIs: c.ClientName,
		Host: c.ClientHost, Scopes: c.Scopes, Created: now, Family: family,
	}
	if err := s.endUnused(ctx, c.Account.Person); err != nil {
		return Issued{}, err
	}
	id := personHash(c.Account.Person) + newHalf()
	p := r.next(now, c.Scopes)
	if err := s.put(ctx, id, r, ""); err != nil {
		return Issued{}, unavailable(err)
	}
	return s.issued(id, p), nil
}

// endUnused ends the sign-ins of a person that were unused for longest, so that there is room for another.
func (s *SignIns) endUnused(ctx context.Context, p access.Person) error {
	list, err := s.Of(ctx, p)
	if err != nil || len(list) < MaxSignIns {
		return err
	}
	slices.SortFunc(list, func(a, b Info) int { return a.Used.Compare(b.Used) })
	for _, old := range list[:len(list)-MaxSignIns+1] {
		if _, err := s.End(ctx, old.ID); err != nil {
			return err
		}
	}
	return nil
}

// A Refresh asks for new tokens.
type Refresh struct {
	// Token is the refresh token and Client the hash of the id of the client that shows it.
	Token, Client string
	// Scopes are those that are wanted; none means all that the sign-in has.
	Scopes []access.Scope
	// May says whether the person may still be signed in: see signin.Slack.Check.
	May func(ctx context.Context, p access.Person) error
}

// ErrScope says that more scopes were asked for than the sign-in has.
var ErrScope = errors.New("the sign-in does not have that scope")

// Refresh exchanges a refresh token for a new pair. The same token, and the one that it
// gave, give the same pair again for the time of the grace; when it comes back later, or a person may no longer be signed in, the sign-in
// ends. Errors are ErrInvalid, ErrScope, a *signin.RefusedError, or wrap signin.ErrUnavailable.
func (s *SignIns) Refresh(ctx context.Context, o Refresh) (Issued, error) {
	kind, id, secret, ok := parseToken(o.Token)
	if !ok || kind != refreshKind {
		return Issued{}, ErrInvalid
	}
	r, _, err := s.get(ctx, id)
	if err != nil {
		return Issued{}, err
	}
	if r.Client != o.Client {
		return Issued{}, ErrInvalid
	}
	if !is(r.Refresh, secret) && !is(r.Before, secret) && !r.ofFamily(refreshKind, secret) {
		return Issued{}, ErrInvalid // a guess, which ends nothing
	}
	if err := s.may(ctx, id, r.Person, o.May); err != nil {
		return Issued{}, err
	}
	var given pair
	var what outcome
	err = s.change(ctx, id, func(r *row) (bool, error) {
		var err error
		given, what, err = r.refresh(keyOf(id), secret, s.opt.Now(), o.Scopes)
		return what == rotated, err
	})
	if what == reused {
		s.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a refresh token came back after its successor was used; the sign-in ends",
			slog.String("person", r.Person.String()), slog.String("sign_in", id))
		if _, err := s.End(ctx, id); err != nil && !errors.Is(err, ErrInvalid) {
			return Issued{}, err
		}
		return Issued{}, ErrInvalid
	}
	if err != nil {
		return Issued{}, err
	}
	return s.issued(id, given), nil
}

// may ends a sign-in whose person may no longer be signed in.
func (s *SignIns) may(ctx context.Context, id string, p access.Person, ask func(context.Context, access.Person) error) error {
	if ask == nil {
		return nil
	}
	err := ask(ctx, p)
	if _, refused := errors.AsType[*signin.RefusedError](err); refused {
		if _, ended := s.End(ctx, id); ended != nil && !errors.Is(ended, ErrInvalid) {
			return ended
		}
		return err
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}
