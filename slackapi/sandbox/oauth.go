package sandbox

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What the app is called by where people sign in, unless the options say otherwise.
const (
	DefaultClientID     = "1000000000.1000000001"
	DefaultClientSecret = "sandbox-client-secret"
)

const (
	codeLife    = 10 * time.Minute
	accessLife  = 12 * time.Hour
	maxLive     = 2     // access tokens of one grant, where they are rotated
	maxCodes    = 1_000 // that are remembered
	grantPrefix = "xoxp-sandbox-oauth-"
	rotatingPfx = "xoxe.xoxp-sandbox-1-"
	refreshPfx  = "xoxe-sandbox-1-"
)

// An oauthSide is who has authorized the app by the authorize page. Its tokens are found by
// their text, the grants by user.
type oauthSide struct {
	ahead   time.Duration // by which the clock of codes and tokens is fast
	codes   map[string]*authCode
	grants  map[string]*grant
	access  map[string]*accessToken
	refresh map[string]*grant // the one of each grant that may be used next
}

func newOAuthSide() oauthSide {
	return oauthSide{codes: map[string]*authCode{}, grants: map[string]*grant{}, access: map[string]*accessToken{}, refresh: map[string]*grant{}}
}

// An authCode is what a browser brings back from the authorize page.
type authCode struct {
	user, redirect string
	scopes         []string
	until          time.Time
	used           bool
}

// A grant is what one person allows the app. Its scopes add up until it is revoked.
type grant struct {
	user   string
	scopes []string
	live   []string // access tokens, the oldest first
	next   string   // the refresh token; empty where tokens are not rotated
}

// An accessToken is known for as long as the process runs, so that a dead one is told apart from
// one that never was.
type accessToken struct {
	grant   *grant
	until   time.Time // zero is never
	revoked bool
}

// PassTime lets codes and tokens grow older by d.
func (s *Sandbox) PassTime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oauth.ahead += d
}

func (s *Sandbox) tokenTime() time.Time { return time.Now().Add(s.oauth.ahead) }

// Deactivate ends a person's account: their tokens answer account_inactive, and the app hears of it
// as user_change.
func (s *Sandbox) Deactivate(person string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.personNamed(person)
	if u == nil {
		return fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	changed := *u
	changed.Deleted, changed.Updated = true, time.Now().Unix()
	s.users.put(u.ID, &changed)
	if g := s.oauth.grants[u.ID]; g != nil {
		delete(s.oauth.refresh, g.next)
	}
	s.emitAll("user_change", object{"type": "user_change", "user": &changed, "cache_ts": changed.Updated, "event_ts": s.newTS()})
	return nil
}

// newCode makes a code for a person who allows scopes. It requires s.mu.
func (s *Sandbox) newCode(user, redirect string, scopes []string) string {
	if len(s.oauth.codes) >= maxCodes {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(s.oauth.codes)), func(a, b string) int {
			return s.oauth.codes[a].until.Compare(s.oauth.codes[b].until)
		})
		delete(s.oauth.codes, oldest)
	}
	code := "1000000000.1000000002." + strings.ToLower(rand.Text()+rand.Text())
	s.oauth.codes[code] = &authCode{user: user, redirect: redirect, scopes: scopes, until: s.tokenTime().Add(codeLife)}
	return code
}

// oauthAccess is oauth.v2.access: a code, or a refresh token, for tokens.
func oauthAccess(c *call) (object, error) {
	switch {
	case c.params["client_id"] != c.clientID():
		return nil, fail("invalid_client_id")
	case c.params["client_secret"] != c.clientSecret():
		return nil, fail("bad_client_secret")
	}
	switch c.params["grant_type"] {
	case "", "authorization_code":
		return c.exchange()
	case "refresh_token":
		return c.rotate()
	}
	return nil, fail("invalid_grant_type")
}

func (s *Sandbox) clientID() string     { return cmp.Or(s.opt.ClientID, DefaultClientID) }
func (s *Sandbox) clientSecret() string { return cmp.Or(s.opt.ClientSecret, DefaultClientSecret) }

// exchange gives a code's tokens, once.
func (c *call) exchange() (object, error) {
	code := c.oauth.codes[c.params["code"]]
	switch {
	case code == nil:
		return nil, fail("invalid_code")
	case code.used:
		return nil, fail("code_already_used")
	case c.uninstalled || !c.tokenTime().Before(code.until):
		return nil, fail("invalid_code")
	case c.params["redirect_uri"] != code.redirect:
		return nil, fail("bad_redirect_uri")
	}
	code.used = true
	u, ok := c.user(code.user)
	if !ok || !mayAuthorize(u) {
		return nil, fail("invalid_code")
	}
	g := c.oauth.grants[u.ID]
	if g == nil {
		g = &grant{user: u.ID}
		c.oauth.grants[u.ID] = g
	}
	for _, scope := range code.scopes {
		if !slices.Contains(g.scopes, scope) {
			g.scopes = append(g.scopes, scope)
		}
	}
	who := c.tokens(g)
	who["id"] = u.ID
	return c.installed(object{"authed_user": who}), nil
}

// rotate gives new tokens for a refresh token, once.
func (c *call) rotate() (object, error) {
	g := c.oauth.refresh[c.params["refresh_token"]]
	if g == nil || c.uninstalled {
		return nil, fail("invalid_refresh_token")
	}
	return c.installed(c.tokens(g)), nil
}

// installed adds to an answer where the app is installed.
func (s *Sandbox) installed(reply object) object {
	reply["app_id"], reply["team"] = s.app.id, object{"id": s.team.id}
	reply["enterprise"], reply["is_enterprise_install"] = nil, s.opt.Organization != ""
	if s.opt.Organization != "" {
		reply["team"], reply["enterprise"] = nil, object{"id": s.opt.Organization}
	}
	return reply
}

// tokens are a grant's next tokens. Where they are not rotated, a grant has one token for ever.
func (s *Sandbox) tokens(g *grant) object {
	reply := object{"scope": strings.Join(g.scopes, ","), "token_type": "user"}
	if !s.opt.TokenRotation {
		if len(g.live) == 0 {
			s.admitToken(g, grantPrefix+rand.Text(), time.Time{})
		}
		reply["access_token"] = g.live[0]
		return reply
	}
	token := rotatingPfx + rand.Text() + rand.Text()
	s.admitToken(g, token, s.tokenTime().Add(accessLife))
	for len(g.live) > maxLive {
		s.oauth.access[g.live[0]].revoked = true
		g.live = g.live[1:]
	}
	delete(s.oauth.refresh, g.next)
	g.next = refreshPfx + rand.Text() + rand.Text()
	s.oauth.refresh[g.next] = g
	reply["access_token"], reply["refresh_token"], reply["expires_in"] = token, g.next, int(accessLife/time.Second)
	return reply
}

func (s *Sandbox) admitToken(g *grant, token string, until time.Time) {
	g.live = append(g.live, token)
	s.oauth.access[token] = &accessToken{grant: g, until: until}
}

// granted is who a token is that came from the authorize page.
func (s *Sandbox) granted(token string) (actor, error) {
	t := s.oauth.access[token]
	if t == nil {
		return actor{}, fail("invalid_auth")
	}
	u, found := s.user(t.grant.user)
	switch {
	case !found:
		return actor{}, fail("invalid_auth")
	case u.Deleted:
		return actor{}, fail("account_inactive")
	case t.revoked:
		return actor{}, fail("token_revoked")
	case !t.until.IsZero() && !s.tokenTime().Before(t.until):
		return actor{}, fail("token_expired")
	}
	return actor{kind: userToken, user: u, scopes: t.grant.scopes}, nil
}

// authRevoke is auth.revoke. Without rotation the token is the authorization: it ends, and the app
// hears of it. With rotation one token ends, and Slack sends nothing.
func authRevoke(c *call) (object, error) {
	token := c.token
	if c.truth("test", false) {
		return object{"revoked": false}, nil
	}
	t := c.oauth.access[token]
	switch {
	case strings.HasPrefix(token, refreshPfx):
		delete(c.oauth.refresh, token)
		return object{"revoked": true}, nil
	case t == nil:
		c.revoked[token] = true
	case c.opt.TokenRotation:
		t.revoked = true
		t.grant.live = slices.DeleteFunc(t.grant.live, func(one string) bool { return one == token })
		return object{"revoked": true}, nil
	default:
		c.endGrant(t.grant)
	}
	people, bots := []string{}, []string{}
	if c.who.bot() {
		bots = append(bots, c.who.user.ID)
	} else {
		people = append(people, c.who.user.ID)
	}
	c.emitRevoked(people, bots)
	return object{"revoked": true}, nil
}

// RevokeGrant takes back what a person allows the app, as they, or an admin, do in Slack's settings.
func (s *Sandbox) RevokeGrant(person string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.personNamed(person)
	if u == nil || s.oauth.grants[u.ID] == nil {
		return fmt.Errorf("sandbox: person %q: %w", person, fail("authorization_not_found"))
	}
	s.endGrant(s.oauth.grants[u.ID])
	s.emitRevoked([]string{u.ID}, []string{})
	return nil
}

// endGrant ends all tokens of a grant.
func (s *Sandbox) endGrant(g *grant) {
	for _, t := range s.oauth.access {
		if t.grant == g {
			t.revoked = true
		}
	}
	delete(s.oauth.refresh, g.next)
	delete(s.oauth.grants, g.user)
}

func (s *Sandbox) emitRevoked(people, bots []string) {
	s.watch.live.Changed(changedCalls)
	s.emitAll("tokens_revoked", object{"type": "tokens_revoked", "tokens": object{"oauth": people, "bot": bots}, "event_ts": s.newTS()})
}

// refreshBearer is who a refresh token is, which may only be revoked.
func (s *Sandbox) refreshBearer(token, method string) (actor, error) {
	g := s.oauth.refresh[token]
	if g == nil {
		return actor{}, fail("invalid_auth")
	}
	u, found := s.user(g.user)
	if !found || method != "auth.revoke" {
		return actor{}, fail("not_allowed_token_type")
	}
	return actor{kind: userToken, user: u, scopes: g.scopes}, nil
}

// bearer is the token of a request.
func bearer(h http.Header, p params) string {
	if token, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer "); ok {
		return token
	}
	return p["token"]
}

// addBasic takes the client's name and secret from the header, where they are there.
func (p params) addBasic(h http.Header) {
	r := http.Request{Header: h}
	if id, secret, ok := r.BasicAuth(); ok {
		p["client_id"], p["client_secret"] = id, secret
	}
}

// mayAuthorize reports whether somebody can sign in at this workspace at all.
func mayAuthorize(u *user) bool { return !u.IsBot && !u.Deleted && !u.IsStranger }
