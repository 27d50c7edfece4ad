package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// JWTOptions configure a JWT.
type JWTOptions struct {
	// Issuer is the authorization server's identifier, which tokens carry as iss, to the
	// letter. Required, an https URL (http only for a loopback host).
	Issuer string
	// Audiences are the names of this server of which a token must carry one as aud: the
	// resource's URL, as a rule. Required: a token for somebody else must not do here.
	Audiences []string
	// KeysURL is where the issuer's keys are. Found in its metadata when empty.
	KeysURL string
	// ScopePrefix is what the issuer puts before our names of scopes ("slack:" where its
	// tokens say "slack:read").
	ScopePrefix string
	// Client fetches metadata and keys. One with a timeout of five seconds when nil.
	Client *http.Client
	// Logger is told when keys cannot be fetched; silent when nil.
	Logger *slog.Logger
}

// A JWT authenticates the access tokens of an OAuth authorization server: signed with
// RS256 or ES256 by a key that the issuer publishes, from that issuer, for this
// server, neither expired nor early. It is an Authenticator.
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
