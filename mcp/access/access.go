// Package access says who a caller of the MCP side is and what it may do: a
// [Principal] with scopes, found by a bearer token, and carried in the context.
//
// A person who has signed in is a principal with a [SignIn]; every other principal is a service.
//
// [Tokens] knows named static tokens, [JWT] the access tokens of an OAuth
// authorization server; [Require] stands in front of the routes and asks either, or
// both by way of [Any].
//
// It promises that tokens are compared in constant time and never kept in clear
// after start, that a token in a query is refused, that nothing about a refused
// token is answered or logged but that it was refused, and that a static token which
// [Tokens.Replace] takes away ends what it has opened. What a scope allows is decided
// where things are listed and called, by [Principal.Has].
package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A Scope is one kind of permission.
type Scope string

const (
	// Read lets a caller read from Slack.
	Read Scope = "read"
	// Events lets a caller read and wait for received events.
	Events Scope = "events"
	// Write lets a caller change things in Slack.
	Write Scope = "write"
	// Admin lets a caller work the queue: redrive, replay, drop.
	Admin Scope = "admin"
	// AsUser lets a caller read with the user token where the bot cannot see, if the operator allows
	// that at all. Static tokens alone can have it: nobody reads as another person.
	AsUser Scope = "as-user"
)

// OAuthPrefix begins the names of principals that an authorization server vouches for;
// its issuer and "#" follow.
const OAuthPrefix = "oauth:"

// A Principal is an authenticated caller. It is immutable.
type Principal struct {
	// Name identifies the caller in logs and binds its sessions: the token's name, or
	// issuer and subject of a JWT.
	Name string
	// Scopes are a service's; a person's are within the sign-in.
	Scopes []Scope
	// Credential identifies the token that was shown, without telling it: what a
	// principal leaves behind can end with the token. Empty where tokens come and go, as
	// JWTs do.
	Credential string
	// Home tells apart callers of one name whom different processes serve on one store: the
	// users who start their own over stdio. Empty where the name is enough.
	Home string
	// Anonymous reports that callers do not have to authenticate.
	Anonymous bool

	life   context.Context //nolint:containedctx // ends with the token; nil where it has no known end
	signIn *SignIn         // nil unless a person has signed in
	gave   []Scope         // what the person gave to the client
}

// during returns ctx as it is for a request of this principal: it also ends, with the
// cause ErrRevoked, when the token does. done releases it.
func (p *Principal) during(ctx context.Context) (_ context.Context, done func()) {
	if p.signIn != nil {
		return p.signIn.Keeper.During(ctx, *p.signIn)
	}
	if p.life == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(context.Cause(p.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Account is whose share of sessions, streams and calls the principal's use counts against: the
// name of its token, or issuer and subject of a JWT. Of one who has signed in it is the person, whatever
// the number of their sign-ins. It is "" where callers do not authenticate: they cannot be told apart,
// and share all there is. It says nothing of what a caller may see or use again: that is by Name.
func (p *Principal) Account() string {
	switch {
	case p == nil || p.Anonymous:
		return ""
	case p.signIn != nil:
		return p.signIn.Person.Account()
	}
	return p.Name
}

// Owner is whose a value is that is kept in the store for the principal alone.
func (p *Principal) Owner() string {
	if p.Home == "" {
		return p.Name
	}
	return p.Name + ":" + p.Home
}

// Has reports whether the principal is a service that was given the scope. A person who has signed in
// never has one: what asks this acts with the bot's rights. See [Principal.PersonMay].
func (p *Principal) Has(s Scope) bool {
	return p != nil && p.signIn == nil && slices.Contains(p.Scopes, s)
}

type contextKey struct{}

// With returns a context that carries the principal.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the principal of a context, or nil when the caller was not authenticated.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}

// RequireOptions configure Require.
type RequireOptions struct {
	// Authenticator judges the tokens. Required.
	Authenticator Authenticator
	// Scopes are those of which a caller needs at least one, to be let in at all. None
	// given, every caller with a good token is.
	Scopes []Scope
	// Offer are the scopes that refused clients are told to ask for; Scopes when empty.
	Offer []Scope
	// ScopePrefix is put before the scopes in the challenge to refused clients.
	ScopePrefix string
	// MetadataURL is where the protected-resource metadata of RFC 9728 is, sent to
	// clients that are refused. Empty without OAuth.
	MetadataURL string
	// OnRefuse, when set, is called for each refusal: with a status and a reason from a
	// fixed list. It must not keep the request.
	OnRefuse func(r *http.Request, status int, reason string)
	// OnAccept, when set, is called for each request that is let in. It must not keep the
	// request.
	OnAccept func(r *http.Request, p *Principal)
}

// Require returns a middleware that lets a request pass with its principal in the
// context, and answers others 401, 403 for want of scope, or 503 while tokens cannot be
// checked. The context also ends when the token is revoked, so that no stream outlives
// it. The header is the only place for a token: one in the query is refused, because it is
// in logs already.
func Require(o RequireOptions) (func(http.Handler) http.Handler, error) {
	if o.Authenticator == nil {
		return nil, errors.New("access: Require needs an Authenticator")
	}
	if o.OnRefuse == nil {
		o.OnRefuse = func(*http.Request, int, string) {}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, fault := o.judge(r)
			if fault != nil {
				o.OnRefuse(r, fault.status, fault.code)
				o.refuse(w, fault)
				return
			}
			if o.OnAccept != nil {
				o.OnAccept(r, p)
			}
			ctx, done := p.during(r.Context())
			defer done()
			ctx = context.WithValue(With(ctx, p), requireKey{}, &o)
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}, nil
}

type requireKey struct{}

// StepUp answers a request that [Require] has let in with 403 and the scopes that the caller has, with the
// one that they have to give. It is false, and answers nothing, where no client would be led anywhere by
// that: without metadata, or where the scope is not among those that are offered.
func StepUp(w http.ResponseWriter, r *http.Request, missing Scope) bool {
	o, ok := r.Context().Value(requireKey{}).(*RequireOptions)
	if !ok || o.MetadataURL == "" || !slices.Contains(o.Offer, missing) {
		return false
	}
	asked := *o
	if asked.Offer = From(r.Context()).Allowed(); !slices.Contains(asked.Offer, missing) {
		asked.Offer = append(asked.Offer, missing)
	}
	asked.refuse(w, faultScope)
	return true
}

// As returns a middleware that makes every caller the principal p, for a server without
// authentication.
func As(p *Principal) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(With(r.Context(), p)))
		})
	}
}

// A fault is why a request is refused. Its code is RFC 6750's where that has one.
type fault struct {
	status    int
	code      string
	detail    string
	challenge string // the error of WWW-Authenticate; empty where nothing was tried
}

var (
	faultQuery = &fault{http.StatusBadRequest, "invalid_request", "send the token in the Authorization header, never in the URL", "invalid_request"}
	faultNone  = &fault{http.StatusUnauthorized, "unauthorized", "send Authorization: Bearer <token>", ""}
	faultForm  = &fault{http.StatusUnauthorized, "invalid_token", "send one Authorization: Bearer <token>", "invalid_token"}
	faultToken = &fault{http.StatusUnauthorized, "invalid_token", "the token is unknown, expired or for another server", "invalid_token"}
	faultBound = &fault{
		http.StatusUnauthorized, "bound_token",
		"the token is bound to a key or a certificate (its claim cnf), and this server checks no proof of that: get one that is not bound", "invalid_token",
	}
	faultScope = &fault{http.StatusForbidden, "insufficient_scope", "the token lacks every scope that would do", "insufficient_scope"}
	faultLater = &fault{http.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be checked now; try again", ""}
)

func (o RequireOptions) judge(r *http.Request) (*Principal, *fault) {
	if strings.Contains(r.URL.RawQuery, "access_token=") {
		return nil, faultQuery
	}
	values := r.Header.Values("Authorization")
	switch len(values) {
	case 0:
		return nil, faultNone
	case 1:
	default:
		return nil, faultForm
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return nil, faultForm
	}
	p, err := o.Authenticator.Authenticate(r.Context(), token)
	switch {
	case errors.Is(err, ErrUnavailable):
		return nil, faultLater
	case errors.Is(err, ErrBoundToken):
		return nil, faultBound
	case err != nil:
		return nil, faultToken
	case len(o.Scopes) > 0 && !slices.ContainsFunc(o.Scopes, func(s Scope) bool { return p.Has(s) || p.PersonMay(s) }):
		return nil, faultScope
	}
	return p, nil
}

func (o RequireOptions) refuse(w http.ResponseWriter, f *fault) {
	h := w.Header()
	if f.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	} else {
		h.Set("WWW-Authenticate", o.challenge(f))
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(f.status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)                                               // people read it where their client shows it as it is
	_ = e.Encode(map[string]string{"error": f.code, "detail": f.detail}) // a peer that left needs no answer
}

// challenge is WWW-Authenticate by RFC 6750 and RFC 9728. No value holds a quote: they
// are ours and the operator's.
func (o RequireOptions) challenge(f *fault) string {
	var b strings.Builder
	b.WriteString(`Bearer realm="mcp"`)
	if f.challenge != "" {
		b.WriteString(`, error="` + f.challenge + `"`)
	}
	if o.MetadataURL != "" {
		b.WriteString(`, resource_metadata="` + o.MetadataURL + `"`)
	}
	offer := o.Offer
	if len(offer) == 0 {
		offer = o.Scopes
	}
	if len(offer) > 0 {
		b.WriteString(`, scope="` + o.scopeNames(offer) + `"`)
	}
	return b.String()
}

func (o RequireOptions) scopeNames(offer []Scope) string {
	names := make([]string, len(offer))
	for i, s := range offer {
		names[i] = o.ScopePrefix + string(s)
	}
	return strings.Join(names, " ")
}

// wellKnown is where RFC 9728 puts the metadata of a resource, before its path.
const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataOptions configure a Metadata.
type MetadataOptions struct {
	// Resource is the URL of the MCP endpoint as clients know it, which is also the
	// audience that they ask tokens for. Required.
	Resource string
	// Issuers are the authorization servers whose tokens are accepted. Required.
	Issuers []string
	// Scopes are those that clients may ask for, with ScopePrefix before each.
	Scopes      []Scope
	ScopePrefix string
	// Name is what a person reads; Documentation an address with more. Optional.
	Name, Documentation string
}

// A Metadata is the document of RFC 9728 by which a client that was refused finds out
// where to get a token. It is an http.Handler.
type Metadata struct {
	url  *url.URL
	body []byte
}

// NewMetadata checks the options and returns the document.
func NewMetadata(o MetadataOptions) (*Metadata, error) {
	u, err := url.Parse(o.Resource)
	if err != nil || u.Host == "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("access: Resource %q is not an absolute URL", o.Resource)
	}
	if len(o.Issuers) == 0 {
		return nil, errors.New("access: Metadata needs Issuers")
	}
	scopes := make([]string, len(o.Scopes))
	for i, s := range o.Scopes {
		scopes[i] = o.ScopePrefix + string(s)
	}
	body, err := json.Marshal(struct {
		Resource      string   `json:"resource"`
		Issuers       []string `json:"authorization_servers"`
		Scopes        []string `json:"scopes_supported,omitempty"`
		Methods       []string `json:"bearer_methods_supported"`
		Name          string   `json:"resource_name,omitempty"`
		Documentation string   `json:"resource_documentation,omitempty"`
	}{o.Resource, o.Issuers, scopes, []string{"header"}, o.Name, o.Documentation})
	if err != nil {
		return nil, fmt.Errorf("access: metadata: %w", err)
	}
	at := *u
	at.Path = wellKnown + strings.TrimRight(u.Path, "/")
	at.RawPath, at.RawQuery = "", ""
	return &Metadata{url: &at, body: body}, nil
}

// URL is the document's address, for WWW-Authenticate.
func (m *Metadata) URL() string { return m.url.String() }

// Paths are the paths to mount the document at: its own, and the one without the
// resource's path, which some clients try.
func (m *Metadata) Paths() []string {
	if m.url.Path == wellKnown {
		return []string{wellKnown}
	}
	return []string{m.url.Path, wellKnown}
}

// ServeHTTP answers with the document. Pages of every origin may read it: it is public,
// and a browser client needs it before it has a token.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET")
		h.Set("Access-Control-Allow-Headers", "Mcp-Protocol-Version")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(m.body) // a peer that left needs no answer
}

// A Bound is one that a caller came to, so that something was refused.
type Bound struct {
	// Of is what was refused, in one word or with "_": sessions, waits.
	Of string
	// Share says that it is the share of one principal, and not all that there is.
	Share bool
	// Most is how much that is; 0 is not told.
	Most int64
}

// Code is what the refusal is called in errors: too_many_sessions.
func (b Bound) Code() string { return "too_many_" + b.Of }
