package access_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"slackmcp/mcp/access"
)

// A keeper knows one sign-in, until it is ended.
type keeper struct {
	ctx context.Context //nolint:containedctx // ends with the sign-in
	end context.CancelCauseFunc
}

func newKeeper() *keeper {
	k := &keeper{}
	k.ctx, k.end = context.WithCancelCause(context.Background())
	return k
}

func (k *keeper) During(ctx context.Context, _ access.SignIn) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.ctx, func() { cancel(context.Cause(k.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

func (k *keeper) Check(context.Context, string) error { return context.Cause(k.ctx) }

type one struct{ p *access.Principal }

func (o one) Authenticate(context.Context, string) (*access.Principal, error) { return o.p, nil }

// A person has no scope of a service's, whatever they gave, so that what knows only services
// refuses them.
func TestAPersonIsNoService(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	p := access.SignedIn(access.SignIn{ID: "s1", Person: access.Person{Host: "slack.com", Team: "T1", User: "U1"}, Keeper: k},
		access.Read, access.Write, access.Events, access.Admin, access.Read)
	for _, s := range []access.Scope{access.Read, access.Write, access.Events, access.Admin} {
		if p.Has(s) || slices.Contains(p.Scopes, s) {
			t.Errorf("a person has %s", s)
		}
		if p.PersonMay(s) != (s != access.Admin) {
			t.Errorf("a person may %s: %v", s, p.PersonMay(s))
		}
	}
	service := &access.Principal{Name: "token:x", Scopes: []access.Scope{access.Read, access.Write}}
	if _, ok := service.SignIn(); ok || service.PersonMay(access.Read) || !service.Has(access.Read) {
		t.Error("a service is a person")
	}
	var nobody *access.Principal
	if _, ok := nobody.SignIn(); ok || nobody.PersonMay(access.Read) || nobody.Has(access.Read) {
		t.Error("nobody is somebody")
	}
	if got := p.Allowed(); !slices.Equal(got, []access.Scope{access.Read, access.Write, access.Events}) {
		t.Errorf("allowed %v", got)
	}
	less := p.Within([]access.Scope{access.Read, access.Admin})
	if !less.PersonMay(access.Read) || less.PersonMay(access.Write) || less.PersonMay(access.Admin) || less.Name != p.Name || !p.PersonMay(access.Write) {
		t.Errorf("within: %+v", less)
	}
	if less := service.Within([]access.Scope{access.Write, access.Admin}); less.Has(access.Read) || !less.Has(access.Write) || less.Has(access.Admin) {
		t.Errorf("within: %+v", less)
	}
}

// What a sign-in has opened ends with it, and clients are told what to ask for.
func TestASignInEnds(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	p := access.SignedIn(access.SignIn{ID: "s1", Person: access.Person{Host: "slack.com", Team: "T1", User: "U1"}, Keeper: k}, access.Read)
	require, err := access.Require(access.RequireOptions{
		Authenticator: one{p}, MetadataURL: "https://slack.example/.well-known/oauth-protected-resource/mcp", Offer: []access.Scope{access.Read, access.Write},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := access.From(r.Context()).Holds(r.Context()); err != nil {
			t.Error(err)
		}
		k.end(access.ErrRevoked)
		<-r.Context().Done()
		if !errors.Is(context.Cause(r.Context()), access.ErrRevoked) {
			t.Errorf("ended: %v", context.Cause(r.Context()))
		}
		if err := access.From(r.Context()).Holds(r.Context()); !errors.Is(err, access.ErrRevoked) {
			t.Error(err)
		}
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	const want = `Bearer realm="mcp", resource_metadata="https://slack.example/.well-known/oauth-protected-resource/mcp", scope="read write"`
	if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || got != want {
		t.Errorf("%d, %s, want %s", w.Code, got, want)
	}
	r.Header.Set("Authorization", "Bearer x")
	h.ServeHTTP(httptest.NewRecorder(), r)
}
