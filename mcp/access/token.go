package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

var (
	// ErrInvalidToken says that a token was understood and is not good: unknown,
	// expired, or meant for another server.
	ErrInvalidToken = errors.New("invalid token")
	// ErrBoundToken says that a token is good only with the proof of a key or a certificate
	// (its claim cnf), which this server does not check. It is an ErrInvalidToken.
	ErrBoundToken = fmt.Errorf("%w: it is bound to a key or certificate", ErrInvalidToken)
	// ErrUnavailable says that a token could not be judged now, such as when the keys of
	// its issuer are out of reach.
	ErrUnavailable = errors.New("token cannot be checked now")
	// ErrRevoked is the cause with which a request's context ends when its token is
	// removed or changed.
	ErrRevoked = errors.New("the token was revoked")
)

// An Authenticator finds the principal of a bearer token. It returns an error that
// wraps ErrInvalidToken or ErrUnavailable, and says nothing of the token in it. It is
// safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*Principal, error)
}

// A Token is a static bearer token with a name.
type Token struct {
	Name   string
	Secret string
	Scopes []Scope
}

// minSecretBytes keeps what can be guessed out: 16 random bytes in hex are 32.
const minSecretBytes = 16

// Tokens are static bearer tokens, which Replace may exchange while they are asked. Only
// their hashes are kept.
type Tokens struct {
	replacing sync.Mutex
	known     atomic.Pointer[[]knownToken]
}

type knownToken struct {
	hash      [sha256.Size]byte
	principal *Principal
	revoke    context.CancelCauseFunc // ends the principal's token
}

// NewTokens returns an Authenticator of the given tokens. Each needs a name of its own,
// a secret of at least 16 bytes and a scope.
func NewTokens(tokens ...Token) (*Tokens, error) {
	t := &Tokens{}
	t.known.Store(&[]knownToken{})
	if _, err := t.Replace(tokens...); err != nil {
		return nil, err
	}
	return t, nil
}

// A Change says what Replace did, by the names of the tokens, sorted.
type Change struct {
	// Added are new, Removed are gone, Changed have another secret or other scopes, Kept
	// are as they were.
	Added, Changed, Removed, Kept []string
}

// Replace puts these tokens in the place of those before, at once: the next request with
// one that is gone is refused. The requests that [Require] let in with a token that was
// removed or changed are ended, streams too; those of a token that stays as it was notice
// nothing. With an error, which NewTokens would return too, nothing is changed.
func (t *Tokens) Replace(tokens ...Token) (Change, error) {
	if err := check(tokens); err != nil {
		return Change{}, err
	}
	t.replacing.Lock()
	defer t.replacing.Unlock()
	before := map[string]knownToken{}
	for _, k := range *t.known.Load() {
		before[k.principal.Name] = k
	}
	var change Change
	known := make([]knownToken, len(tokens))
	for i, token := range tokens {
		known[i] = newKnownToken(token)
		old, was := before[known[i].principal.Name]
		switch {
		case !was:
			change.Added = append(change.Added, token.Name)
		case old.same(known[i]):
			change.Kept = append(change.Kept, token.Name)
			known[i].revoke(nil) // no caller has it
			known[i] = old
			delete(before, old.principal.Name)
		default:
			change.Changed = append(change.Changed, token.Name)
		}
	}
	t.known.Store(&known)
	for name, old := range before {
		old.revoke(ErrRevoked) // not before the new ones are in force
		if token := strings.TrimPrefix(name, tokenPrefix); !slices.Contains(change.Changed, token) {
			change.Removed = append(change.Removed, token)
		}
	}
	for _, names := range [][]string{change.Added, change.Changed, change.Removed, change.Kept} {
		slices.Sort(names)
	}
	return change, nil
}

func check(tokens []Token) error {
	names := map[string]bool{}
	var errs []error
	for i, token := range tokens {
		switch {
		case token.Name == "":
			errs = append(errs, fmt.Errorf("access: token %d has no Name", i+1))
		case names[token.Name]:
			errs = append(errs, fmt.Errorf("access: two tokens have the Name %q", token.Name))
		case len(token.Secret) < minSecretBytes:
			errs = append(errs, fmt.Errorf("access: the Secret of token %q has fewer than %d bytes", token.Name, minSecretBytes))
		case len(token.Scopes) == 0:
			errs = append(errs, fmt.Errorf("access: token %q has no Scopes", token.Name))
		}
		names[token.Name] = true
	}
	return errors.Join(errs...)
}

// tokenPrefix begins the names of principals that have a static token.
const tokenPrefix = "token:"

func newKnownToken(token Token) knownToken {
	life, revoke := context.WithCancelCause(context.Background())
	return knownToken{
		hash: sha256.Sum256([]byte(token.Secret)), revoke: revoke,
		principal: &Principal{
			Name: tokenPrefix + token.Name, Scopes: slices.Clone(token.Scopes), Credential: fingerprint(token.Secret), life: life,
		},
	}
}

// same reports whether nothing changes for who has the token.
func (k knownToken) same(o knownToken) bool {
	return k.hash == o.hash && slices.Equal(k.principal.Scopes, o.principal.Scopes)
}

// fingerprint distinguishes tokens and says nothing about them.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte("credential\x00" + secret))
	return hex.EncodeToString(sum[:8])
}

// Valid reports whether a principal's token, by its fingerprint, is still one of these,
// and still has the scope.
func (t *Tokens) Valid(name, credential string, scope Scope) bool {
	for _, k := range *t.known.Load() {
		if k.principal.Name == name {
			return k.principal.Credential == credential && k.principal.Has(scope)
		}
	}
	return false
}

// Authenticate implements Authenticator. It takes as long for a wrong token as for a
// right one, whichever it is.
func (t *Tokens) Authenticate(_ context.Context, token string) (*Principal, error) {
	hash := sha256.Sum256([]byte(token))
	var found *Principal
	for _, k := range *t.known.Load() {
		if subtle.ConstantTimeCompare(k.hash[:], hash[:]) == 1 {
			found = k.principal
		}
	}
	if found == nil {
		return nil, ErrInvalidToken
	}
	return found, nil
}

// Any returns an Authenticator that asks each of several and takes the first
// principal. Where none knows the token, one that could not judge it counts most: the
// client should come again.
func Any(several ...Authenticator) Authenticator { return anyOf(several) }

type anyOf []Authenticator

func (a anyOf) Authenticate(ctx context.Context, token string) (*Principal, error) {
	result := ErrInvalidToken
	for _, one := range a {
		p, err := one.Authenticate(ctx, token)
		if err == nil {
			return p, nil
		}
		if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrBoundToken) {
			result = err
		}
	}
	return nil, result
}
