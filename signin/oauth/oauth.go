// Package oauth is the authorization server of "Sign in with Slack": MCP clients send a person's
// browser here, the person consents, signs in at Slack, and the client gets tokens of ours. Slack's
// tokens never leave the process.
//
// It promises:
//   - nothing is stored for anybody who has not signed in at Slack: a client that registers itself gets
//     its own sealed registration as its id, and what is under way is in sealed cookies;
//   - a browser is only ever sent back to a program on the same computer, to the known clients of a
//     table, or to hosts that the operator named, and to addresses that the client has registered;
//   - PKCE with S256 always, codes of one minute that are used once, tokens for this server alone;
//   - consent is asked each time, before Slack, in a page that runs no script and cannot be framed, and
//     a form counts only from the browser that it was shown in;
//   - people see what they have signed in with on a page of their own, for which Slack says who they are, and
//     end their own and nobody else's;
//   - codes, states, tokens, cookies and ids of clients are in no log, no error and no Referer;
//   - work for strangers is bounded in parallel, and where Slack is asked each client has one place at a time,
//     and each state one try: nobody can lock others out.
package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"slackmcp/internal/egress"
	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
)

// Where the server answers, behind the issuer.
const (
	authorizePath = "/authorize"
	consentPath   = "/authorize/consent"
	donePath      = "/authorize/done"
	tokenPath     = "/token"
	registerPath  = "/register"
	revokePath    = "/revoke"
	metadataPath  = "/.well-known/oauth-authorization-server"
	openIDPath    = "/.well-known/openid-configuration"
)

// Options configure a Server.
type Options struct {
	// Issuer is the origin under which browsers and clients reach the server, without a path: https,
	// or http on loopback. Required.
	Issuer string
	// Resource is the address of the MCP endpoint, below the issuer. Required.
	Resource string
	// Slack sends people to Slack, SignIns keeps who has signed in, and Keys seal what clients and
	// browsers carry. Required.
	Slack   signin.Slack
	SignIns *rows.SignIns
	Keys    *seal.Keyring
	// Named are the clients that the operator named. Egress fetches metadata documents, within
	// MaxDocument and FetchTime. Required.
	Named  Named
	Egress *egress.Client
	// Ceiling is what people may give at most, of read, events and write; empty is read and write.
	Ceiling []access.Scope
	// OnEvent, when set, is called for what an operator may want to know of. It must not wait.
	OnEvent func(r *http.Request, e Event)
	// Client is who a request counts for where turns are fair: the addresses of one customer. Where it is
	// nil all are one.
	Client func(r *http.Request) netip.Prefix
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Logger receives what an operator should know; silent when nil.
	Logger *slog.Logger
}

// An Event is something that happened to somebody's signing in.
type Event struct {
	// What is one of the constants below.
	What string
	// Reason is from a fixed list; empty where there is nothing to explain.
	Reason string
	// Person is who it is about, and nobody where that is not known.
	Person access.Person
	// SignIn is the id of the sign-in, where there is one.
	SignIn string
}

// What happens.
const (
	// SignedIn is a person who has signed in.
	SignedIn = "signed_in"
	// SignedOut is a person whose client, or who on their own page, has ended a sign-in: the reason is
	// "client" or "person".
	SignedOut = "signed_out"
	// Refused is a person whom Slack, or the operator's rules, did not let in.
	Refused = "refused"
)

// A Server is the authorization server. It is an http.Handler for its Paths, and safe for concurrent
// use.
type Server struct {
	opt        Options
	host       string // of the issuer
	secure     bool   // the issuer has https
	scopes     []access.Scope
	clients    *clients
	redirects  redirects
	forms      *seal.Sealer // what browsers carry
	routes     map[string]http.Handler
	slots      chan struct{} // a token for each request in progress
	slackTurns *turns        // and a place for each of them that asks Slack
	tried      tried
	someFail   *rate.Limiter // of a log line that strangers can cause
	style      string        // the policy's source for the pages' style
}

const (
	// atOnce bounds the requests in progress, and slackAtOnce those of people who come back from Slack,
	// which take longer and are counted apart, fairly among clients. One waits for its turn for waitTime,
	// and its body has to be there by then too.
	atOnce      = 64
	slackAtOnce = 16
	waitTime    = 5 * time.Second
	// workTime bounds a request.
	workTime = 30 * time.Second
	maxBody  = 16 << 10
)

// New returns a Server.
func New(o Options) (*Server, error) {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("oauth: Issuer has to be an origin: scheme and host, without a path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("oauth: Issuer has to be https, except on loopback")
	}
	if !strings.HasPrefix(o.Resource, o.Issuer+"/") || o.Slack == nil || o.SignIns == nil || o.Keys == nil || o.Egress == nil {
		return nil, errors.New("oauth: Resource below the Issuer, Slack, SignIns, Keys and Egress are required")
	}
	if len(personal(o.Ceiling)) == 0 {
		return nil, errors.New("oauth: the Ceiling has neither read nor write, so people could give nothing")
	}
	o.setDefaults()
	s := &Server{
		opt: o, host: hostOf(u.Host), secure: u.Scheme == "https", scopes: personal(o.Ceiling),
		redirects: redirects{hosts: o.Named.hosts}, slots: make(chan struct{}, atOnce), slackTurns: newTurns(slackAtOnce),
		tried: tried{until: map[string]time.Time{}}, someFail: rate.NewLimiter(rate.Every(time.Minute), 1), style: styleSource(),
	}
	if s.forms, err = o.Keys.For("forms"); err != nil {
		return nil, err
	}
	registrations, err := o.Keys.For("registrations")
	if err != nil {
		return nil, err
	}
	s.clients = &clients{
		sealer: registrations, named: o.Named.clients, documents: newDocuments(o.Named.documents, o.Egress, o.Logger, o.Now),
	}
	return s, s.route()
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnEvent == nil {
		o.OnEvent = func(*http.Request, Event) {}
	}
	if o.Client == nil {
		o.Client = func(*http.Request) netip.Prefix { return netip.Prefix{} }
	}
}

// personal are the scopes among some that people may have; of none, read and write.
func personal(ceiling []access.Scope) []access.Scope {
	if len(ceiling) == 0 {
		return []access.Scope{access.Read, access.Write}
	}
	return slices.DeleteFunc(slices.Clone(access.Personal), func(s access.Scope) bool { return !slices.Contains(ceiling, s) })
}

// route builds the table of routes.
func (s *Server) route() error {
	metadata, err := s.metadata()
	if err != nil {
		return err
	}
	mount := strings.TrimRight(strings.TrimPrefix(s.opt.Resource, s.opt.Issuer), "/")
	document := s.open(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(metadata) // a peer that left needs no answer
	})
	s.routes = map[string]http.Handler{
		metadataPath: document, openIDPath: document,
		metadataPath + mount: document, openIDPath + mount: document,
		authorizePath: s.page(http.MethodGet, s.authorize), consentPath: s.page(http.MethodPost, s.consent),
		signin.CallbackPath: s.page(http.MethodGet, s.callback), donePath: s.page(http.MethodPost, s.done),
		ownPath: s.page(http.MethodGet, s.own), ownSlackPath: s.page(http.MethodPost, s.ownSlack), ownEndPath: s.page(http.MethodPost, s.ownEnd),
		tokenPath:    s.open(http.MethodPost, s.token),
		registerPath: s.open(http.MethodPost, s.register),
		revokePath:   s.open(http.MethodPost, s.revoke),
	}
	return nil
}

// Paths are the paths to mount a server at whose resource has the path mount.
func Paths(mount string) []string {
	mount = strings.TrimRight(mount, "/")
	return []string{
		metadataPath, openIDPath, metadataPath + mount, openIDPath + mount,
		authorizePath, consentPath, donePath, signin.CallbackPath, tokenPath, registerPath, revokePath,
		ownPath, ownSlackPath, ownEndPath,
	}
}

// Paths are the paths to mount the server at.
func (s *Server) Paths() []string { return Paths(strings.TrimPrefix(s.opt.Resource, s.opt.Issuer)) }

// ServeHTTP answers one of Paths.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.routes[r.URL.Path]
	switch {
	case h == nil:
		http.NotFound(w, r)
	case hostOf(r.Host) != s.host:
		// A page whose name was rebound to this computer still sends that name.
		fail(w, http.StatusForbidden, "invalid_request", "this server does not answer to that Host; PUBLIC_URL says to which it does")
	default:
		s.bounded(w, r, h)
	}
}

// hostOf is a host without the ports that nobody writes.
func hostOf(host string) string {
	host = strings.ToLower(host)
	return strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
}

// bounded serves a request within a bound of time, body and how many there are. A request takes its
// turn when its body is whole, so that those who send slowly hold up nobody.
func (s *Server) bounded(w http.ResponseWriter, r *http.Request, h http.Handler) {
	_, people := h.(page)
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(waitTime)) // not every writer can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_ = rc.SetReadDeadline(time.Time{}) // or a request that takes longer would end with it
	if err != nil {
		w.Header().Set("Connection", "close")
		if people {
			s.problem(w, http.StatusRequestEntityTooLarge, errTooMuch)
			return
		}
		fail(w, http.StatusRequestEntityTooLarge, "invalid_request", "send at most 16 KiB, within five seconds")
		return
	}
	if r.URL.Path != signin.CallbackPath { // whose turn is that for Slack
		turn, over := context.WithTimeout(r.Context(), waitTime)
		defer over()
		if !enter(turn, s.slots) {
			if people {
				s.problem(w, http.StatusServiceUnavailable, errBusy)
				return
			}
			later(w)
			return
		}
		defer func() { <-s.slots }()
	}
	ctx, cancel := context.WithTimeout(r.Context(), workTime)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.ServeHTTP(w, r)
}

// open serves a route that pages of every origin may call: it takes no cookies.
func (s *Server) open(method string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("Cache-Control", "no-store")
		head.Set("Referrer-Policy", "no-referrer")
		switch {
		case r.Method == http.MethodOptions:
			head.Set("Access-Control-Allow-Methods", method)
			head.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Mcp-Protocol-Version")
			head.Set("Access-Control-Max-Age", "7200")
			w.WriteHeader(http.StatusNoContent)
		case r.Method == method, method == http.MethodGet && r.Method == http.MethodHead:
			h(w, r)
		default:
			head.Set("Allow", method+", OPTIONS")
			fail(w, http.StatusMethodNotAllowed, "invalid_request", "")
		}
	})
}

// metadata is the document of RFC 8414.
func (s *Server) metadata() ([]byte, error) {
	at := func(path string) string { return s.opt.Issuer + path }
	return json.Marshal(struct {
		Issuer        string         `json:"issuer"`
		Authorize     string         `json:"authorization_endpoint"`
		Token         string         `json:"token_endpoint"`
		Register      string         `json:"registration_endpoint"`
		Revoke        string         `json:"revocation_endpoint"`
		Scopes        []access.Scope `json:"scopes_supported"`
		Responses     []string       `json:"response_types_supported"`
		Modes         []string       `json:"response_modes_supported"`
		Grants        []string       `json:"grant_types_supported"`
		Methods       []string       `json:"token_endpoint_auth_methods_supported"`
		RevokeMethods []string       `json:"revocation_endpoint_auth_methods_supported"`
		Challenges    []string       `json:"code_challenge_methods_supported"`
		Iss           bool           `json:"authorization_response_iss_parameter_supported"`
		Documents     bool           `json:"client_id_metadata_document_supported"`
	}{
		Issuer: s.opt.Issuer, Authorize: at(authorizePath), Token: at(tokenPath), Register: at(registerPath), Revoke: at(revokePath),
		Scopes: s.scopes, Responses: []string{"code"}, Modes: []string{"query"}, Grants: []string{"authorization_code", "refresh_token"},
		Methods: []string{"none"}, RevokeMethods: []string{"none"}, Challenges: []string{"S256"}, Iss: true, Documents: true,
	})
}

// ours reports whether the resources that a client names are this server: none is, too.
func (s *Server) ours(resources []string) bool {
	for _, r := range resources {
		if strings.TrimRight(r, "/") != strings.TrimRight(s.opt.Resource, "/") && strings.TrimRight(r, "/") != s.opt.Issuer {
			return false
		}
	}
	return true
}

// wanted are the scopes that a client asks for and may have; of none, all that there are. ok is false
// where nothing is left. Those that a person cannot give are passed over: clients ask for all that
// they have heard of.
func (s *Server) wanted(text string) (scopes []access.Scope, ok bool) {
	asked := strings.Fields(text)
	if len(asked) == 0 {
		return s.scopes, true
	}
	for _, one := range s.scopes {
		if slices.Contains(asked, string(one)) {
			scopes = append(scopes, one)
		}
	}
	return scopes, len(scopes) > 0
}

func scopeText(scopes []access.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

// fail answers a client by RFC 6749. The description is ours: nothing that was sent is in it.
func fail(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{code, description})
}

// later answers a client that it has to come again.
func later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	fail(w, http.StatusServiceUnavailable, "temporarily_unavailable", "try again in a moment")
}

func answer(w http.ResponseWriter, status int, body any) {
	text, _ := json.Marshal(body) // strings and numbers always encode
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a peer that left needs no answer
}
