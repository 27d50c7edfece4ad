// Package signature verifies that a request was signed by the sender that it claims to come
// from, and signs requests.
//
// A [Scheme] knows where its sender puts the signature and what it covers; a
// [Verifier] joins it with secrets. Verification has two steps, so that the body of a
// request that cannot be genuine is never read: [Verifier.Open] judges the headers and
// the timestamp, [Verifier.Verify] the body.
//
// Promises: every signature is an HMAC-SHA256 over the raw bytes, compared in constant
// time; exactly one signature header is accepted; an empty secret is no secret; several
// secrets are valid at once while one is rotated. No error holds a signature, a
// computed sum or a part of the body, so that none helps to forge one.
//
// Not promised: that a request came only once. A genuine request can be sent again
// within the tolerance, and for ever where the scheme has no timestamp; a program that
// stores requests has to recognise copies.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync"
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
)

// DefaultTolerance is how far a timestamp may be from now, in both directions: what
// Slack, Stripe and Standard Webhooks advise.
const DefaultTolerance = 5 * time.Minute

// maxSums is how many signatures one request may carry: senders add one for each
// secret that is valid while they rotate.
const maxSums = 8

// A Scheme is one sender's way to sign. The schemes of this package are all there are.
type Scheme interface {
	// Name is what a configuration calls the scheme.
	Name() string
	// Claim reads what the headers claim. Errors: ErrMissing, ErrMalformed.
	Claim(h http.Header) (Claim, error)
	// Key returns the key that a configured secret stands for.
	Key(secret string) ([]byte, error)
	// Timed reports whether the scheme signs a timestamp. Without one a genuine request can
	// be sent again at any time.
	Timed() bool
}

// A Claim is what a request's headers say about its signature.
type Claim struct {
	// ID is the delivery's id, where the scheme has one; else empty.
	ID string
	// At is the signed Unix time in seconds; 0 where the scheme has none.
	At int64

	prefix [5]string // what is signed before the body
	sums   [maxSums][sha256.Size]byte
	n      int
}

// Options configure a Verifier.
type Options struct {
	// Scheme is required.
	Scheme Scheme
	// Secrets are the secrets that are valid now; at least one, none of them empty.
	Secrets []string
	// Tolerance bounds the distance of a signed timestamp from now; 0 means DefaultTolerance.
	Tolerance time.Duration
}

// A Verifier checks the requests of one sender. It is safe for concurrent use.
type Verifier struct {
	scheme    Scheme
	keys      atomic.Pointer[[]*sync.Pool] // of hash.Hash, an HMAC under each key
	tolerance time.Duration
}

// New returns a Verifier. Its errors name the option and never hold a secret.
func New(o Options) (*Verifier, error) {
	if o.Scheme == nil {
		return nil, errors.New("signature: Scheme is required")
	}
	if o.Tolerance < 0 {
		return nil, errors.New("signature: Tolerance must not be negative")
	}
	v := &Verifier{scheme: o.Scheme, tolerance: o.Tolerance}
	if v.tolerance == 0 {
		v.tolerance = DefaultTolerance
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

func makeKeys(scheme Scheme, secrets []string) ([]*sync.Pool, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("signature: Secrets of %s: at least one is required", scheme.Name())
	}
	keys := make([]*sync.Pool, len(secrets))
	for i, s := range secrets {
		if strings.TrimSpace(s) == "" {
			return nil, fmt.Errorf("signature: Secrets of %s: number %d is empty", scheme.Name(), i+1)
		}
		k, err := scheme.Key(s)
		if err != nil {
			return nil, fmt.Errorf("signature: Secrets of %s: number %d: %w", scheme.Name(), i+1, err)
		}
		keys[i] = &sync.Pool{New: func() any { return hmac.New(sha256.New, k) }}
	}
	return keys, nil
}

// Scheme returns the verifier's scheme.
func (v *Verifier) Scheme() Scheme { return v.scheme }

// Open judges the headers, at a time. Its errors are ErrMissing, ErrMalformed and ErrStale; with
// ErrStale the claim is returned all the same, so that the distance of the clocks is known.
func (v *Verifier) Open(h http.Header, now time.Time) (Claim, error) {
	c, err := v.scheme.Claim(h)
	if err != nil {
		return Claim{}, err
	}
	if c.At != 0 && now.Sub(time.Unix(c.At, 0)).Abs() > v.tolerance {
		return c, ErrStale
	}
	return c, nil
}

// stretch is how much of a long body is hashed before other goroutines get a turn: it takes
// some twenty microseconds. A body can be long before its sender is known, and the scheduler
// would let the hashing go on for ten milliseconds.
const stretch = 32 << 10

// Verify checks the body against a claim of Open and returns which secret signed it,
// counted from 0: one of the claim's sums is the HMAC under it. Its error is ErrMismatch.
func (v *Verifier) Verify(c *Claim, body []byte) (secret int, err error) {
	var buf [sha256.Size]byte
	for i, key := range *v.keys.Load() {
		mac := key.Get().(hash.Hash)
		mac.Reset()
		mac.Write([]byte(strings.Join(c.prefix[:], "")))
		rest := body
		for len(rest) > stretch {
			mac.Write(rest[:stretch])
			rest = rest[stretch:]
			runtime.Gosched()
		}
		mac.Write(rest)
		sum := mac.Sum(buf[:0])
		key.Put(mac)
		match := false
		for k := range c.n {
			// Every sum is compared, each in constant time.
			match = hmac.Equal(sum, c.sums[k][:]) || match
		}
		if match {
			return i, nil
		}
	}
	return 0, ErrMismatch
}

// single returns the value of a header that has to be there exactly once. Two could
// mean that a proxy and we read different ones.
func single(h http.Header, name string) (string, error) {
	switch vs := h[name]; len(vs) {
	case 0:
		return "", ErrMissing
	case 1:
		if vs[0] == "" {
			return "", ErrMissing
		}
		return vs[0], nil
	default:
		return "", ErrMalformed
	}
}

// optional returns the value of a header that may be missing, but not be there twice.
func optional(h http.Header, name string) (string, error) {
	if len(h[name]) == 0 {
		return "", nil
	}
	return single(h, name)
}

// unixTime reads digits, and nothing but digits. A time that no int64 of seconds
// holds is ill-formed; the year 0 to 292277026596 are not, and are judged as stale.
func unixTime(s string) (int64, error) {
	if s == "" {
		return 0, ErrMalformed
	}
	var t int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrMalformed
		}
		digit := int64(s[i] - '0')
		if t > (math.MaxInt64-digit)/10 {
			return 0, ErrMalformed
		}
		t = t*10 + digit
	}
	if t == 0 {
		return 0, ErrMalformed // 0 stands for "no timestamp" in a Claim
	}
	return t, nil
}

// addHex adds a sum that is written as 64 hexadecimal digits.
func (c *Claim) addHex(s string) error {
	if len(s) != hex.EncodedLen(sha256.Size) || c.n == maxSums {
		return ErrMalformed
	}
	if _, err := hex.Decode(c.sums[c.n][:], []byte(s)); err != nil {
		return ErrMalformed
	}
	c.n++
	return nil
}

// full reports whether no other sum can be added.
func (c *Claim) full() bool { return c.n == maxSums }

// addBase64 adds a sum that is written in base64.
func (c *Claim) addBase64(s string) error {
	var buf [sha256.Size + 3]byte
	if len(s) != base64.StdEncoding.EncodedLen(sha256.Size) || c.n == maxSums {
		return ErrMalformed
	}
	n, err := base64.StdEncoding.Decode(buf[:], []byte(s))
	if err != nil || n != sha256.Size {
		return ErrMalformed
	}
	copy(c.sums[c.n][:], buf[:])
	c.n++
	return nil
}
