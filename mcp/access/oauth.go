package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	fetchTimeout = 5 * time.Second
	// maxDocument bounds metadata and key sets; they have a few kilobytes.
	maxDocument = 1 << 20
)

// An issuer is the far side: an authorization server's documents.
type issuer struct {
	client  *http.Client
	id      string
	keysURL string
}

func (i *issuer) keys(ctx context.Context) ([]jose.JSONWebKey, error) {
	from := i.keysURL
	if from == "" {
		var err error
		if from, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	body, err := i.get(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	return parseKeys(body)
}

// discover finds the address of the keys in the issuer's metadata: RFC 8414's place
// first, then OpenID's.
func (i *issuer) discover(ctx context.Context) (string, error) {
	u, err := url.Parse(i.id)
	if err != nil {
		return "", err
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	base := u.Scheme + "://" + u.Host
	var errs []error
	for _, place := range []string{
		base + "/.well-known/oauth-authorization-server" + path,
		base + path + "/.well-known/openid-configuration",
	} {
		from, err := i.metadata(ctx, place)
		if err == nil {
			return from, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("find the issuer's keys: %w", errors.Join(errs...))
}

func (i *issuer) metadata(ctx context.Context, place string) (string, error) {
	body, err := i.get(ctx, place)
	if err != nil {
		return "", err
	}
	var m struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", fmt.Errorf("decode %s: %w", place, err)
	}
	if m.Issuer != i.id {
		return "", fmt.Errorf("%s names the issuer %q, not %q", place, m.Issuer, i.id)
	}
	if err := checkURL(m.KeysURL); err != nil {
		return "", fmt.Errorf("%s: jwks_uri: %w", place, err)
	}
	return m.KeysURL, nil
}

func (i *issuer) get(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// Keys that came by way of another host would be that host's word.
	client := *i.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", from, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", from, err)
	}
	if len(body) > maxDocument {
		return nil, fmt.Errorf("%s has more than %d bytes", from, maxDocument)
	}
	return body, nil
}

var errNotURL = errors.New("want an absolute https URL without query or fragment (http only for a loopback host)")

// checkURL accepts what keys may be fetched from.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errNotURL
	}
	if u.Scheme == "https" || (u.Scheme == "http" && loopback(u.Hostname())) {
		return nil
	}
	return errNotURL
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// JWTOptions configure a JWT.
type JWTOptions struct {
	// Issuer is the authorization server's identifier, which tokens carry as iss, to the
	// letter. Required, an https URL (http only for a loopback host).
	Issuer string
	// Audiences are the names of this server of which a token must carry one as aud: the
	// resource's URL, as a rule. Required: a token for another resource must not do here.
	Audiences []string
	// KeysURL is where the issuer's keys are. Found in its metadata when empty.
	KeysURL string
	// ScopePrefix is what the issuer puts before our names of scopes ("slack:" where its
	// tokens say "slack:read").
	ScopePrefix string
	// Client fetches metadata and keys. One with a timeout of five seconds when nil.
	Client *http.Client
	// Logger receives a line when keys cannot be fetched; silent when nil.
	Logger *slog.Logger
}

// A JWT authenticates the access tokens of an OAuth authorization server: signed with
// RS256 or ES256 by a key that the issuer publishes, from that issuer, for this
// server, neither expired nor early, and not bound to a key or certificate. It is an
// Authenticator.
type JWT struct {
	opt  JWTOptions
	keys *keySet
}

// leeway forgives clocks that differ.
const leeway = 30 * time.Second

// NewJWT checks the options. It does not go out: keys are fetched with the first token,
// so a server starts while its issuer is down.
func NewJWT(o JWTOptions) (*JWT, error) {
	var errs []error
	if err := checkURL(o.Issuer); err != nil {
		errs = append(errs, fmt.Errorf("access: Issuer: %w", err))
	}
	if len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		errs = append(errs, errors.New("access: Audiences must name this server: without them the tokens of every other service would do"))
	}
	if o.KeysURL != "" {
		if err := checkURL(o.KeysURL); err != nil {
			errs = append(errs, fmt.Errorf("access: KeysURL: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: fetchTimeout}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &JWT{opt: o, keys: newKeySet(o)}, nil
}

// tokenClaims are the claims beside the registered ones that matter here. Issuers
// write scopes in three ways.
type tokenClaims struct {
	jwt.Claims
	Scope    string     `json:"scope"`
	SCP      stringList `json:"scp"`
	ClientID string     `json:"client_id"`
	Azp      string     `json:"azp"`
	// Confirmation says which key or certificate the bearer has to prove to have (RFC 7800).
	Confirmation json.RawMessage `json:"cnf"`
}

// Authenticate implements Authenticator.
func (j *JWT) Authenticate(ctx context.Context, token string) (*Principal, error) {
	// Cheap refusals first: what is not even meant to be one of these tokens costs no
	// fetch.
	if strings.Count(token, ".") != 2 {
		return nil, ErrInvalidToken
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil || len(parsed.Headers) != 1 || !accessTokenType(parsed.Headers[0]) {
		return nil, ErrInvalidToken
	}
	var claimed struct {
		Issuer string `json:"iss"`
	}
	if parsed.UnsafeClaimsWithoutVerification(&claimed) != nil || claimed.Issuer != j.opt.Issuer {
		return nil, ErrInvalidToken
	}
	keys, err := j.keys.find(ctx, parsed.Headers[0].KeyID, parsed.Headers[0].Algorithm)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		var c tokenClaims
		if parsed.Claims(key, &c) == nil {
			return j.principal(&c)
		}
	}
	return nil, ErrInvalidToken
}

// principal judges verified claims.
func (j *JWT) principal(c *tokenClaims) (*Principal, error) {
	expected := jwt.Expected{Issuer: j.opt.Issuer, AnyAudience: j.opt.Audiences, Time: time.Now()}
	if c.Expiry == nil || c.ValidateWithLeeway(expected, leeway) != nil {
		return nil, ErrInvalidToken
	}
	if len(c.Confirmation) > 0 && string(c.Confirmation) != "null" {
		return nil, ErrBoundToken
	}
	name := c.Subject
	if name == "" {
		name = c.ClientID
	}
	if name == "" {
		name = c.Azp
	}
	if name == "" {
		return nil, ErrInvalidToken
	}
	p := &Principal{Name: OAuthPrefix + c.Issuer + "#" + name}
	for _, s := range append(strings.Fields(c.Scope), c.SCP...) {
		scope, ok := strings.CutPrefix(s, j.opt.ScopePrefix)
		if ok && known(Scope(scope)) && !p.Has(Scope(scope)) {
			p.Scopes = append(p.Scopes, Scope(scope))
		}
	}
	return p, nil
}

func known(s Scope) bool {
	switch s {
	case Read, Events, Write, Admin:
		return true
	case AsUser: // MCP_TOKENS alone gives it
	}
	return false
}

// accessTokenType refuses tokens that say they are something else, such as a logout
// token: RFC 9068 names access tokens at+jwt, older issuers JWT or nothing.
func accessTokenType(h jose.Header) bool {
	typ, ok := h.ExtraHeaders[jose.HeaderType].(string)
	if !ok {
		return h.ExtraHeaders[jose.HeaderType] == nil
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "at+jwt", "jwt":
		return true
	}
	return false
}

// stringList reads a list that may be written as a string with spaces.
type stringList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *stringList) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*l = strings.Fields(s)
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

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

// refresh fetches the keys for all calls that wait, so it outlives the request that
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
