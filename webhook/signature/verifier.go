// Package signature verifies that a request was signed by the sender that it claims to come
// from, and signs requests.
//
// A [Scheme] knows where its sender puts the signature and what it covers; a
// [Verifier] joins it with secrets. Verification has two steps, so that the body of a
// request that cannot be genuine is never read: [Verifier.Open] judges the headers and
// the timestamp, [Verifier.Verify] the body.
//
// Promises: what is signed are the raw bytes, as they are stored; sums, tokens and passwords are
// compared in constant time; exactly one signature header is accepted; a member of the body that
// decides must stand there once; an empty secret is no secret; several secrets are valid at once
// while one is rotated. No error holds a signature, a computed sum or a part of the body, so that
// none helps to forge one. Keys that cannot be fetched are [ErrUnavailable], never an acceptance.
//
// Not promised: that a request came only once. A genuine request can be sent again
// within the tolerance, and for ever where the scheme has no timestamp; a program that
// stores requests has to recognise copies.
package signature

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Why a request is refused.
var (
	// ErrMissing says that a header of the scheme is not there.
	ErrMissing = errors.New("signature header is missing")
	// ErrMalformed says that a header is there, but not as the scheme writes it, or twice.
	ErrMalformed = errors.New("signature header is ill-formed")
	// ErrStale says that the signed timestamp is further from now than the tolerance.
	ErrStale = errors.New("timestamp is outside the tolerance")
	// ErrMismatch says that no secret yields any of the signatures.
	ErrMismatch = errors.New("signature does not match")
	// ErrUnavailable says that the sender's public keys could not be fetched, so that nobody
	// knows yet whether the request is genuine.
	ErrUnavailable = errors.New("the sender's keys cannot be fetched")
)

// DefaultTolerance is how far a timestamp may be from now, in both directions: what
// Slack, Stripe and Standard Webhooks advise.
const DefaultTolerance = 5 * time.Minute

// A Scheme is one sender's way to sign. The schemes of this package are all there are.
type Scheme interface {
	// Name is what a configuration calls the scheme. Two schemes of one name sign alike.
	Name() string
	// Claim reads what the headers claim. Errors: ErrMissing, ErrMalformed.
	Claim(r *http.Request) (Claim, error)
	// Key makes a configured secret ready for use.
	Key(secret string) (Key, error)
	// Headers are those in which a request says who sent it; none when the body says it.
	Headers() []string
	// Timed reports whether the scheme signs a timestamp together with the body. Without one a
	// genuine request can be sent again at any time.
	Timed() bool
}

// A Key is a secret of a scheme, or a public key, that is ready to judge claims.
type Key interface {
	// check judges a body. It may fill in the claim's ID and At, where they are in the body.
	check(c *Claim, body []byte) error
}

// keyless is a scheme that has no secret: its keys are the sender's public ones.
type keyless interface{ key() Key }

// addressed is a scheme that may sign the address to which a request was posted.
type addressed interface{ needsURL() bool }

// CoversQuery reports whether a scheme vouches for the query of the address, so that a request may say there what
// others say in a body.
func CoversQuery(s Scheme) bool {
	if _, ok := s.(vonage); ok {
		return true
	}
	a, ok := s.(addressed)
	return ok && a.needsURL()
}

// A Claim is what a request's headers say about its signature.
type Claim struct {
	// ID is the delivery's id, where the scheme has one; else empty.
	ID string
	// At is the signed Unix time in seconds; 0 where the scheme has none.
	At int64

	prefix [3]string         // of Slack: what is signed before the body
	sum    [sha256.Size]byte // of Slack: the signature

	recipe *recipe // of a scheme that is made of a Recipe
	sigs   [][]byte
	stamp  string // the time as it is written
	token  string // of a JWT

	v       *Verifier
	request *http.Request
	opened  time.Time
}

// A Fetcher gets a document of a sender, such as its public keys.
type Fetcher func(ctx context.Context, url string) ([]byte, error)

// Options configure a Verifier.
type Options struct {
	// Scheme is required.
	Scheme Scheme
	// Secrets are the secrets that are valid now; at least one, none of them empty. A scheme of
	// public keys that are fetched takes none.
	Secrets []string
	// Tolerance bounds the distance of a signed timestamp from now; 0 means DefaultTolerance.
	Tolerance time.Duration
	// URL is the address that the sender posts to, without a query, for schemes that sign it.
	URL string
	// Fetch gets the sender's public keys; nil makes every fetch fail.
	Fetch Fetcher
}

// A Verifier checks the requests of one sender. It is safe for concurrent use.
type Verifier struct {
	scheme    Scheme
	keys      atomic.Pointer[[]Key]
	tolerance time.Duration
	url       string
	fetch     Fetcher
}

// New returns a Verifier. Its errors name the option and never hold a secret.
func New(o Options) (*Verifier, error) {
	if o.Scheme == nil {
		return nil, errors.New("signature: Scheme is required")
	}
	if o.Tolerance < 0 {
		return nil, errors.New("signature: Tolerance must not be negative")
	}
	if a, ok := o.Scheme.(addressed); ok && a.needsURL() && o.URL == "" {
		return nil, fmt.Errorf("signature: URL is required, because %s signs the address that it posts to: set PUBLIC_URL, or url of the source", o.Scheme.Name())
	}
	v := &Verifier{scheme: o.Scheme, tolerance: o.Tolerance, url: o.URL, fetch: o.Fetch}
	if v.tolerance == 0 {
		v.tolerance = DefaultTolerance
	}
	if v.fetch == nil {
		v.fetch = func(context.Context, string) ([]byte, error) { return nil, ErrUnavailable }
	}
	if err := v.Replace(o.Secrets); err != nil {
		return nil, err
	}
	return v, nil
}

// Replace replaces the secrets. A request that is being verified meanwhile is checked with
// the old ones or the new ones. With an error, which never holds a secret, the old ones stay.
func (v *Verifier) Replace(secrets []string) error {
	keys, err := makeKeys(v.scheme, secrets)
	if err != nil {
		return err
	}
	v.keys.Store(&keys)
	return nil
}

// Check returns the error that Replace would return.
func (v *Verifier) Check(secrets []string) error {
	_, err := makeKeys(v.scheme, secrets)
	return err
}

// NeedsSecret reports whether a scheme has secrets, and not fetched public keys alone.
func NeedsSecret(s Scheme) bool {
	_, ok := s.(keyless)
	return !ok
}

func makeKeys(scheme Scheme, secrets []string) ([]Key, error) {
	if s, ok := scheme.(keyless); ok {
		if len(secrets) > 0 {
			return nil, fmt.Errorf("signature: Secrets of %s: it has none, because its keys are fetched", scheme.Name())
		}
		return []Key{s.key()}, nil
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("signature: Secrets of %s: at least one is required", scheme.Name())
	}
	keys := make([]Key, len(secrets))
	for i, s := range secrets {
		if strings.TrimSpace(s) == "" {
			return nil, fmt.Errorf("signature: Secrets of %s: number %d is empty", scheme.Name(), i+1)
		}
		k, err := scheme.Key(s)
		if err != nil {
			return nil, fmt.Errorf("signature: Secrets of %s: number %d: %w", scheme.Name(), i+1, err)
		}
		keys[i] = k
	}
	return keys, nil
}

// Scheme returns the verifier's scheme.
func (v *Verifier) Scheme() Scheme { return v.scheme }

// Open judges the headers, at a time. Its errors are ErrMissing, ErrMalformed and ErrStale; with
// ErrStale the claim is returned all the same, so that the distance of the clocks is known. The
// body of r is not read.
func (v *Verifier) Open(r *http.Request, now time.Time) (Claim, error) {
	c, err := v.scheme.Claim(r)
	if err != nil {
		return Claim{}, err
	}
	c.v, c.request, c.opened = v, r, now
	if c.stale() {
		return c, ErrStale
	}
	return c, nil
}

func (c *Claim) stale() bool {
	return c.At != 0 && c.opened.Sub(time.Unix(c.At, 0)).Abs() > c.v.tolerance
}

// Verify checks the body against a claim of Open and returns which secret signed it, counted
// from 0. Its errors are those of Open, for what stands in the body, ErrMismatch and
// ErrUnavailable.
func (v *Verifier) Verify(c *Claim, body []byte) (secret int, err error) {
	err = ErrMismatch
	for i, key := range *v.keys.Load() {
		switch e := key.check(c, body); {
		case e == nil && c.stale():
			return 0, ErrStale
		case e == nil:
			return i, nil
		case !errors.Is(e, ErrMismatch):
			err = e
		}
	}
	return 0, err
}
