package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
)

// A transaction is a person's way from a client to Slack and back. It travels sealed: in the form of
// the page that is shown, and while the person is at Slack in a cookie.
type transaction struct {
	Client    string         `json:"c"` // hash of its id
	Name      string         `json:"n"`
	Vouched   bool           `json:"v,omitempty"`
	Redirect  string         `json:"r"`
	State     string         `json:"s,omitempty"` // the client's
	Challenge string         `json:"h"`
	Scopes    []access.Scope `json:"p"`
	// Browser is the nonce of the browser that it belongs to, and Until when it is over.
	Browser string    `json:"b"`
	Until   time.Time `json:"u"`
	// Slack is the state for Slack, once the person has consented.
	Slack string `json:"k,omitempty"`
	// Own says that it is no client's: the person wants to see their own page.
	Own bool `json:"o,omitempty"`
	// Account is who has signed in, once they have.
	Account *signin.Account `json:"a,omitempty"`
}

// Bounds of what a client sends.
const (
	// maxState bounds a client's state, in bytes.
	maxState = 1 << 10
	// maxSealed bounds a sealed transaction: browsers keep cookies of 4 KiB.
	maxSealed = 3_500
	// challengeLength is that of a SHA-256 in base64.
	challengeLength = 43
)

// The purposes of sealed transactions, by the form or cookie in which they travel. One does not open
// as another.
const (
	atConsent = "consent"
	atSlack   = "slack"
	atDone    = "done"
	atBrowser = "browser"
)

func (s *Server) sealed(place string, t *transaction) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	sealed := s.forms.SealText(place, text)
	if len(sealed) > maxSealed {
		return "", errTooMuch
	}
	return sealed, nil
}

// opened returns a transaction that is this browser's and not over.
func (s *Server) opened(r *http.Request, place, sealed string) (*transaction, error) {
	if len(sealed) > maxSealed {
		return nil, errForm
	}
	text, err := s.forms.OpenText(place, sealed)
	if err != nil {
		return nil, errForm
	}
	var t transaction
	if json.Unmarshal(text, &t) != nil || !t.Until.After(s.opt.Now()) {
		return nil, errForm
	}
	nonce, ok := s.browser(r)
	if !ok || subtle.ConstantTimeCompare([]byte(nonce), []byte(t.Browser)) != 1 {
		return nil, errBrowser
	}
	return &t, nil
}

// authorize shows the page of consent for a client's request.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !once(q) {
		s.problem(w, http.StatusBadRequest, errRequest)
		return
	}
	c, err := s.client(r.Context(), q)
	if err != nil {
		s.problem(w, statusOf(err), err)
		return
	}
	t, fault := s.begin(c, q)
	if fault != nil {
		s.fault(w, r, c.vouched, fault)
		return
	}
	sealed, toSlack, ok := s.handOut(w, r, atConsent, t)
	if !ok {
		return
	}
	s.show(w, http.StatusOK, consentPage, consentView{
		Name: t.Name, Vouched: t.Vouched, Host: shownHost(t.Redirect), Local: !strings.HasPrefix(t.Redirect, "https://"), Sealed: sealed,
		Action: consentPath, Write: slices.Contains(t.Scopes, access.Write), Events: slices.Contains(t.Scopes, access.Events), Read: slices.Contains(t.Scopes, access.Read),
	}, t.Redirect, toSlack)
}

// client finds the client of a request, and that the redirect is one of its own to which browsers may
// be sent. Until then nobody is sent anywhere.
func (s *Server) client(ctx context.Context, q url.Values) (*client, error) {
	c, err := s.clients.find(ctx, q.Get("client_id"))
	if err != nil {
		return nil, err
	}
	redirect := q.Get("redirect_uri")
	if redirect == "" || !c.allows(redirect) {
		return nil, errRedirect
	}
	if s.clients.named[c.id] == nil { // the operator named the others' redirects with them
		if err := s.redirects.judge(redirect); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// A fault is a request of a known client that cannot be served.
type fault struct {
	code, text      string
	redirect, state string
}

// begin reads what a known client asks for.
func (s *Server) begin(c *client, q url.Values) (*transaction, *fault) {
	f := &fault{redirect: q.Get("redirect_uri"), state: q.Get("state")}
	failed := func(code, text string) (*transaction, *fault) {
		f.code, f.text = code, text
		return nil, f
	}
	challenge := q.Get("code_challenge")
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	scopes, some := s.wanted(q.Get("scope"))
	switch {
	case len(f.state) > maxState:
		f.state = ""
		return failed("invalid_request", "the state is too long")
	case q.Get("response_type") != "code":
		return failed("unsupported_response_type", "only the response type code is served")
	case q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != challengeLength || len(raw) != 32:
		return failed("invalid_request", "send a code_challenge, with the code_challenge_method S256")
	case q.Has("request"), q.Has("request_uri"):
		return failed("request_not_supported", "send the parameters themselves")
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return failed("invalid_request", "only the response mode query is served")
	case !s.ours(q["resource"]):
		return failed("invalid_target", "tokens are given for this server only")
	case !some:
		return failed("invalid_scope", "people can give read, events and write, within what the operator allows")
	}
	return &transaction{
		Client: c.hash(), Name: c.name, Vouched: c.vouched, Redirect: f.redirect, State: f.state, Challenge: challenge, Scopes: scopes,
		Until: s.opt.Now().Add(rows.StateLife),
	}, nil
}

// fault answers a request that cannot be served: by the client, where it is one that not everybody
// could have registered, else with a page. A registered client's redirect would make this server send
// browsers wherever a stranger likes.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, vouched bool, f *fault) {
	if !vouched {
		s.problem(w, http.StatusBadRequest, &pageError{Text: f.text})
		return
	}
	s.back(w, r, f.redirect, url.Values{"error": {f.code}, "error_description": {f.text}}, f.state)
}

// back sends a browser back to the client.
func (s *Server) back(w http.ResponseWriter, r *http.Request, redirect string, params url.Values, state string) {
	if state != "" {
		params.Set("state", state)
	}
	params.Set("iss", s.opt.Issuer)
	to, err := withParams(redirect, params)
	if err != nil {
		s.problem(w, http.StatusBadRequest, errRedirect)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // the redirect was judged, and is one that the client has registered
}

// consent takes the form of the page of consent, and sends the browser to Slack.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	t, err := s.posted(r, atConsent)
	if err != nil {
		s.problem(w, statusOf(err), err)
		return
	}
	if r.PostForm.Get("answer") != "allow" {
		s.back(w, r, t.Redirect, url.Values{"error": {"access_denied"}, "error_description": {"the person did not allow it"}}, t.State)
		return
	}
	t.Scopes = slices.DeleteFunc(t.Scopes, func(one access.Scope) bool {
		return one != access.Read && r.PostForm.Get(string(one)) != "on" // each has a box of its name
	})
	if len(t.Scopes) == 0 {
		s.problem(w, http.StatusBadRequest, &pageError{Text: "Nothing is left that the program may do. Go back and tick the box, or deny."})
		return
	}
	s.toSlack(w, r, t)
}

// handOut seals a transaction for a page's form and ties it to the browser. toSlack is where the form leads
// in the end, for the page's policy. Where ok is false, what is wrong has been shown.
func (s *Server) handOut(w http.ResponseWriter, r *http.Request, place string, t *transaction) (sealed, toSlack string, ok bool) {
	var err error
	if t.Browser, err = s.nameBrowser(w, r); err != nil {
		s.problem(w, http.StatusInternalServerError, errRequest)
		return "", "", false
	}
	if sealed, err = s.sealed(place, t); err != nil {
		s.problem(w, http.StatusBadRequest, errTooMuch)
		return "", "", false
	}
	toSlack, ok = s.slackAddress(w, r, noState, t.Scopes)
	return sealed, toSlack, ok
}

// noState stands for a state where only the page's origin matters.
var noState = strings.Repeat("0", stateLength)

// slackAddress is the address of Slack's page, or it shows that there is none.
func (s *Server) slackAddress(w http.ResponseWriter, r *http.Request, state string, scopes []access.Scope) (to string, ok bool) {
	to, err := s.opt.Slack.Start(state, scopes)
	if err != nil {
		s.opt.Logger.LogAttrs(r.Context(), slog.LevelError, "Slack's authorize page has no address", slog.Any("error", err))
		s.problem(w, http.StatusServiceUnavailable, errLater)
	}
	return to, err == nil
}

// toSlack sends a browser to Slack, with the transaction in a cookie.
func (s *Server) toSlack(w http.ResponseWriter, r *http.Request, t *transaction) {
	t.Slack, t.Until = newState(), s.opt.Now().Add(rows.StateLife)
	to, ok := s.slackAddress(w, r, t.Slack, t.Scopes)
	if !ok {
		return
	}
	sealed, err := s.sealed(atSlack, t)
	if err != nil {
		s.problem(w, http.StatusBadRequest, errTooMuch)
		return
	}
	http.SetCookie(w, s.cookie(stateCookie(t.Slack), sealed, rows.StateLife))
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// posted opens the transaction of a form of ours, which came from a page of ours in this browser.
func (s *Server) posted(r *http.Request, place string) (*transaction, error) {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return nil, errForm
	}
	// A page without a referrer sends the origin null.
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" && !strings.EqualFold(origin, s.opt.Issuer) {
		return nil, errForm
	}
	if r.ParseForm() != nil || !once(r.PostForm) {
		return nil, errForm
	}
	return s.opened(r, place, r.PostForm.Get("t"))
}

// callback takes a browser that comes back from Slack, and shows who has signed in.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !once(q) || len(q.Get("state")) != stateLength {
		s.problem(w, http.StatusBadRequest, errRequest)
		return
	}
	name := stateCookie(q.Get("state"))
	kept, err := r.Cookie(s.cookieName(name))
	if err != nil {
		s.problem(w, http.StatusBadRequest, errBrowser)
		return
	}
	t, err := s.opened(r, atSlack, kept.Value)
	if err != nil || subtle.ConstantTimeCompare([]byte(t.Slack), []byte(q.Get("state"))) != 1 {
		s.problem(w, http.StatusBadRequest, errBrowser)
		return
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		http.SetCookie(w, s.cookie(name, "", -1))
	}
	if t.Own {
		s.ownCallback(w, r, t, q.Get("code"))
		return
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		s.back(w, r, t.Redirect, url.Values{"error": {"access_denied"}, "error_description": {"Slack did not let the person in"}}, t.State)
		return
	}
	account, err := s.finish(w, r, t, q.Get("code"))
	if err != nil {
		s.problem(w, statusOf(err), err)
		return
	}
	t.Account, t.Until = &account, s.opt.Now().Add(rows.StateLife)
	if sealed, err := s.sealed(atDone, t); err != nil {
		s.problem(w, http.StatusBadRequest, errTooMuch)
	} else {
		s.show(w, http.StatusOK, donePage, doneView{
			Person: cleanName(account.Name), Workspace: cleanName(account.Workspace), Program: t.Name, Host: shownHost(t.Redirect),
			May: mayDo(t.Scopes), Sealed: sealed, Action: donePath, Own: ownPath,
		}, t.Redirect)
	}
}

// ask asks Slack whose a code is, in its turn, and once for each state. Until it is its turn the browser keeps
// the cookie, and may come again.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, t *transaction, code string) (signin.Account, error) {
	if s.tried.has(t.Slack) {
		return signin.Account{}, rows.ErrInvalid
	}
	turn, over := context.WithTimeout(r.Context(), waitTime)
	defer over()
	leave, ok := s.slackTurns.take(turn, s.opt.Client(r))
	if !ok {
		return signin.Account{}, errBusy
	}
	defer leave()
	http.SetCookie(w, s.cookie(stateCookie(t.Slack), "", -1))
	if !s.tried.first(t.Slack, t.Until, s.opt.Now()) {
		return signin.Account{}, rows.ErrInvalid
	}
	return s.opt.Slack.Finish(r.Context(), code, func(ctx context.Context, _ signin.Account) error {
		return s.opt.SignIns.UseState(ctx, t.Slack)
	})
}

// finish finds out who has signed in. What they give is no more than what Slack gave.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, t *transaction, code string) (signin.Account, error) {
	account, err := s.ask(w, r, t, code)
	if refused, ok := errors.AsType[*signin.RefusedError](err); ok {
		s.opt.OnEvent(r, Event{What: Refused, Reason: refused.Reason, Person: account.Person})
		return account, err
	}
	if err != nil {
		if !errors.Is(err, rows.ErrInvalid) && !errors.Is(err, error(errBusy)) && s.someFail.Allow() {
			s.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "somebody could not sign in", slog.Any("error", err))
		}
		return account, err
	}
	t.Scopes = slices.DeleteFunc(t.Scopes, func(one access.Scope) bool { return !slices.Contains(account.Scopes, one) })
	if !account.Person.Valid() || len(t.Scopes) == 0 {
		s.opt.OnEvent(r, Event{What: Refused, Reason: signin.RefusedScopes, Person: account.Person})
		return account, &signin.RefusedError{Reason: signin.RefusedScopes, Text: "Slack did not give what the program needs. Sign in again and allow it."}
	}
	return account, nil
}

// done takes the form of the page that says who has signed in, and gives the client its code.
func (s *Server) done(w http.ResponseWriter, r *http.Request) {
	t, err := s.posted(r, atDone)
	if err != nil || t.Account == nil {
		s.problem(w, statusOf(err), errForm)
		return
	}
	if r.PostForm.Get("answer") != "continue" {
		s.release(r, t.Account.Person)
		s.back(w, r, t.Redirect, url.Values{"error": {"access_denied"}, "error_description": {"the person did not go on"}}, t.State)
		return
	}
	if err := s.opt.SignIns.UseState(r.Context(), "done "+t.Slack); err != nil {
		s.problem(w, statusOf(err), err)
		return
	}
	code, err := s.opt.SignIns.NewCode(r.Context(), rows.Code{
		Client: t.Client, ClientName: t.Name, ClientHost: shownHost(t.Redirect), Redirect: t.Redirect, Challenge: t.Challenge,
		Resource: s.opt.Resource, Account: *t.Account, Scopes: t.Scopes,
	})
	if err != nil {
		s.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "somebody could not sign in", slog.Any("error", err))
		s.problem(w, statusOf(err), err)
		return
	}
	s.back(w, r, t.Redirect, url.Values{"code": {code}}, t.State)
}

// release lets go of the grant of a person who is signed in nowhere.
func (s *Server) release(r *http.Request, p access.Person) {
	in, err := s.opt.SignIns.Has(r.Context(), p)
	if err == nil && !in {
		err = s.opt.Slack.Release(r.Context(), p)
	}
	if err != nil {
		s.opt.Logger.LogAttrs(r.Context(), slog.LevelWarn, "the grant of somebody who is signed in nowhere was not given back", slog.Any("error", err))
	}
}

const (
	nonceBytes  = 24
	stateLength = 32 // of nonceBytes in base64
)

func newState() string {
	b := make([]byte, nonceBytes)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// stateCookie is the name of the cookie for a person who is at Slack: several may be under way in one
// browser.
func stateCookie(state string) string { return "slack-" + state[:8] }

// cookieName is a cookie's name. Its prefix makes browsers keep it from other hosts and other paths.
func (s *Server) cookieName(name string) string {
	if s.secure {
		return "__Host-signin-" + name
	}
	return "signin-" + name
}

func (s *Server) cookie(name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // only on loopback it is not Secure
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// browserLife is how long a browser keeps its nonce.
const browserLife = time.Hour

// browser is the nonce by which a browser is told from others.
func (s *Server) browser(r *http.Request) (string, bool) {
	kept, err := r.Cookie(s.cookieName(atBrowser))
	if err != nil || len(kept.Value) > maxSealed {
		return "", false
	}
	nonce, err := s.forms.OpenText(atBrowser, kept.Value)
	return string(nonce), err == nil
}

// nameBrowser gives a browser a nonce. One that it has stays: browsers fetch a page twice, and each
// form that was shown has to count.
func (s *Server) nameBrowser(w http.ResponseWriter, r *http.Request) (string, error) {
	nonce, ok := s.browser(r)
	if !ok {
		nonce = newState()
	}
	http.SetCookie(w, s.cookie(atBrowser, s.forms.SealText(atBrowser, []byte(nonce)), browserLife))
	return nonce, nil
}
