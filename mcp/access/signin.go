package access

import (
	"context"
	"slices"
	"strings"
)

// A SignIn is a person who has signed in with one client, and what they gave it. It owns what the
// client opens: sessions, streams, cursors. Two clients of one person share none of these; how much
// there may be of them is counted by the person.
type SignIn struct {
	// ID names the sign-in: of [A-Za-z0-9_-], never used twice.
	ID     string
	Person Person
	// Keeper knows whether the sign-in still holds.
	Keeper Keeper
}

// A Keeper knows whether a sign-in still holds. It is safe for concurrent use.
type Keeper interface {
	// During returns ctx as it is for a request of the sign-in: it also ends, with the cause
	// ErrRevoked, when the sign-in does. done releases it.
	During(ctx context.Context, s SignIn) (_ context.Context, done func())
	// Check returns nil while the sign-in holds, ErrRevoked when it has ended, and ErrUnavailable
	// when that cannot be found out. What was found out less than five seconds ago may be reused.
	Check(ctx context.Context, id string) error
}

// SignedIn returns the principal of a sign-in. It has a name of its own, and of the scopes those that
// a person can give: read, events and write.
func SignedIn(s SignIn, scopes ...Scope) *Principal {
	p := &Principal{Name: s.Principal(), signIn: &s}
	for _, scope := range scopes {
		if slices.Contains(Personal, scope) && !p.PersonMay(scope) {
			p.gave = append(p.gave, scope)
		}
	}
	return p
}

// Personal are the scopes that people can give, in the order in which they are asked.
var Personal = []Scope{Read, Events, Write}

// PersonMay reports whether the principal is a person who has signed in, and gave the scope to the
// client. What asks this has to act as the person, with no more than their rights.
func (p *Principal) PersonMay(s Scope) bool {
	return p != nil && p.signIn != nil && slices.Contains(p.gave, s)
}

// Principal is the name of the sign-in's principal.
func (s SignIn) Principal() string { return s.Person.Account() + "#" + s.ID }

// Account is the account of all the person's sign-ins; see [Principal.Account].
func (p Person) Account() string { return personPrefix + p.String() }

// IsPerson reports that an account is a person's.
func IsPerson(account string) bool { return strings.HasPrefix(account, personPrefix) }

// personPrefix begins the accounts of people, and the names of principals who have signed in.
const personPrefix = "person:"

// SignIn returns the sign-in of a person's principal. It is false for a service: every other caller.
func (p *Principal) SignIn() (SignIn, bool) {
	if p == nil || p.signIn == nil {
		return SignIn{}, false
	}
	return *p.signIn, true
}

// Holds returns nil while the principal may call: ErrRevoked when what vouched for it has ended, and
// ErrUnavailable when that cannot be found out.
func (p *Principal) Holds(ctx context.Context) error {
	switch {
	case p == nil:
	case p.signIn != nil:
		return p.signIn.Keeper.Check(ctx, p.signIn.ID)
	case p.life != nil && p.life.Err() != nil:
		return ErrRevoked
	}
	return nil
}

// Allowed are the scopes that the principal was given, a service or by a person: for a look, and for
// [Principal.Within]. Whether one may do something is decided by Has and PersonMay.
func (p *Principal) Allowed() []Scope {
	if p.signIn != nil {
		return slices.Clone(p.gave)
	}
	return slices.Clone(p.Scopes)
}

// Within returns the principal with no other scopes than these.
func (p *Principal) Within(scopes []Scope) *Principal {
	q := *p
	other := func(s Scope) bool { return !slices.Contains(scopes, s) }
	q.Scopes, q.gave = slices.DeleteFunc(slices.Clone(p.Scopes), other), slices.DeleteFunc(slices.Clone(p.gave), other)
	return &q
}
