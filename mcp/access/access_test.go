package access_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
)

const (
	readerSecret = "reader-secret-0123456789"
	writerSecret = "writer-secret-0123456789"
)

func tokens(t *testing.T) *access.Tokens {
	t.Helper()
	k, err := access.NewTokens(
		access.Token{Name: "reader", Secret: readerSecret, Scopes: []access.Scope{access.Read}},
		access.Token{Name: "writer", Secret: writerSecret, Scopes: []access.Scope{access.Read, access.Write}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewTokens(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		tokens []access.Token
		want   string
	}{
		{"no name", []access.Token{{Secret: readerSecret, Scopes: []access.Scope{access.Read}}}, "no Name"},
		{"short secret", []access.Token{{Name: "a", Secret: "short", Scopes: []access.Scope{access.Read}}}, "Secret"},
		{"no scopes", []access.Token{{Name: "a", Secret: readerSecret}}, "no Scopes"},
		{"same name twice", []access.Token{
			{Name: "a", Secret: readerSecret, Scopes: []access.Scope{access.Read}},
			{Name: "a", Secret: writerSecret, Scopes: []access.Scope{access.Read}},
		}, "two tokens"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := access.NewTokens(tc.tokens...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("NewTokens: %v, want %q in it", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret-") || strings.Contains(err.Error(), "short\"") {
				t.Fatalf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	later := authenticator(func(context.Context, string) (*access.Principal, error) { return nil, access.ErrUnavailable })
	for _, tc := range []struct {
		name      string
		auth      access.Authenticator
		url       string
		header    []string
		status    int
		challenge string
		principal string
	}{
		{"a good token", nil, "/mcp", []string{"Bearer " + writerSecret}, 200, "", "token:writer"},
		{"the scheme in another case", nil, "/mcp", []string{"bearer " + writerSecret}, 200, "", "token:writer"},
		{"no token", nil, "/mcp", nil, 401, `Bearer realm="mcp", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"a wrong token", nil, "/mcp", []string{"Bearer " + writerSecret + "x"}, 401, `Bearer realm="mcp", error="invalid_token", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"another scheme", nil, "/mcp", []string{"Basic " + writerSecret}, 401, `Bearer realm="mcp", error="invalid_token", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"two headers", nil, "/mcp", []string{"Bearer " + writerSecret, "Bearer " + writerSecret}, 401, `Bearer realm="mcp", error="invalid_token", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"two tokens in one", nil, "/mcp", []string{"Bearer " + writerSecret + ", Bearer x"}, 401, `Bearer realm="mcp", error="invalid_token", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"a token in the query", nil, "/mcp?access_token=" + writerSecret, []string{"Bearer " + writerSecret}, 400, `Bearer realm="mcp", error="invalid_request", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"too little scope", nil, "/mcp", []string{"Bearer " + readerSecret}, 403, `Bearer realm="mcp", error="insufficient_scope", resource_metadata="https://x/meta", scope="write admin"`, ""},
		{"keys out of reach", later, "/mcp", []string{"Bearer " + writerSecret}, 503, "", ""},
		{"keys out of reach, a static token", access.Any(later, tokens(t)), "/mcp", []string{"Bearer " + writerSecret}, 200, "", "token:writer"},
		{"keys out of reach, an unknown token", access.Any(later, tokens(t)), "/mcp", []string{"Bearer unknown"}, 503, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.auth == nil {
				tc.auth = tokens(t)
			}
			var refused int
			mw, err := access.Require(access.RequireOptions{
				Authenticator: tc.auth, Scopes: []access.Scope{access.Write, access.Admin}, MetadataURL: "https://x/meta",
				OnRefuse: func(_ *http.Request, status int, _ string) { refused = status },
			})
			if err != nil {
				t.Fatal(err)
			}
			var seen string
			h := mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = access.From(r.Context()).Name }))
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tc.url, nil)
			for _, v := range tc.header {
				r.Header.Add("Authorization", v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.status || seen != tc.principal {
				t.Errorf("got %d as %q, want %d as %q", w.Code, seen, tc.status, tc.principal)
			}
			if diff := cmp.Diff(tc.challenge, w.Header().Get("WWW-Authenticate")); diff != "" {
				t.Errorf("WWW-Authenticate (-want +got):\n%s", diff)
			}
			if tc.status != 200 && refused != tc.status {
				t.Errorf("Refused was told %d", refused)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the answer tells the token: %s", w.Body)
			}
		})
	}
}

func TestRequireNeedsAnAuthenticator(t *testing.T) {
	t.Parallel()
	if _, err := access.Require(access.RequireOptions{}); err == nil {
		t.Fatal("no error")
	}
}

func TestAs(t *testing.T) {
	t.Parallel()
	var got *access.Principal
	h := access.As(&access.Principal{Name: "anyone"})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = access.From(r.Context()) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if got == nil || got.Name != "anyone" || got.Has(access.Read) {
		t.Fatalf("got %+v", got)
	}
}

type authenticator func(context.Context, string) (*access.Principal, error)

func (f authenticator) Authenticate(ctx context.Context, token string) (*access.Principal, error) {
	return f(ctx, token)
}

func TestAWrongTokenIsNotInTheError(t *testing.T) {
	t.Parallel()
	_, err := tokens(t).Authenticate(t.Context(), "wrong-token-0123456789")
	if !errors.Is(err, access.ErrInvalidToken) || strings.Contains(err.Error(), "wrong") {
		t.Fatalf("got %v", err)
	}
}

// TestReplace exchanges tokens and asks each.
func TestReplace(t *testing.T) {
	t.Parallel()
	k := tokens(t)
	token := func(name, secret string, scopes ...access.Scope) access.Token {
		return access.Token{Name: name, Secret: secret, Scopes: scopes}
	}
	if !k.Valid("token:reader", mustAuthenticate(t, k, readerSecret).Credential, access.Read) {
		t.Error("the reader's credential is not valid")
	}
	for _, tc := range []struct {
		name   string
		tokens []access.Token
		want   access.Change
		good   []string
		bad    []string
	}{
		{"none", []access.Token{token("reader", readerSecret, access.Read), token("writer", writerSecret, access.Read, access.Write)}, access.Change{Kept: []string{"reader", "writer"}}, []string{readerSecret, writerSecret}, nil},
		{"one is added and one removed", []access.Token{token("other", "other-secret-0123456789", access.Read), token("reader", readerSecret, access.Read)}, access.Change{Added: []string{"other"}, Removed: []string{"writer"}, Kept: []string{"reader"}}, []string{readerSecret, "other-secret-0123456789"}, []string{writerSecret}},
		{"another secret", []access.Token{token("reader", "new-secret-0123456789", access.Read)}, access.Change{Changed: []string{"reader"}, Removed: []string{"other"}}, []string{"new-secret-0123456789"}, []string{readerSecret, "other-secret-0123456789"}},
		{"other scopes", []access.Token{token("reader", "new-secret-0123456789", access.Events)}, access.Change{Changed: []string{"reader"}}, []string{"new-secret-0123456789"}, nil},
	} {
		change, err := k.Replace(tc.tokens...)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, change); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		for _, secret := range tc.good {
			mustAuthenticate(t, k, secret)
		}
		for _, secret := range tc.bad {
			if _, err := k.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrInvalidToken) {
				t.Errorf("%s: %s is answered %v", tc.name, secret, err)
			}
		}
	}
	if _, err := k.Replace(token("reader", "short", access.Read)); err == nil {
		t.Error("a short secret is taken")
	}
	p := mustAuthenticate(t, k, "new-secret-0123456789")
	if !p.Has(access.Events) || p.Has(access.Read) {
		t.Errorf("after a refused exchange the scopes are %v", p.Scopes)
	}
	if k.Valid(p.Name, p.Credential, access.Read) || !k.Valid(p.Name, p.Credential, access.Events) || k.Valid("token:other", p.Credential, access.Events) {
		t.Error("Valid does not go by name and scope")
	}
}

func mustAuthenticate(t *testing.T, k *access.Tokens, secret string) *access.Principal {
	t.Helper()
	p, err := k.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatalf("%s: %v", secret, err)
	}
	return p
}

// TestARevokedTokenEndsItsRequests holds a request while its token is removed.
func TestARevokedTokenEndsItsRequests(t *testing.T) {
	t.Parallel()
	k := tokens(t)
	mw, err := access.Require(access.RequireOptions{Authenticator: k})
	if err != nil {
		t.Fatal(err)
	}
	var cause error
	h := mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := k.Replace(access.Token{Name: "reader", Secret: readerSecret, Scopes: []access.Scope{access.Read}}); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
		cause = context.Cause(r.Context())
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mcp", nil)
	r.Header.Set("Authorization", "Bearer "+writerSecret)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if !errors.Is(cause, access.ErrRevoked) {
		t.Errorf("the request ended with %v", cause)
	}
}
