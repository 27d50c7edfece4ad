//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/testservers"
	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
	"slackmcp/store/memory"
	"slackmcp/store/redis"
	"slackmcp/store/state"
)

// replicas are three servers that share values: in memory, so that only what the
// transport does is seen, or in a real Redis.
func replicas(t *testing.T, o transport.Options) (one, two, three *fixture) {
	t.Helper()
	st := newState(t)
	o.Shared = st
	return newFixture(t, o), newFixture(t, o), newFixture(t, o)
}

func TestSharedStore(t *testing.T) {
	t.Parallel()
	st := newState(t)
	a, b := transport.NewSharedStore(st, 3, time.Hour), transport.NewSharedStore(st, 3, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := make(chan string, 100)
	go func() { _ = b.Watch(ctx, func(id string) { changed <- id }) }()
	var subs []string
	for n := range 1000 {
		subs = append(subs, fmt.Sprintf("slack://threads/C%08d/%d.%06d/events", n*7919, 1_700_000_000+n, n))
	}
	for n := range 3 {
		if err := a.Create(ctx, transport.Record{ID: fmt.Sprint("s", n), Principal: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Create(ctx, transport.Record{ID: "s3"}); !errors.Is(err, transport.ErrTooManySessions) {
		t.Errorf("one too many: %v, want ErrTooManySessions", err)
	}
	if err := a.Update(ctx, "s1", func(r *transport.Record) { r.Subscriptions = subs }); err != nil {
		t.Fatalf("a record with a thousand subscriptions: %v", err)
	}
	if r, err := b.Get(ctx, "s1"); err != nil || r.Principal != "ann" || !slices.Equal(r.Subscriptions, subs) {
		t.Errorf("elsewhere: %s with %d subscriptions, %v", r.Principal, len(r.Subscriptions), err)
	}
	if err := b.Delete(ctx, "s0"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"Delete": a.Delete(ctx, "s0"), "Update": a.Update(ctx, "s0", func(*transport.Record) {}),
	} {
		if !errors.Is(err, transport.ErrNoSession) {
			t.Errorf("%s of what ended elsewhere: %v", what, err)
		}
	}
	// What ended elsewhere makes room here, though nobody told.
	if err := a.Create(ctx, transport.Record{ID: "s4"}); err != nil {
		t.Errorf("Create after one ended: %v", err)
	}
	if err := a.Touch(ctx, []string{"s1", "s4", "unknown"}); err != nil {
		t.Errorf("Touch: %v", err)
	}
}

// TestEveryMessageReachesItsReplica: a session's requests land on three replicas in turn,
// its stream is held by one of them.
func TestEveryMessageReachesItsReplica(t *testing.T) {
	t.Parallel()
	one, two, three := replicas(t, transport.Options{})
	p := one.peer().initialize()
	at := func(f *fixture) *peer {
		q := f.peer()
		q.session, q.lastID = p.session, p.lastID+100
		return q
	}
	s := at(two).stream()
	at(three).call("resources/subscribe", map[string]any{"uri": "test://all"})
	eventually(t, "the subscription to reach the stream's replica", func() bool { return two.Stats().Subscriptions == 1 })
	two.Notify("test://all")
	if m, _ := s.next(t); m.Params.URI != "test://all" {
		t.Fatalf("got %+v", m)
	}

	// A question is asked on the stream of its call, and answered elsewhere.
	q := at(one).open(http.MethodPost, one.url, encodeRequest(t, 900, "tools/call", tool("ask", nil)))
	ask, _ := q.next(t)
	if x := at(three).post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept"}}`, ask.ID)); x.status != http.StatusAccepted {
		t.Fatalf("answer: %d %s", x.status, x.body)
	}
	if m, _ := q.next(t); !strings.Contains(string(m.Result), `"accept"`) {
		t.Errorf("got %s", m.Result)
	}

	// A call is cancelled elsewhere.
	w := at(one).open(http.MethodPost, one.url, encodeRequest(t, 901, "tools/call", tool("wait", map[string]any{"label": "w"})))
	receive(t, one.waiting, "the call to begin")
	at(two).post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":901}}`)
	if got := receive(t, one.ended, "the call to end"); !strings.Contains(got, "cancelled") {
		t.Errorf("it ended by %q", got)
	}
	await(t, w.closed, "its stream to end")

	// A stream that comes back elsewhere is told of what it may have missed.
	s.cancel()
	await(t, s.closed, "the stream to end")
	r := at(three)
	r.header.Set("Last-Event-ID", "abcdefgh-1")
	again := r.stream()
	if m, _ := again.next(t); m.Method == "" {
		t.Fatalf("got %+v", m)
	}
	seen := map[string]bool{}
	for !seen["test://all"] {
		m, _ := again.next(t)
		seen[m.Params.URI] = true
	}

	// It ends everywhere.
	if x := p.do(at(two).request(t.Context(), http.MethodDelete, two.url, nil)); x.status != http.StatusNoContent {
		t.Fatalf("DELETE: %d", x.status)
	}
	await(t, again.closed, "the stream to end with its session")
	for i, f := range []*fixture{one, two, three} {
		eventually(t, "the session to be over", func() bool { x, _ := at(f).call("ping", nil); return x.status == http.StatusNotFound })
		if n := f.Stats().Sessions; n != 0 {
			t.Errorf("replica %d still has %d sessions", i+1, n)
		}
	}
}

// TestSSEMessagesReachTheirStream posts an SSE session's messages to other replicas, on
// shared values in a real Redis.
func TestSSEMessagesReachTheirStream(t *testing.T) {
	t.Parallel()
	server := testservers.Redis(t)
	tokens, err := access.NewTokens(access.Token{Name: "ann", Secret: "the-token-of-ann", Scopes: []access.Scope{access.Events}},
		access.Token{Name: "bob", Secret: "the-token-of-bob", Scopes: []access.Scope{access.Events}})
	if err != nil {
		t.Fatal(err)
	}
	require, err := access.Require(access.RequireOptions{Authenticator: tokens})
	if err != nil {
		t.Fatal(err)
	}
	var all []*fixture
	for range 2 {
		st, err := redis.Open(t.Context(), redis.Options{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		all = append(all, newFixture(t, transport.Options{Shared: st.State(), Authenticate: require}))
	}
	one, two := all[0], all[1]
	c := one.sseAs(t, "the-token-of-ann")
	message := two.url + "/message?sessionId=" + c.id()
	post := func(token, body string) exchange {
		q := two.peer()
		q.header.Set("Authorization", "Bearer "+token)
		return q.do(q.request(t.Context(), http.MethodPost, message, strings.NewReader(body)))
	}
	large := strings.Repeat("a large text ", 4_000)
	for id, text := range map[int]string{1: "small", 2: large} {
		if x := post("the-token-of-ann", encodeRequest(t, id, "tools/call", tool("echo", map[string]any{"text": text}))); x.status != http.StatusAccepted {
			t.Fatalf("POST elsewhere: %d %s", x.status, x.body)
		}
		if m, _ := c.next(t); string(m.ID) != fmt.Sprint(id) || !strings.Contains(string(m.Result), text) {
			t.Fatalf("got id %s with %d bytes", m.ID, len(m.Result))
		}
	}
	post("the-token-of-ann", encodeRequest(t, 3, "tools/call", tool("whoami", nil)))
	if m, _ := c.next(t); !strings.Contains(string(m.Result), "ann [events]") {
		t.Errorf("it ran as %s, want who sent it", m.Result)
	}
	if x := post("the-token-of-bob", encodeRequest(t, 4, "ping", nil)); x.status != http.StatusNotFound {
		t.Errorf("another's token: %d %s, want 404", x.status, x.body)
	}
	c.cancel()
	await(t, c.closed, "the stream to end")
	eventually(t, "the session to be over elsewhere", func() bool {
		return post("the-token-of-ann", encodeRequest(t, 5, "ping", nil)).status == http.StatusNotFound
	})
}

// TestSessionsWhileTheStoreIsAway: new sessions are refused while the shared values cannot be
// reached, those that are here go on, and all goes on when it is back.
func TestSessionsWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.Redis(t)
	st, err := redis.Open(t.Context(), redis.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	f := newFixture(t, transport.Options{Shared: st.State()})
	p := f.peer().initialize()
	p.call("resources/subscribe", map[string]any{"uri": "test://all"})
	s := p.stream()
	<-time.After(1500 * time.Millisecond) // an append-only file is synced every second
	server.Kill()
	if x := f.peer().post(encodeRequest(t, 1, "initialize", map[string]any{"protocolVersion": "2025-11-25", "clientInfo": map[string]any{}, "capabilities": map[string]any{}})); x.status != http.StatusServiceUnavailable || x.header.Get("Retry-After") == "" {
		t.Errorf("a new session: %d %s, want 503 and Retry-After", x.status, x.body)
	}
	if x, _ := p.call("ping", nil); x.status != http.StatusOK {
		t.Errorf("a session that is here: %d %s", x.status, x.body)
	}
	f.Notify("test://all")
	if m, _ := s.next(t); m.Params.URI != "test://all" {
		t.Errorf("got %+v", m)
	}
	server.Start()
	eventually(t, "new sessions", func() bool {
		return f.peer().post(encodeRequest(t, 1, "initialize", map[string]any{"protocolVersion": "2025-11-25", "clientInfo": map[string]any{}, "capabilities": map[string]any{}})).status == http.StatusOK
	})
	if x, _ := p.call("resources/subscribe", map[string]any{"uri": "test://one/1"}); x.status != http.StatusOK {
		t.Errorf("a subscription after it is back: %d %s", x.status, x.body)
	}
}

// newState returns small values in memory, until the test ends.
func newState(t testing.TB) state.Store {
	t.Helper()
	s, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.State()
}
