package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

var (
	// ErrInvalidToken says that a token was understood and is not good: unknown,
	// expired, or meant for another server.
	ErrInvalidToken = errors.New("invalid token")
	// ErrUnavailable says that a token could not be judged now, such as when the keys of
	// its issuer are out of reach.
	ErrUnavailable = errors.New("token cannot be checked now")
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

// Tokens are static bearer tokens. Only their hashes are kept.
type Tokens struct{ known []knownToken }

type knownToken struct {
	hash      [sha256.Size]byte
	principal *Principal
}

// NewTokens returns an Authenticator of the given tokens. Each needs a name of its own,
// a secret of at least 16 bytes and a scope.
func NewTokens(tokens ...Token) (*Tokens, error) {
	t := &Tokens{}
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
		t.known = append(t.known, knownToken{
			hash:      sha256.Sum256([]byte(token.Secret)),
			principal: &Principal{Name: "token:" + token.Name, Scopes: append([]Scope(nil), token.Scopes...), Credential: fingerprint(token.Secret)},
		})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// fingerprint tells tokens apart and is of no use to whoever reads it.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte("credential\x00" + secret))
	return hex.EncodeToString(sum[:8])
}

// Valid reports whether a principal's token, by its fingerprint, is still one of these.
func (t *Tokens) Valid(name, credential string) bool {
	for _, k := range t.known {
		if k.principal.Name == name {
			return k.principal.Credential == credential
		}
	}
	return false
}

// Authenticate implements Authenticator. It takes as long for a wrong token as for a
// right one, whichever it is.
func (t *Tokens) Authenticate(_ context.Context, token string) (*Principal, error) {
	hash := sha256.Sum256([]byte(token))
	var found *Principal
	for _, k := range t.known {
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
		if errors.Is(err, ErrUnavailable) {
			result = err
		}
	}
	return nil, result
}
