package access_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slackmcp/mcp/access"
)

const (
	issuerURL = "https://login.example/tenant"
	resource  = "https://slack.example/mcp"
)

// An authority is an authorization server in memory: an http.RoundTripper that answers
// for its documents, and signs what the test wants.
type authority struct {
	mu      sync.Mutex
	keys    []jose.JSONWebKey // private
	down    bool
	fetches int
	issuer  string // in its metadata
}

func newAuthority(keys ...jose.JSONWebKey) *authority {
	return &authority{keys: keys, issuer: issuerURL}
}

func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		return nil, errors.New("connection refused")
	}
	answer := func(status int, v any) (*http.Response, error) {
		body, err := json.Marshal(v)
		return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, err
	}
	switch r.URL.String() {
	case "https://login.example/tenant/.well-known/openid-configuration":
		return answer(http.StatusOK, map[string]string{"issuer": a.issuer, "jwks_uri": "https://login.example/keys"})
	case "https://login.example/keys":
		a.fetches++
		set := map[string][]any{"keys": {map[string]string{"kty": "unknown"}}}
		for _, k := range a.keys {
			set["keys"] = append(set["keys"], k.Public())
		}
		return answer(http.StatusOK, set)
	}
	return answer(http.StatusNotFound, nil)
}

func (a *authority) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func rsaKey(t *testing.T, kid string) jose.JSONWebKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: kid, Algorithm: string(jose.RS256), Use: "sig"}
}

func ecKey(t *testing.T, kid string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: kid, Algorithm: string(jose.ES256), Use: "sig"}
}

// sign returns a token. Claims of nil are left out.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, claims map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	for k, v := range header {
		opts.WithHeader(k, v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// claims returns good claims with changes.
func claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": issuerURL, "sub": "U123", "aud": []string{resource}, "scope": "openid read events",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for k, v := range changes {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func newJWT(t *testing.T, a *authority, prefix string) *access.JWT {
	t.Helper()
	j, err := access.NewJWT(access.JWTOptions{
		Issuer: issuerURL, Audiences: []string{resource}, ScopePrefix: prefix, Client: &http.Client{Transport: a},
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestABoundTokenIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	key := rsaKey(t, "r1")
	static, err := access.NewTokens(access.Token{Name: "one", Secret: "0123456789abcdef", Scopes: []access.Scope{access.Read}})
	if err != nil {
		t.Fatal(err)
	}
	reason := ""
	require, err := access.Require(access.RequireOptions{
		Authenticator: access.Any(newJWT(t, newAuthority(key), ""), static),
		OnRefuse:      func(_ *http.Request, _ int, why string) { reason = why },
	})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	req.Header.Set("Authorization", "Bearer "+sign(t, jose.RS256, key, nil, claims(map[string]any{"cnf": map[string]any{"jkt": "x"}})))
	res := httptest.NewRecorder()
	require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was let in") })).ServeHTTP(res, req)
	if res.Code != http.StatusUnauthorized || reason != "bound_token" || !strings.Contains(res.Body.String(), "cnf") ||
		!strings.Contains(res.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("answered %d %q %v, reason %q", res.Code, res.Body, res.Header(), reason)
	}
}

func TestJWT(t *testing.T) {
	t.Parallel()
	rs, es, strange := rsaKey(t, "r1"), ecKey(t, "e1"), rsaKey(t, "r1")
	a := newAuthority(rs, es)
	public, err := x509.MarshalPKIXPublicKey(rs.Key.(*rsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	typ := func(s string) map[jose.HeaderKey]any { return map[jose.HeaderKey]any{jose.HeaderType: s} }
	good := &access.Principal{Name: "oauth:" + issuerURL + "#U123", Scopes: []access.Scope{access.Read, access.Events}}
	for _, tc := range []struct {
		name  string
		token string
		want  *access.Principal
	}{
		{"RS256", sign(t, jose.RS256, rs, nil, claims(nil)), good},
		{"ES256", sign(t, jose.ES256, es, nil, claims(nil)), good},
		{"at+jwt", sign(t, jose.ES256, es, typ("at+jwt"), claims(nil)), good},
		{"without a key id", sign(t, jose.RS256, rs.Key, nil, claims(nil)), good},
		{"one audience of several", sign(t, jose.RS256, rs, nil, claims(map[string]any{"aud": []string{"other", resource}})), good},
		{"audience as a string", sign(t, jose.RS256, rs, nil, claims(map[string]any{"aud": resource})), good},
		{"expired within the leeway", sign(t, jose.RS256, rs, nil, claims(map[string]any{"exp": ago(10 * time.Second)})), good},
		{"scopes in scp, a list", sign(t, jose.RS256, rs, nil, claims(map[string]any{"scope": nil, "scp": []string{"read", "events"}})), good},
		{"scopes in scp, a string", sign(t, jose.RS256, rs, nil, claims(map[string]any{"scope": nil, "scp": "read events"})), good},
		{"the scope that no person has", sign(t, jose.RS256, rs, nil, claims(map[string]any{"scope": "read events as-user"})), good},
		{"no scopes", sign(t, jose.RS256, rs, nil, claims(map[string]any{"scope": nil})), &access.Principal{Name: good.Name}},
		{"a client without a user", sign(t, jose.RS256, rs, nil, claims(map[string]any{"sub": nil, "client_id": "bot"})), &access.Principal{Name: "oauth:" + issuerURL + "#bot", Scopes: good.Scopes}},

		{"wrong audience", sign(t, jose.RS256, rs, nil, claims(map[string]any{"aud": "https://other.example/mcp"})), nil},
		{"no audience", sign(t, jose.RS256, rs, nil, claims(map[string]any{"aud": nil})), nil},
		{"expired", sign(t, jose.RS256, rs, nil, claims(map[string]any{"exp": ago(time.Minute)})), nil},
		{"never expires", sign(t, jose.RS256, rs, nil, claims(map[string]any{"exp": nil})), nil},
		{"not yet valid", sign(t, jose.RS256, rs, nil, claims(map[string]any{"nbf": ago(-time.Hour)})), nil},
		{"issued in the future", sign(t, jose.RS256, rs, nil, claims(map[string]any{"iat": ago(-time.Hour)})), nil},
		{"another issuer", sign(t, jose.RS256, rs, nil, claims(map[string]any{"iss": "https://evil.example"})), nil},
		{"bound to a key", sign(t, jose.RS256, rs, nil, claims(map[string]any{"cnf": map[string]any{"jkt": "x"}})), nil},
		{"bound to a certificate", sign(t, jose.ES256, es, nil, claims(map[string]any{"cnf": map[string]any{"x5t#S256": "x"}})), nil},
		{"bound in a way that is not understood", sign(t, jose.RS256, rs, nil, claims(map[string]any{"cnf": "x"})), nil},
		{"bound to nothing", sign(t, jose.RS256, rs, nil, claims(map[string]any{"cnf": nil})), good},
		{"nobody", sign(t, jose.RS256, rs, nil, claims(map[string]any{"sub": nil})), nil},
		{"another key of the same name", sign(t, jose.RS256, strange, nil, claims(nil)), nil},
		{"a key that the token brings itself", sign(t, jose.RS256, strange.Key, map[jose.HeaderKey]any{"jwk": strange.Public()}, claims(nil)), nil},
		{"the public key as a secret", sign(t, jose.HS256, public, nil, claims(nil)), nil},
		{"PS256", sign(t, jose.PS256, rs.Key, nil, claims(nil)), nil},
		{"another curve", sign(t, jose.ES384, p384, nil, claims(nil)), nil},
		{"a logout token", sign(t, jose.RS256, rs, typ("logout+jwt"), claims(nil)), nil},
		{"no signature", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUvdGVuYW50In0.", nil},
		{"not a JWT", "xoxb-not-a-jwt", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := newJWT(t, a, "").Authenticate(t.Context(), tc.token)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreUnexported(access.Principal{})); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
			if (tc.want == nil) != errors.Is(err, access.ErrInvalidToken) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestJWTScopePrefix(t *testing.T) {
	t.Parallel()
	k := ecKey(t, "e")
	p, err := newJWT(t, newAuthority(k), "slack:").Authenticate(t.Context(), sign(t, jose.ES256, k, nil, claims(map[string]any{"scope": "read slack:write slack:else"})))
	if err != nil || !slices.Equal(p.Scopes, []access.Scope{access.Write}) {
		t.Fatalf("got %+v, %v", p, err)
	}
}

func TestJWTFollowsRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, fresh := ecKey(t, "old"), ecKey(t, "new")
		a := newAuthority(old)
		j := newJWT(t, a, "")
		works := func(k crypto.Signer, kid string) error {
			_, err := j.Authenticate(t.Context(), sign(t, jose.ES256, jose.JSONWebKey{Key: k, KeyID: kid}, nil, claims(nil)))
			return err
		}
		oldKey, freshKey := old.Key.(crypto.Signer), fresh.Key.(crypto.Signer)
		if err := works(oldKey, "old"); err != nil {
			t.Fatal(err)
		}
		a.set(func() { a.keys = append(a.keys, fresh) })
		time.Sleep(11 * time.Second) // the clock of synctest
		if err := works(freshKey, "new"); err != nil {
			t.Fatalf("a new key: %v", err)
		}
		if err := works(oldKey, "old"); err != nil {
			t.Fatalf("the old key, still published: %v", err)
		}
		a.set(func() { a.keys = []jose.JSONWebKey{fresh} })
		time.Sleep(10 * time.Minute) // the clock of synctest
		if err := works(oldKey, "old"); !errors.Is(err, access.ErrInvalidToken) {
			t.Fatalf("the old key, withdrawn: %v", err)
		}
	})
}

func TestJWTWhileTheIssuerIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, "k")
		a := newAuthority(k)
		a.down = true
		j := newJWT(t, a, "")
		works := func() error {
			_, err := j.Authenticate(t.Context(), sign(t, jose.ES256, k, nil, claims(nil)))
			return err
		}
		if err := works(); !errors.Is(err, access.ErrUnavailable) {
			t.Fatalf("before the keys were ever fetched: %v", err)
		}
		a.set(func() { a.down = false })
		if err := works(); !errors.Is(err, access.ErrUnavailable) {
			t.Fatalf("before it is time to try again: %v", err)
		}
		time.Sleep(10 * time.Second) // the clock of synctest
		if err := works(); err != nil {
			t.Fatalf("when it is back: %v", err)
		}
		a.set(func() { a.down = true })
		time.Sleep(time.Hour) // the clock of synctest
		if err := works(); err != nil {
			t.Fatalf("with keys of an hour ago: %v", err)
		}
		time.Sleep(24 * time.Hour) // the clock of synctest
		if err := works(); !errors.Is(err, access.ErrUnavailable) {
			t.Fatalf("with keys of yesterday: %v", err)
		}
	})
}

func TestJWTUnknownKeysDoNotFloodTheIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := ecKey(t, "k")
		a := newAuthority(k)
		j := newJWT(t, a, "")
		var all sync.WaitGroup
		for i := range 100 {
			token := sign(t, jose.ES256, jose.JSONWebKey{Key: k.Key, KeyID: string(rune('a'+i%26)) + "x"}, nil, claims(nil))
			all.Go(func() {
				if _, err := j.Authenticate(t.Context(), token); !errors.Is(err, access.ErrInvalidToken) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if a.fetches != 1 {
			t.Fatalf("the keys were fetched %d times", a.fetches)
		}
	})
}

func TestJWTTokensOfOthersCostNoFetch(t *testing.T) {
	t.Parallel()
	k := ecKey(t, "k")
	a := newAuthority(k)
	j := newJWT(t, a, "")
	for _, token := range []string{"a-static-token", sign(t, jose.ES256, k, nil, claims(map[string]any{"iss": "https://evil.example"}))} {
		if _, err := j.Authenticate(t.Context(), token); !errors.Is(err, access.ErrInvalidToken) {
			t.Errorf("got %v", err)
		}
	}
	if a.fetches != 0 {
		t.Errorf("the keys were fetched %d times", a.fetches)
	}
}

func TestJWTRefusesForeignMetadata(t *testing.T) {
	t.Parallel()
	k := ecKey(t, "k")
	a := newAuthority(k)
	a.issuer = "https://evil.example"
	_, err := newJWT(t, a, "").Authenticate(t.Context(), sign(t, jose.ES256, k, nil, claims(nil)))
	if !errors.Is(err, access.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestNewJWT(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]access.JWTOptions{
		"no issuer":     {Audiences: []string{resource}},
		"plain http":    {Issuer: "http://login.example", Audiences: []string{resource}},
		"no audience":   {Issuer: issuerURL},
		"plain keys":    {Issuer: issuerURL, Audiences: []string{resource}, KeysURL: "http://login.example/keys"},
		"with a secret": {Issuer: "https://a:b@login.example", Audiences: []string{resource}},
	} {
		if _, err := access.NewJWT(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
