package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
)

// form reads a body of parameters, or answers why not. None may stand there twice, but resource.
func form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		fail(w, http.StatusBadRequest, "invalid_request", "send a short application/x-www-form-urlencoded body")
		return nil, false
	}
	if !once(r.PostForm) {
		fail(w, http.StatusBadRequest, "invalid_request", "a parameter stands there twice")
		return nil, false
	}
	return r.PostForm, true
}

// once reports whether no parameter is repeated, but resource, which RFC 8707 allows to be.
func once(v url.Values) bool {
	for name, values := range v {
		if len(values) > 1 && name != "resource" {
			return false
		}
	}
	return true
}

// clientID is the id that a client names itself by: in the form, or with an empty password as RFC 6749
// lets it be written.
func clientID(r *http.Request, f url.Values) string {
	if id := f.Get("client_id"); id != "" {
		return id
	}
	user, password, ok := r.BasicAuth()
	if !ok || password != "" {
		return ""
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return ""
	}
	return id
}

// formOf reads a form and the id of the client that sends it, or answers what is wrong with them.
func formOf(w http.ResponseWriter, r *http.Request) (f url.Values, id string, ok bool) {
	if f, ok = form(w, r); !ok {
		return nil, "", false
	}
	if id = clientID(r, f); id == "" || len(id) > maxID {
		unknown(w)
		return nil, "", false
	}
	return f, id, true
}

// token gives tokens for a code or a refresh token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	f, id, ok := formOf(w, r)
	if !ok {
		return
	}
	if !s.ours(f["resource"]) {
		fail(w, http.StatusBadRequest, "invalid_target", "tokens are given for this server only")
		return
	}
	var given rows.Issued
	var err error
	switch f.Get("grant_type") {
	case "authorization_code":
		given, err = s.exchange(r.Context(), r, id, f)
	case "refresh_token":
		given, err = s.refresh(r, id, f)
	default:
		fail(w, http.StatusBadRequest, "unsupported_grant_type", "")
		return
	}
	if err != nil {
		s.refuse(w, r, id, err)
		return
	}
	answer(w, http.StatusOK, struct {
		Access    string `json:"access_token"`
		Type      string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
		Refresh   string `json:"refresh_token"`
		Scope     string `json:"scope"`
	}{given.Access, "Bearer", int(given.ExpiresIn.Seconds()), given.Refresh, scopeText(given.Scopes)})
}

// unknown tells a client that it has to register anew.
func unknown(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	fail(w, http.StatusUnauthorized, "invalid_client", "the client is not known here: register again")
}

// refuse answers a token request that failed.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, id string, err error) {
	_, refused := errors.AsType[*signin.RefusedError](err)
	switch {
	case errors.Is(err, rows.ErrScope):
		fail(w, http.StatusBadRequest, "invalid_scope", "the person did not give that scope: ask them again")
	case refused:
		fail(w, http.StatusBadRequest, "invalid_grant", "the person may no longer be signed in")
	case errors.Is(err, rows.ErrInvalid) && !s.clients.known(id):
		unknown(w)
	case errors.Is(err, rows.ErrInvalid):
		fail(w, http.StatusBadRequest, "invalid_grant", "it is not known, or no longer good: sign in again")
	default:
		s.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "tokens could not be given", slog.Any("error", err))
		later(w)
	}
}

// exchange gives the tokens of a code to the client that has its verifier. Since Slack has said who the person
// is they may have been signed out, and what they allowed there given back.
func (s *Server) exchange(ctx context.Context, r *http.Request, id string, f url.Values) (rows.Issued, error) {
	var who access.Person
	given, err := s.opt.SignIns.Exchange(ctx, f.Get("code"), func(c rows.Code) error {
		if c.Client != hashID(id) || c.Redirect != f.Get("redirect_uri") || !verifies(f.Get("code_verifier"), c.Challenge) {
			return rows.ErrInvalid
		}
		who = c.Account.Person
		return s.may(ctx, r, who)
	})
	if err == nil {
		s.opt.OnEvent(r, Event{What: SignedIn, Person: who, SignIn: given.SignIn})
	}
	return given, err
}

// may asks whether a person may still be signed in.
func (s *Server) may(ctx context.Context, r *http.Request, p access.Person) error {
	err := s.opt.Slack.Check(ctx, p)
	if refused, ok := errors.AsType[*signin.RefusedError](err); ok {
		s.opt.OnEvent(r, Event{What: Refused, Reason: refused.Reason, Person: p})
	}
	return err
}

// Lengths of a verifier by RFC 7636.
const (
	leastVerifier = 43
	mostVerifier  = 128
)

// verifies reports whether a challenge is the hash of a verifier.
func verifies(verifier, challenge string) bool {
	if len(verifier) < leastVerifier || len(verifier) > mostVerifier {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// refresh gives new tokens for a refresh token.
func (s *Server) refresh(r *http.Request, id string, f url.Values) (rows.Issued, error) {
	asked := f.Get("scope")
	var scopes []access.Scope
	if asked != "" {
		var ok bool
		if scopes, ok = s.wanted(asked); !ok {
			return rows.Issued{}, rows.ErrScope
		}
	}
	return s.opt.SignIns.Refresh(r.Context(), rows.Refresh{
		Token: f.Get("refresh_token"), Client: hashID(id), Scopes: scopes,
		May: func(ctx context.Context, p access.Person) error { return s.may(ctx, r, p) },
	})
}

// revoke ends what a token is of (RFC 7009). Whatever the token is, the answer is the same.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	f, id, ok := formOf(w, r)
	if !ok {
		return
	}
	p, last, err := s.opt.SignIns.Revoke(r.Context(), f.Get("token"), hashID(id))
	if err == nil && last {
		err = s.opt.Slack.Release(r.Context(), p)
	}
	if err != nil {
		s.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "a token could not be revoked", slog.Any("error", err))
		later(w)
		return
	}
	if p.Valid() {
		s.opt.OnEvent(r, Event{What: SignedOut, Reason: "client", Person: p})
	}
	w.WriteHeader(http.StatusOK)
}

// register gives a client an id, which is its own sealed registration (RFC 7591). Nothing is kept.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
	}
	if json.NewDecoder(r.Body).Decode(&asked) != nil {
		fail(w, http.StatusBadRequest, "invalid_client_metadata", "send a JSON object of at most 16 KiB")
		return
	}
	// Some clients register several addresses at once: one that will not do must not keep the others.
	var why error
	good := slices.DeleteFunc(slices.Clone(asked.Redirects), func(address string) bool {
		err := s.redirects.judge(address)
		if err != nil && why == nil {
			why = err
		}
		return err != nil
	})
	if len(good) == 0 || len(good) > maxRedirects {
		description := "register 1 to 16 redirect_uris"
		if why != nil {
			description = why.Error()
		}
		fail(w, http.StatusBadRequest, "invalid_redirect_uri", description)
		return
	}
	c, err := s.clients.register(registration{Name: asked.Name, Redirects: good})
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_client_metadata", errTooLong.Error())
		return
	}
	answer(w, http.StatusCreated, struct {
		ID        string   `json:"client_id"`
		IssuedAt  int64    `json:"client_id_issued_at"`
		Name      string   `json:"client_name,omitempty"`
		Redirects []string `json:"redirect_uris"`
		Method    string   `json:"token_endpoint_auth_method"`
		Grants    []string `json:"grant_types"`
		Responses []string `json:"response_types"`
		Scope     string   `json:"scope"`
	}{
		c.id, s.opt.Now().Unix(), c.name, good, "none", []string{"authorization_code", "refresh_token"}, []string{"code"}, scopeText(s.scopes),
	})
}
