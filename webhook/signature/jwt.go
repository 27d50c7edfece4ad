package signature

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// A Token says how a sender vouches for a request with a JSON Web Token.
type Token struct {
	// Label is the scheme's name.
	Label string
	// Header has the token, bare or after "Bearer " [Authorization].
	Header string
	// Keys is the https address of the sender's key set, whose tokens are signed with RS256 or
	// ES256. Without it the secret signs, with HS256.
	Keys string
	// Issuers are those of which the token must name one [any, of a secret only].
	Issuers []string
	// Audiences are those of which a token by a key set must name one. They are required there,
	// because such a sender issues tokens to everybody.
	Audiences []string
	// Subjects are those of which the token must name one, as its email or its sub [any].
	Subjects []string
	// BodyHash and URLHash are the claims that have the SHA-256 of the body and of the address, in
	// hexadecimal [there is none].
	BodyHash, URLHash string
}

// NewToken returns the scheme of a sender whose requests have a JSON Web Token.
func NewToken(o Token) (Scheme, error) {
	setDefault(&o.Header, "Authorization")
	switch {
	case o.Keys != "" && (len(o.Audiences) == 0 || slices.Contains(o.Audiences, "")):
		return nil, errors.New("signature: the audience is missing: without it the tokens of every other receiver would do")
	case o.Keys != "" && len(o.Issuers) == 0:
		return nil, errors.New("signature: the issuer is missing")
	case o.Keys != "" && !strings.HasPrefix(o.Keys, "https://"):
		return nil, errors.New("signature: the key set has to be at an https address")
	}
	if o.Keys != "" {
		return &keySetToken{secretToken{o}}, nil
	}
	return &secretToken{o}, nil
}

type secretToken struct{ Token }

func (s *secretToken) Name() string { return s.Label }

func (s *secretToken) Headers() []string { return []string{s.Header} }

func (s *secretToken) Timed() bool { return s.BodyHash != "" }

func (s *secretToken) needsURL() bool { return s.URLHash != "" }

func (s *secretToken) Claim(r *http.Request) (Claim, error) {
	v, err := single(r.Header, http.CanonicalHeaderKey(s.Header))
	if err != nil {
		return Claim{}, err
	}
	if scheme, token, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "Bearer") {
		v = strings.TrimLeft(token, " ")
	}
	const longest = 8 << 10
	if len(v) > longest || strings.Count(v, ".") != 2 {
		return Claim{}, ErrMalformed
	}
	return Claim{token: v}, nil
}

func (s *secretToken) Key(secret string) (Key, error) {
	return jwtKey{s, padded(secret)}, nil
}

// padded is a secret as a key that the library of tokens takes, which refuses short ones. HMAC fills
// a key with zeros itself, so that the sums are the same. Senders choose how long theirs are.
func padded(secret string) []byte {
	return append([]byte(secret), make([]byte, max(0, sha256.Size-len(secret)))...)
}

// jwtKey checks tokens that a shared secret signs.
type jwtKey struct {
	scheme *secretToken
	secret []byte
}

func (k jwtKey) check(c *Claim, body []byte) error {
	parsed, err := jwt.ParseSigned(c.token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || len(parsed.Headers) != 1 {
		return ErrMalformed
	}
	return k.scheme.judge(parsed, k.secret, c, body)
}

// claims are those that matter here.
type claims struct {
	jwt.Claims
	Email    string `json:"email"`
	Verified *bool  `json:"email_verified"`
}

// leeway forgives clocks that differ.
const leeway = 30 * time.Second

// judge verifies a token with a key, and then what it claims.
func (s *secretToken) judge(token *jwt.JSONWebToken, key any, c *Claim, body []byte) error {
	var own claims
	var all map[string]any
	if token.Claims(key, &own, &all) != nil {
		return ErrMismatch
	}
	if len(s.Issuers) > 0 && !slices.Contains(s.Issuers, own.Issuer) {
		return ErrMismatch
	}
	if len(s.Audiences) > 0 && !slices.ContainsFunc(s.Audiences, own.Audience.Contains) {
		return ErrMismatch
	}
	named := own.Subject
	if own.Email != "" && (own.Verified == nil || *own.Verified) {
		named = own.Email
	}
	if len(s.Subjects) > 0 && !slices.Contains(s.Subjects, named) && !slices.Contains(s.Subjects, own.Subject) {
		return ErrMismatch
	}
	if !s.coversBody(all[s.BodyHash], body) {
		return ErrMismatch
	}
	if s.URLHash != "" {
		url, _ := (&recipe{}).text(piece{kind: "url"}, c, nil) // An address can always be written.
		if !sameHash(all[s.URLHash], []byte(url)) {
			return ErrMismatch
		}
	}
	return own.time(s, c)
}

// coversBody reports whether a token vouches for a body by its hash. Where the token vouches for the address
// as well, a request without a body, such as a GET, has no hash of it.
func (s *secretToken) coversBody(claim any, body []byte) bool {
	return s.BodyHash == "" || len(body) == 0 && s.URLHash != "" && claim == nil || sameHash(claim, body)
}

// time judges when a token is valid: until it expires, and where it says when it was made,
// within the tolerance of then. A token of a key set must expire.
func (o *claims) time(s *secretToken, c *Claim) error {
	if o.Expiry == nil && (s.Keys != "" || o.IssuedAt == nil) {
		return ErrMalformed
	}
	if o.ValidateWithLeeway(jwt.Expected{Time: c.opened}, leeway) != nil {
		return ErrStale
	}
	if o.IssuedAt != nil && s.Keys == "" {
		c.At = o.IssuedAt.Time().Unix()
	}
	c.ID = o.ID
	return nil
}

// sameHash reports whether a claim is the SHA-256 of some bytes in hexadecimal.
func sameHash(claim any, content []byte) bool {
	text, _ := claim.(string)
	sum := sha256.Sum256(content)
	return hmac.Equal([]byte(strings.ToLower(text)), []byte(hex.EncodeToString(sum[:])))
}

type keySetToken struct{ secretToken }

func (s *keySetToken) key() Key { return &keySet{scheme: &s.secretToken} }

// The life of a key set. Within refetch an unknown key is not asked for again, so that forged
// tokens cause no requests.
const (
	keysFresh = time.Hour
	refetch   = 30 * time.Second
)

// keySet checks tokens by the sender's published keys, which it keeps for an hour.
type keySet struct {
	scheme *secretToken

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time // when they came
	asked   time.Time // when they were asked for last
}

func (k *keySet) check(c *Claim, body []byte) error {
	parsed, err := jwt.ParseSigned(c.token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil || len(parsed.Headers) != 1 {
		return ErrMalformed
	}
	keys, err := k.find(c, parsed.Headers[0].KeyID)
	if err != nil {
		return err
	}
	err = ErrMismatch
	for _, key := range keys {
		if e := k.scheme.judge(parsed, key.Key, c, body); e == nil || !errors.Is(e, ErrMismatch) {
			return e
		}
	}
	return err
}

// find returns the public keys of an id. It asks for the set when it is old or has no such key.
func (k *keySet) find(c *Claim, id string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	found := withID(k.keys, id)
	if len(found) > 0 && now.Sub(k.fetched) < keysFresh {
		return found, nil
	}
	if now.Sub(k.asked) < refetch {
		if k.keys == nil {
			return nil, ErrUnavailable
		}
		return found, nil
	}
	k.asked = now
	keys, err := fetchKeys(c.request.Context(), c.v.fetch, k.scheme.Keys)
	if err != nil {
		if len(found) > 0 {
			return found, nil // The keys of the last hour are better than none.
		}
		return nil, ErrUnavailable
	}
	k.keys, k.fetched = keys, now
	return withID(keys, id), nil
}

func withID(keys []jose.JSONWebKey, id string) []jose.JSONWebKey {
	return (&jose.JSONWebKeySet{Keys: keys}).Key(id)
}

func fetchKeys(ctx context.Context, fetch Fetcher, url string) ([]jose.JSONWebKey, error) {
	content, err := fetch(ctx, url)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(set.Keys, func(k jose.JSONWebKey) bool { return !k.Valid() || !k.IsPublic() }), nil
}
