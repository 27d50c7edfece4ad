package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/signin/seal"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// peopleServer is a server at which people have signed in, with the fake workspace behind it.
type peopleServer struct {
	*fixture
	bot     *slackapi.Client
	box     *sandbox.Sandbox
	people  *signedIn
	members *eventtest.Members

	mu    sync.Mutex
	calls map[string]int // of the Web API: those of people by method, the others as "bot"
}

// signedIn are the people of the fake workspace who have signed in: it is what a server has of them.
type signedIn struct {
	slack  *slackapi.Client
	scopes []string

	mu     sync.Mutex
	tokens map[string]string // by user; without one their grant does not hold
	ended  map[string]context.CancelCauseFunc
	lives  map[string]context.Context //nolint:containedctx // of each sign-in
	names  map[string]*access.Principal
}

func (s *signedIn) Slack(_ context.Context, who access.SignIn) (*slackapi.Person, error) {
	return s.slack.Person(slackapi.PersonOptions{Who: who.Person.String(), Token: func(context.Context) (string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if token := s.tokens[who.Person.User]; token != "" {
			return token, nil
		}
		return "", fmt.Errorf("no grant: %w", slackapi.ErrSignIn)
	}})
}

// Known knows nothing, so that Slack is asked.
func (s *signedIn) Known(context.Context, access.SignIn) (tools.Known, error) {
	return tools.Known{}, nil
}

func (s *signedIn) Granted(_ context.Context, who access.SignIn) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[who.Person.User] == "" {
		return nil, access.ErrRevoked
	}
	return s.scopes, nil
}

// During and Check make it the keeper of the sign-ins.
func (s *signedIn) During(ctx context.Context, who access.SignIn) (context.Context, func()) {
	s.mu.Lock()
	life := s.lives[who.ID]
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

func (s *signedIn) Check(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lives[id].Err() != nil {
		return access.ErrRevoked
	}
	return nil
}

// end ends a sign-in.
func (s *signedIn) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[id](access.ErrRevoked)
}

// Authenticate takes tokens such as "U0ALICE0001 laptop read write", a user, a client and scopes, and
// "service" for a service that may do everything.
func (s *signedIn) Authenticate(_ context.Context, token string) (*access.Principal, error) {
	if token == "service" {
		return &access.Principal{Name: "service", Scopes: []access.Scope{access.Read, access.Events, access.Write}}, nil
	}
	parts := strings.Split(token, ".")
	if len(parts) < 2 {
		return nil, errors.New("unknown")
	}
	id := parts[0] + "-" + parts[1]
	s.mu.Lock()
	if s.lives[id] == nil {
		s.lives[id], s.ended[id] = context.WithCancelCause(context.Background()) //nolint:fatcontext // it is of the sign-in
	}
	s.mu.Unlock()
	var scopes []access.Scope
	for _, scope := range parts[2:] {
		scopes = append(scopes, access.Scope(scope))
	}
	p := access.SignedIn(access.SignIn{ID: id, Person: access.Person{Host: "slack.com", Team: sandbox.Team, User: parts[0]}, Keeper: s}, scopes...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[p.Name] = p
	return p, nil
}

// caller is who has subscribed by a name.
func (s *signedIn) caller(_ context.Context, name, _ string) (*access.Principal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[name], nil
}

// personScopes are what people allow when they sign in.
var personScopes = strings.Fields(`bookmarks:read canvases:read channels:history channels:read emoji:read files:read groups:history
	groups:read im:history im:read mpim:history mpim:read pins:read reactions:read search:read usergroups:read users:read
	bookmarks:write canvases:write channels:write chat:write files:write groups:write im:write mpim:write pins:write reactions:write`)

func newPeopleServer(t *testing.T, change ...func(*mcp.Options)) *peopleServer {
	t.Helper()
	h := &peopleServer{calls: map[string]int{}, members: &eventtest.Members{}}
	h.people = &signedIn{
		scopes: personScopes, tokens: map[string]string{}, ended: map[string]context.CancelCauseFunc{}, lives: map[string]context.Context{},
		names: map[string]*access.Principal{},
	}
	for _, user := range []string{sandbox.Alice, sandbox.Bob, sandbox.Kira} {
		h.people.tokens[user] = "xoxp-sandbox-" + user
	}
	all := func(o *mcp.Options) {
		o.Choice.Toolsets = []string{toolset.All}
		o.People, o.Visibility, o.Cursors = h.people, h.members, cursorSealer(t)
		require, err := access.Require(access.RequireOptions{
			Authenticator: h.people, MetadataURL: "https://mcp.example/.well-known/oauth-protected-resource/mcp", Offer: []access.Scope{access.Read, access.Write},
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Transport.Authenticate = require
		api, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, UserToken: sandbox.DefaultUserToken, URL: h.slackURL(t), Pace: 100_000, Retries: 2})
		if err != nil {
			t.Fatal(err)
		}
		h.bot, h.people.slack, o.Slack = api, api, api
	}
	h.fixture = newFixture(t, append([]func(*mcp.Options){all}, change...)...)
	h.as("service", "server/discover", nil) // it waits until the server has asked who it is
	return h
}

// cursorSealer seals the cursors of people.
func cursorSealer(t *testing.T) cursor.Sealer {
	t.Helper()
	ring, err := seal.NewKeyring(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ring.For("cursors")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// slackURL is the workspace behind a counter of calls.
func (h *peopleServer) slackURL(t *testing.T) string {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.box = box
	inner := box.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.mu.Lock()
			shown := r.Header.Get("Authorization") + string(body) + r.URL.RawQuery
			of := strings.TrimPrefix(r.URL.Path, "/api/")
			if strings.Contains(shown, sandbox.DefaultBotToken) || strings.Contains(shown, sandbox.DefaultUserToken) {
				of = "bot"
			}
			h.calls[of]++
			h.mu.Unlock()
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	if err := box.SetBaseURL(srv.URL); err != nil {
		t.Fatal(err)
	}
	return srv.URL + "/api/"
}

// by is a client with which somebody acts without the server.
func (h *peopleServer) by(user string) *slackapi.Client {
	h.t.Helper()
	p, err := h.people.slack.Person(slackapi.PersonOptions{Who: user + " by hand", Token: func(context.Context) (string, error) { return "xoxp-sandbox-" + user, nil }})
	if err != nil {
		h.t.Fatal(err)
	}
	return p.Client()
}

func (h *peopleServer) counted(of string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[of]
}

// as makes a request of 2026-07-28 with a token, and returns the answer whole.
func (h *peopleServer) as(token, method string, params map[string]any) (status int, body string, header http.Header) {
	h.t.Helper()
	with := map[string]any{"_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "t", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}}
	maps.Copy(with, params)
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 7, "method": method, "params": with})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
		"Mcp-Method": method, "Authorization": "Bearer " + token,
	} {
		req.Header.Set(name, value)
	}
	if name, ok := params["name"].(string); ok {
		req.Header.Set("Mcp-Name", name)
	}
	if uri, ok := params["uri"].(string); ok {
		req.Header.Set("Mcp-Name", uri)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	body = string(b)
	if strings.HasPrefix(body, ": ping") { // what takes long is answered on a stream, which is kept alive meanwhile
		_, body, _ = strings.Cut(body, "data: ")
		body = strings.TrimSpace(body)
	}
	return res.StatusCode, body, res.Header
}

// called is what became of a tool's call.
type called struct {
	text   string // of the result or of the error
	failed bool
}

func (h *peopleServer) call(token, tool string, args map[string]any) called {
	h.t.Helper()
	if args == nil {
		args = map[string]any{}
	}
	_, body, _ := h.as(token, "tools/call", map[string]any{"name": tool, "arguments": args})
	var x struct {
		Result *struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
			IsError bool `json:"isError"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(body), &x); err != nil || x.Result == nil {
		return called{body, true}
	}
	var b strings.Builder
	for _, c := range x.Result.Content {
		b.WriteString(c.Text)
	}
	return called{b.String(), x.Result.IsError}
}

// tools are those that tools/list shows, by name.
func (h *peopleServer) tools(token string) map[string]string {
	h.t.Helper()
	_, body, _ := h.as(token, "tools/list", nil)
	var x struct {
		Result struct {
			Tools []json.RawMessage `json:"tools"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(body), &x); err != nil {
		h.t.Fatalf("%v in %s", err, body)
	}
	all := map[string]string{}
	for _, raw := range x.Result.Tools {
		var tool struct{ Name string }
		if err := json.Unmarshal(raw, &tool); err != nil {
			h.t.Fatal(err)
		}
		all[tool.Name] = string(raw)
	}
	return all
}

const (
	alice     = sandbox.Alice + ".laptop.read.write.events"
	bob       = sandbox.Bob + ".laptop.read.write.events"
	aliceRead = sandbox.Alice + ".phone.read"
)

// catalogue is every tool that there is.
func catalogue(t *testing.T) []toolset.Tool {
	t.Helper()
	all, err := mcp.Tools()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
