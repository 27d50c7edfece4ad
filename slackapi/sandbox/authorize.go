package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"slackmcp/internal/page"
)

// authorize serves the page where a person allows the app to act for them, in place of Slack's
// /oauth/v2/authorize. It answers browsers of this machine only: whoever sees it may choose who they
// are.
func (s *Sandbox) authorize(mux *http.ServeMux) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		mux.HandleFunc(method+" /oauth/v2/authorize", func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxAuthorize)
			switch err := r.ParseForm(); {
			case !byLocalBrowser(r):
				showAuthorize(w, http.StatusForbidden, authorizePage{Problem: "this page answers browsers of this machine only"})
			case err != nil:
				showAuthorize(w, http.StatusBadRequest, authorizePage{Problem: "the form cannot be read"})
			case r.Method == http.MethodPost:
				s.decide(w, r)
			default:
				s.ask(w, r)
			}
		})
	}
}

const (
	maxAuthorize = 64 << 10
	maxShown     = 200 // people to choose from
	maxState     = 4 << 10
)

// byLocalBrowser reports that a request comes from this machine, for a name of this machine, and a
// form from a page of this server.
func byLocalBrowser(r *http.Request) bool {
	if !page.FromHere(r) {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}

// An appRequest is what an app asks for.
type appRequest struct {
	redirect *url.URL
	scopes   []string
	state    string
}

// requested reads what an app asks for, and says what is wrong with it. Nothing goes back to an
// address that the app is not known by.
func (s *Sandbox) requested(q url.Values) (a appRequest, problem string) {
	if q.Get("client_id") != s.clientID() {
		return a, "invalid_client_id: no app has this client_id"
	}
	if a.redirect = s.redirect(q.Get("redirect_uri")); a.redirect == nil {
		return a, "bad_redirect_uri: redirect_uri did not match any configured URIs"
	}
	a.state = q.Get("state")
	a.scopes = params{"": q.Get("user_scope")}.list("")
	switch {
	case q.Get("scope") != "":
		return a, "invalid_scope: the app is installed already; ask for user_scope only"
	case len(a.scopes) == 0:
		return a, "invalid_scope_requested: no scopes requested"
	case len(a.state) > maxState:
		return a, "the state is too long"
	}
	for _, scope := range a.scopes {
		if !slices.Contains(s.userScopes(), scope) {
			return a, "invalid_scope: " + scope
		}
	}
	return a, ""
}

// redirect is an address that lies at or below one of the app's, or nil.
func (s *Sandbox) redirect(raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil || !redirectable(raw) {
		return nil
	}
	for _, known := range s.opt.RedirectURLs {
		if k, err := url.Parse(known); err == nil && k.Scheme == u.Scheme && k.Host == u.Host && (u.Path == k.Path || strings.HasPrefix(u.Path, strings.TrimSuffix(k.Path, "/")+"/")) {
			return u
		}
	}
	return nil
}

// redirectable reports whether a browser may be sent back to an address at all: by https, or to this machine.
func redirectable(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && page.LocalName(u.Hostname())) && u.Host != "" && u.User == nil && u.Fragment == "" && !strings.Contains(u.Path, "..")
}

// ask shows the page.
func (s *Sandbox) ask(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, problem := s.requested(r.Form)
	if problem != "" {
		showAuthorize(w, http.StatusBadRequest, authorizePage{Problem: problem})
		return
	}
	shown := authorizePage{
		App: s.app.name, Team: s.team.name, Host: a.redirect.Host, Scopes: a.scopes, Fields: map[string]string{}, target: a.redirect,
	}
	for _, name := range []string{"client_id", "redirect_uri", "state", "user_scope"} {
		shown.Fields[name] = r.Form.Get(name)
	}
	for i := 0; i < s.userCount() && len(shown.People) < maxShown; i++ {
		if u := s.userAt(i); mayAuthorize(u) {
			shown.People = append(shown.People, authorizePerson{ID: u.ID, Name: u.RealName, Guest: u.IsRestricted || u.IsUltraRestricted})
		}
	}
	showAuthorize(w, http.StatusOK, shown)
}

// decide takes the page's form and sends the browser back.
func (s *Sandbox) decide(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, problem := s.requested(r.PostForm)
	u, found := s.user(r.PostForm.Get("user"))
	answer := r.PostForm.Get("answer")
	switch {
	case problem != "":
	case answer != "allow" && answer != "deny":
		problem = "choose Allow or Deny"
	case answer == "allow" && (!found || !mayAuthorize(u)):
		problem = "nobody signs in by this id here"
	}
	if problem != "" {
		showAuthorize(w, http.StatusBadRequest, authorizePage{Problem: problem})
		return
	}
	q := a.redirect.Query()
	if answer == "allow" {
		q.Set("code", s.newCode(u.ID, r.PostForm.Get("redirect_uri"), a.scopes))
	} else {
		q.Set("error", "access_denied")
	}
	q.Set("state", a.state)
	a.redirect.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, a.redirect.String(), http.StatusFound)
}

// An authorizePage is what the page shows: a problem alone, or who may allow what.
type authorizePage struct {
	Problem         string
	App, Team, Host string
	Scopes          []string
	People          []authorizePerson
	Fields          map[string]string

	target *url.URL // which the form may lead to
}

type authorizePerson struct {
	ID, Name string
	Guest    bool
}

// showAuthorize writes the page. It runs no script, and its form leads to this server and back to
// the app only.
func showAuthorize(w http.ResponseWriter, status int, shown authorizePage) {
	site, err := workspaceSite()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	html, policy, err := site.Alone("Authorize an app", "authorize", shown)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	action := "form-action 'self'"
	if shown.target != nil {
		action += " " + shown.target.Scheme + "://" + shown.target.Host
	}
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Replace(policy, "form-action 'none'", action, 1))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // another policy would hide the form's origin
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(html) // the client may be gone
}
