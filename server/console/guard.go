package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/internal/page"
	"slackmcp/server/web"
)

// The bounds of sessions.
const (
	maxSessions  = 16
	sessionLife  = 12 * time.Hour
	sessionIdle  = time.Hour
	maxFailures  = 10 // wrong tokens within failuresIn, of all browsers together
	failuresIn   = time.Minute
	maxTokenText = 4096
)

// Why a session ended, or did not begin.
const (
	reasonToken    = "invalid_token"
	reasonMany     = "too_many_failures"
	reasonSignOut  = "sign_out"
	reasonReloaded = "token_reloaded"
	reasonRoom     = "too_many_sessions"
)

// A session is a browser that was given the token.
type session struct {
	name         string // for the trail: it opens nothing
	opened, used time.Time
	ended        chan struct{} // closed when it ends
}

// sessions are the browsers that were given the token.
type sessions struct {
	now func() time.Time

	mu     sync.Mutex
	token  string                         // guarded by mu, as are all below
	open   map[[sha256.Size]byte]*session // by the hash of the cookie
	failed []time.Time                    // wrong tokens of the last minute
}

// allow judges a token and opens a session: the cookie, the session and which session gave way to it; or the reason
// why not. The right token opens one however many wrong ones were given: else everybody who reaches the console could
// lock its operator out. It is too long to be guessed.
func (s *sessions) allow(token string) (cookie string, opened, gone *session, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.token == "" || subtle.ConstantTimeCompare(hash(token), hash(s.token)) != 1 {
		return "", nil, nil, s.fail(now)
	}
	s.expire(now)
	if len(s.open) >= maxSessions {
		gone = s.oldest()
	}
	cookie = rand.Text()
	opened = &session{opened: now, used: now, ended: make(chan struct{})}
	key := sha256.Sum256([]byte(cookie))
	opened.name = "console#" + hex.EncodeToString(key[:4])
	if s.open == nil {
		s.open = map[[sha256.Size]byte]*session{}
	}
	s.open[key] = opened
	return cookie, opened, gone, ""
}

// fail counts a wrong token, and returns why it is refused. It requires s.mu.
func (s *sessions) fail(now time.Time) string {
	s.failed = slices.DeleteFunc(s.failed, func(t time.Time) bool { return now.Sub(t) >= failuresIn })
	if len(s.failed) >= maxFailures {
		return reasonMany
	}
	s.failed = append(s.failed, now)
	return reasonToken
}

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// expire ends the sessions whose time is up. It requires s.mu.
func (s *sessions) expire(now time.Time) {
	for key, one := range s.open {
		if now.Sub(one.opened) >= sessionLife || now.Sub(one.used) >= sessionIdle {
			s.drop(key)
		}
	}
}

// oldest ends the session that was used longest ago. It requires s.mu.
func (s *sessions) oldest() *session {
	var key [sha256.Size]byte
	var found *session
	for k, one := range s.open {
		if found == nil || one.used.Before(found.used) {
			key, found = k, one
		}
	}
	s.drop(key)
	return found
}

// drop requires s.mu.
func (s *sessions) drop(key [sha256.Size]byte) {
	if one := s.open[key]; one != nil {
		close(one.ended)
		delete(s.open, key)
	}
}

// of finds the session of a cookie, and notes that it is used. What a page does by itself is no use.
func (s *sessions) of(r *http.Request) *session {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.expire(now)
	one := s.open[sha256.Sum256([]byte(c.Value))]
	if one != nil && !r.URL.Query().Has("part") && !strings.HasPrefix(r.URL.Path, Base+"/jobs") && r.URL.Path != Base+"/live" {
		one.used = now
	}
	return one
}

// leave ends the session of a cookie.
func (s *sessions) leave(r *http.Request) {
	if c, err := r.Cookie(cookieName(r)); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(sha256.Sum256([]byte(c.Value)))
	}
}

// replace puts another token in force, and returns the sessions that it ended: all, if it is another one.
func (s *sessions) replace(token string) (ended []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == s.token {
		return nil
	}
	s.token, s.failed = token, nil
	for key, one := range s.open {
		ended = append(ended, one)
		s.drop(key)
	}
	return ended
}

// SetToken puts another token in force. One that is another than before ends all sessions.
func (c *Console) SetToken(ctx context.Context, token string) {
	for _, s := range c.sessions.replace(token) {
		c.opt.OnSession(ctx, Session{Who: s.name, Reason: reasonReloaded})
	}
}

// guard answers those alone who may know of the console: browsers of this machine, and those that ask for one of
// the names which the operator has given. It looks like nothing to others.
func (c *Console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.reachable(r) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Console) reachable(r *http.Request) bool {
	return page.FromHere(r) || slices.ContainsFunc(c.opt.Hosts, func(host string) bool { return strings.EqualFold(host, r.Host) })
}

// cookieName is another one on each port: browsers share cookies among the ports of a host.
func cookieName(r *http.Request) string {
	port := (&url.URL{Host: r.Host}).Port()
	return strings.TrimSuffix("console_session_"+port, "_")
}

type sessionKey struct{}

// sessionOf is the session of a request.
func sessionOf(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// signedIn lets the requests of a session pass, and sends others to where one signs in.
func (c *Console) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.of(r)
		switch {
		case s != nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
		case r.Header.Get("HX-Request") != "":
			w.Header().Set("HX-Redirect", Base+"/sign-in")
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			http.Redirect(w, r, Base+"/sign-in", http.StatusSeeOther)
		default:
			c.site.Refuse(w, r, http.StatusUnauthorized, "You are not signed in any more.", "Sign in again, and repeat what you did.")
		}
	})
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	if c.sessions.of(r) != nil {
		http.Redirect(w, r, Base+"/", http.StatusSeeOther)
		return
	}
	c.site.Page(w, r, http.StatusOK, "Sign in", "sign-in", nil)
}

// signIn opens a session to who has the token.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimSpace(r.PostFormValue("token"))
	if len(token) > maxTokenText {
		token = ""
	}
	told := Session{Address: c.address(r), RequestID: r.Header.Get(web.RequestIDHeader)}
	cookie, opened, gone, refused := c.sessions.allow(token)
	if refused != "" {
		told.Reason, told.Refused = refused, true
		c.opt.OnSession(r.Context(), told)
		problem, remedy, status := "That is not the token.", "It is ADMIN_TOKEN of this server's settings.", http.StatusForbidden
		if refused == reasonMany {
			problem, remedy, status = "Too many wrong tokens were given.", "Wait a minute, and try again.", http.StatusTooManyRequests
		}
		c.site.Page(w, r, status, "Sign in", "sign-in", map[string]string{"Problem": problem, "Remedy": remedy})
		return
	}
	if gone != nil {
		c.opt.OnSession(r.Context(), Session{Who: gone.name, Reason: reasonRoom})
	}
	told.Who = opened.name
	c.opt.OnSession(r.Context(), told)
	http.SetCookie(w, c.cookie(r, cookie, int(sessionLife.Seconds())))
	http.Redirect(w, r, Base+"/", http.StatusSeeOther)
}

func (c *Console) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // over plain HTTP, which is for this machine, browsers send no cookie that is Secure
		Name: cookieName(r), Value: value, Path: Base, MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: c.opt.HTTPS || r.TLS != nil,
	}
}

// signOut ends the session.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.sessions.leave(r)
	c.opt.OnSession(r.Context(), Session{
		Who: sessionOf(r).name, Address: c.address(r), RequestID: r.Header.Get(web.RequestIDHeader), Reason: reasonSignOut,
	})
	http.SetCookie(w, c.cookie(r, "", -1))
	http.Redirect(w, r, Base+"/sign-in", http.StatusSeeOther)
}

func (c *Console) address(r *http.Request) string { return web.AddressText(c.opt.Client(r)) }

// changed tells of a change that a request made.
func (c *Console) changed(r *http.Request, operation, target string, count int, err error) {
	c.opt.OnChange(r.Context(), c.by(r, operation, target, count, err))
}

// by is a change of a request.
func (c *Console) by(r *http.Request, operation, target string, count int, err error) Change {
	return Change{
		Who: sessionOf(r).name, Address: c.address(r), RequestID: r.Header.Get(web.RequestIDHeader),
		Operation: operation, Target: target, Count: count, Err: err,
	}
}
