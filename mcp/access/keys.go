package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysFresh is how long fetched keys are used before they are asked for again; a
	// withdrawn key is believed no longer.
	keysFresh = 10 * time.Minute
	// keysStale is how long they are used while the issuer is out of reach.
	keysStale = 24 * time.Hour
	// keysPause is the least time between two fetches, whatever unknown keys tokens name.
	keysPause = 10 * time.Second
	// minRSABits is RFC 7518's least.
	minRSABits = 2048
)

// A keySet holds an issuer's keys. They are fetched when they are needed and old, and
// when a token names one that is not known: so a rotation is followed at once.
type keySet struct {
	fetch func(context.Context) ([]jose.JSONWebKey, error)
	log   *slog.Logger

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	gotAt    time.Time
	triedAt  time.Time
	fetching chan struct{} // closed when the fetch under way is done; nil without one
}

func newKeySet(o JWTOptions) *keySet {
	return &keySet{log: o.Logger, fetch: (&issuer{client: o.Client, id: o.Issuer, keysURL: o.KeysURL}).keys}
}

// find returns the keys that may have signed a token: those of the name, or all of the
// kind when the token names none. It fails with ErrUnavailable while there are no keys
// to judge by, and with ErrInvalidToken when none fits.
func (s *keySet) find(ctx context.Context, kid, alg string) ([]jose.JSONWebKey, error) {
	for {
		s.mu.Lock()
		found, running, err := s.look(kid, alg)
		mine := running == nil && found == nil && err == nil
		var fetch chan struct{}
		if mine {
			fetch = make(chan struct{})
			s.fetching, s.triedAt = fetch, time.Now()
		}
		s.mu.Unlock()
		switch {
		case found != nil || err != nil:
			return found, err
		case mine:
			s.refresh(ctx, fetch)
			continue
		}
		select {
		case <-running:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// look decides on what is known: it returns keys, an error, a fetch to wait for, or
// nothing when it is time for one. It requires s.mu.
func (s *keySet) look(kid, alg string) ([]jose.JSONWebKey, <-chan struct{}, error) {
	age := time.Since(s.gotAt)
	due := time.Since(s.triedAt) >= keysPause
	usable := s.keys != nil && age < keysStale
	found := choose(s.keys, kid, alg)
	switch {
	case len(found) > 0 && usable && (age < keysFresh || !due || s.fetching != nil):
		return found, nil, nil
	case s.fetching != nil:
		return nil, s.fetching, nil
	case due:
		return nil, nil, nil
	case usable:
		return nil, nil, ErrInvalidToken
	default:
		return nil, nil, ErrUnavailable
	}
}

// refresh fetches the keys for everybody who waits, so it outlives the request that
// came first.
func (s *keySet) refresh(ctx context.Context, running chan struct{}) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.gotAt = keys, time.Now()
	} else {
		s.log.Warn("signing keys were not fetched", slog.Any("error", err))
	}
	s.fetching = nil
	close(running)
}

func choose(keys []jose.JSONWebKey, kid, alg string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, k := range keys {
		if (kid == "" || k.KeyID == kid) && (k.Algorithm == "" || k.Algorithm == alg) && fits(k, alg) {
			found = append(found, k)
		}
	}
	return found
}

// fits reports whether a key is of the kind that an algorithm wants.
func fits(k jose.JSONWebKey, alg string) bool {
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return alg == string(jose.RS256) && key.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return alg == string(jose.ES256) && key.Curve == elliptic.P256()
	}
	return false
}

var errNoKeys = errors.New("the issuer publishes no key for RS256 or ES256")

// parseKeys reads a key set and leaves out what is no use here: keys of other kinds
// and for other purposes must not spoil the rest.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("decode key set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || (k.Use != "" && k.Use != "sig") {
			continue
		}
		if fits(k, string(jose.RS256)) || fits(k, string(jose.ES256)) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}
