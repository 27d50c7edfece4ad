package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A tokenKind is whose token may call a method.
type tokenKind uint8

const (
	botToken tokenKind = 1 << iota
	userToken
	appToken
	anyToken = botToken | userToken
)

// An endpoint is one row of the table of methods.
type endpoint struct {
	scope string // that is needed at once; others depend on the conversation
	kinds tokenKind
	tier  int // calls a minute
	run   func(*call) (object, error)
}

// A call is one request to the Web API, while the workspace is locked.
type call struct {
	*Sandbox
	params
	who    actor
	header http.Header
}

// An actor is who a token is.
type actor struct {
	kind   tokenKind
	user   *user
	scopes []string
}

func (a actor) bot() bool { return a.kind == botToken }

func (a actor) has(scope string) bool {
	return scope == "" || slices.Contains(a.scopes, scope)
}

// serveAPI answers /api/<method>.
func (s *Sandbox) serveAPI(w http.ResponseWriter, r *http.Request) {
	s.sawHost(r)
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	r.Body = http.MaxBytesReader(w, r.Body, maxParamBytes)
	p, warnings, err := readParams(r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Slack-Req-Id", digest(32, method, r.Header.Get("Date"), strconv.FormatUint(s.nextSerial(), 36)))
	fault := s.takeFault(method)
	if fault != nil && s.strike(fault, false, w, r) {
		return
	}
	var reply object
	if err == nil {
		reply, err = s.answer(r.Context(), method, p, r.Header, w.Header())
	}
	if fault != nil && s.strike(fault, true, w, r) {
		return
	}
	write(w, method, reply, warnings, err)
}

func write(w http.ResponseWriter, method string, reply object, warnings []string, err error) {
	out := object{"ok": true}
	maps.Copy(out, reply)
	if f := (*failure)(nil); errors.As(err, &f) {
		out = object{"ok": false, "error": f.code}
		maps.Copy(out, f.extra)
		if f.code == "ratelimited" {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	if len(warnings) > 0 {
		out["warning"] = strings.Join(warnings, ",")
		meta, _ := out["response_metadata"].(object)
		if meta == nil {
			meta = object{}
		}
		meta["warnings"] = warnings
		out["response_metadata"] = meta
	}
	// The answer is made of maps, structs and checked JSON; a client that has gone is
	// all that can fail here.
	_ = json.NewEncoder(w).Encode(out)
}

// answer runs a method with the workspace locked.
func (s *Sandbox) answer(_ context.Context, method string, p params, in, out http.Header) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due()
	e, known := endpoints[method]
	if !known {
		return nil, failWith("unknown_method", object{"req_method": method})
	}
	who, err := s.identify(in, p)
	if err != nil {
		return nil, err
	}
	delete(p, "token")
	out.Set("X-OAuth-Scopes", strings.Join(who.scopes, ","))
	if e.scope != "" {
		out.Set("X-Accepted-OAuth-Scopes", e.scope)
	}
	if who.kind&e.kinds == 0 {
		return nil, fail("not_allowed_token_type")
	}
	if err := s.withinRate(method, e, p, out); err != nil {
		return nil, err
	}
	if !who.has(e.scope) {
		return nil, missingScope(e.scope, strings.Join(who.scopes, ","))
	}
	return e.run(&call{Sandbox: s, params: p, who: who, header: out})
}

// identify finds who calls, by the Authorization header or the token argument.
func (s *Sandbox) identify(h http.Header, p params) (actor, error) {
	token, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !ok {
		token = p["token"]
	}
	switch {
	case token == "":
		return actor{}, fail("not_authed")
	case s.revoked[token]:
		return actor{}, fail("token_revoked")
	case strings.HasPrefix(token, "xoxb-sandbox-"):
		return actor{kind: botToken, user: s.users.byID[s.app.botUser], scopes: s.botScopes()}, nil
	case strings.HasPrefix(token, "xapp-sandbox-"):
		return actor{kind: appToken, user: s.users.byID[s.app.botUser], scopes: []string{"connections:write"}}, nil
	case strings.HasPrefix(token, "xoxp-sandbox-"):
		u, found := s.user(strings.TrimPrefix(token, "xoxp-sandbox-"))
		if !found {
			u = s.users.byID[s.app.installer]
		}
		if u.Deleted {
			return actor{}, fail("account_inactive")
		}
		return actor{kind: userToken, user: u, scopes: s.userScopes()}, nil
	case strings.HasPrefix(token, "xox"), strings.HasPrefix(token, "xapp-"):
		return actor{}, failWith("invalid_auth", object{"response_metadata": object{
			"messages": []string{"[ERROR] this is a sandbox: it takes only tokens that begin with xoxb-sandbox-, xoxp-sandbox- or xapp-sandbox-; keep real ones out of it"},
		}})
	}
	return actor{}, fail("invalid_auth")
}

func (s *Sandbox) botScopes() []string {
	if s.opt.BotScopes != nil {
		return s.opt.BotScopes
	}
	return allBotScopes
}

func (s *Sandbox) userScopes() []string {
	if s.opt.UserScopes != nil {
		return s.opt.UserScopes
	}
	return allUserScopes
}

// sawHost learns where the sandbox is reached, where nobody said so.
func (s *Sandbox) sawHost(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opt.BaseURL == "" && r.Host != "" {
		s.base = "http://" + r.Host
	}
}

func (s *Sandbox) nextSerial() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return s.serial
}

var allBotScopes = []string{
	"app_mentions:read", "assistant:write", "bookmarks:read", "bookmarks:write", "canvases:read", "canvases:write",
	"channels:history", "channels:join", "channels:manage", "channels:read", "chat:write", "chat:write.customize",
	"commands", "emoji:read", "files:read", "files:write", "groups:history", "groups:read", "groups:write",
	"im:history", "im:read", "im:write", "mpim:history", "mpim:read", "mpim:write", "pins:read", "pins:write",
	"reactions:read", "reactions:write", "search:read.public", "team:read", "usergroups:read", "users.profile:read",
	"users:read", "users:read.email",
}

var allUserScopes = []string{
	"bookmarks:read", "bookmarks:write", "canvases:read", "canvases:write", "channels:history", "channels:read", "channels:write",
	"chat:write", "emoji:read", "files:read", "files:write", "groups:history", "groups:read", "groups:write",
	"im:history", "im:read", "im:write", "mpim:history", "mpim:read", "mpim:write", "pins:read", "pins:write",
	"reactions:read", "reactions:write", "search:read", "search:read.public", "team:read", "usergroups:read",
	"users.profile:read", "users:read", "users:read.email",
}
