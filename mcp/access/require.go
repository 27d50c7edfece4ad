package access

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// RequireOptions configure Require.
type RequireOptions struct {
	// Authenticator judges the tokens. Required.
	Authenticator Authenticator
	// Scopes are those of which a caller needs at least one, to be let in at all. None
	// given, everybody with a good token is.
	Scopes []Scope
	// ScopePrefix is put before the scopes that refused clients are told to ask for.
	ScopePrefix string
	// MetadataURL is where the protected-resource metadata of RFC 9728 is, told to
	// clients that are refused. Empty without OAuth.
	MetadataURL string
	// Refused, when set, is told of each refusal: a status and a reason from a fixed
	// list. It must not keep the request.
	Refused func(r *http.Request, status int, reason string)
	// Accepted, when set, is told of each request that is let in. It must not keep the
	// request.
	Accepted func(r *http.Request, p *Principal)
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
	if o.Refused == nil {
		o.Refused = func(*http.Request, int, string) {}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, fault := o.judge(r)
			if fault != nil {
				o.Refused(r, fault.status, fault.code)
				o.refuse(w, fault)
				return
			}
			if o.Accepted != nil {
				o.Accepted(r, p)
			}
			ctx, done := p.during(r.Context())
			defer done()
			next.ServeHTTP(w, r.WithContext(With(ctx, p)))
		})
	}, nil
}

// As returns a middleware that makes everybody the principal p, for a server that asks
// nobody who they are.
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
	case err != nil:
		return nil, faultToken
	case len(o.Scopes) > 0 && !slices.ContainsFunc(o.Scopes, p.Has):
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
	body, _ := json.Marshal(map[string]string{"error": f.code, "detail": f.detail}) // strings always encode
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(f.status)
	_, _ = w.Write(body) // a peer that left needs no answer
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
	if len(o.Scopes) > 0 {
		b.WriteString(`, scope="` + o.scopeNames() + `"`)
	}
	return b.String()
}

func (o RequireOptions) scopeNames() string {
	names := make([]string, len(o.Scopes))
	for i, s := range o.Scopes {
		names[i] = o.ScopePrefix + string(s)
	}
	return strings.Join(names, " ")
}
