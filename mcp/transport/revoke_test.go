package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

const (
	aliceToken  = "alice-token-0123456789"
	aliceToken2 = "alice-second-0123456789"
	bobToken    = "bob-token-0123456789"
)

// A member is a client of one token with everything open that stays open.
type member struct {
	session         *peer
	get, sse, heard *tap
	wait            chan exchange
}

// joinAs opens what a member has, each with the token.
func (f *fixture) joinAs(t *testing.T, token string) *member {
	t.Helper()
	m := &member{session: f.peerOf(t), wait: make(chan exchange, 1)}
	m.session.header.Set("Authorization", "Bearer "+token)
	m.session.initialize()
	m.session.call("resources/subscribe", map[string]any{"uri": "test://all"})
	m.get = m.session.stream()
	m.sse = f.sseAs(t, token).tap
	p := f.peerOf(t).stateless("subscriptions/listen", "")
	p.header.Set("Authorization", "Bearer "+token)
	m.heard = p.open(http.MethodPost, f.url, stateless(t, 7, "subscriptions/listen", map[string]any{"notifications": map[string]any{"resourceSubscriptions": []string{"test://all"}}}))
	m.heard.next(t)
	caller := f.peerOf(t)
	caller.session, caller.header = m.session.session, m.session.header
	go func() {
		m.wait <- caller.post(encodeRequest(t, 99, "tools/call", map[string]any{"name": "wait", "arguments": map[string]any{"label": token}}))
	}()
	if got := receive(t, f.waiting, "the call"); got != token {
		t.Fatalf("the call of %s began", got)
	}
	return m
}

// ended waits for the end of all that the member had open.
func (m *member) ended(t *testing.T, f *fixture) {
	t.Helper()
	await(t, m.get.closed, "the session's stream to end")
	await(t, m.sse.closed, "the SSE stream to end")
	await(t, m.heard.closed, "the listen stream to end")
	if got := receive(t, f.ended, "the call's end"); !strings.HasSuffix(got, access.ErrRevoked.Error()) {
		t.Errorf("the call ended: %s", got)
	}
	receive(t, m.wait, "the call's answer")
}

// ping returns how a request in the member's session is answered.
func (m *member) ping() int { return m.session.post(encodeRequest(m.session.t, 5, "ping", nil)).status }

// TestARevokedTokenEndsWhatItOpened removes one token, exchanges another under its name,
// and gives one of the same rights back: streams and calls of each end, the session of a
// name stays with the name while it is there, and who kept the token notices nothing.
func TestARevokedTokenEndsWhatItOpened(t *testing.T) {
	t.Parallel()
	token := func(name, secret string) access.Token {
		return access.Token{Name: name, Secret: secret, Scopes: []access.Scope{access.Read, access.Events}}
	}
	tokens, err := access.NewTokens(token("alice", aliceToken), token("bob", bobToken))
	if err != nil {
		t.Fatal(err)
	}
	require, err := access.Require(access.RequireOptions{Authenticator: tokens})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, transport.Options{Authenticate: require, Coalesce: time.Millisecond})
	alice, bob := f.joinAs(t, aliceToken), f.joinAs(t, bobToken)
	replace := func(list ...access.Token) {
		t.Helper()
		if _, err := tokens.Replace(list...); err != nil {
			t.Fatal(err)
		}
	}

	replace(token("alice", aliceToken2), token("bob", bobToken))
	alice.ended(t, f)
	if status := alice.ping(); status != http.StatusUnauthorized {
		t.Errorf("the exchanged token is answered %d", status)
	}
	alice.session.header.Set("Authorization", "Bearer "+aliceToken2)
	if status := alice.ping(); status != http.StatusOK {
		t.Errorf("the new token of the name is answered %d in its session", status)
	}

	replace(token("bob", bobToken))
	if err := f.EndSessions(t.Context(), "token:alice"); err != nil {
		t.Fatal(err)
	}
	if status := alice.ping(); status != http.StatusUnauthorized {
		t.Errorf("the removed token is answered %d", status)
	}
	replace(token("alice", aliceToken2), token("bob", bobToken))
	if status := alice.ping(); status != http.StatusNotFound {
		t.Errorf("the session of a name that was removed is answered %d when the name is back", status)
	}

	if status := bob.ping(); status != http.StatusOK {
		t.Errorf("the token that stayed is answered %d", status)
	}
	f.Notify("test://all")
	for _, s := range []*tap{bob.get, bob.heard} {
		if m, _ := s.next(t); m.Method != "notifications/resources/updated" {
			t.Errorf("the stream that stayed says %+v", m)
		}
	}
	select {
	case <-bob.sse.closed:
		t.Error("the SSE stream of the token that stayed has ended")
	default:
	}
	replace(token("alice", aliceToken2))
	bob.ended(t, f)
	if n := f.Stats(); n.Streams != 0 {
		t.Errorf("%d streams are left", n.Streams)
	}
}
