package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

// A follower is a client of one era that follows resources.
type follower struct {
	*tap
	drop func() // ends the subscription of test://all
}

// eras open a follower of the given resources in each protocol era.
func eras(f *fixture) map[string]func(t *testing.T, uris ...string) follower {
	return map[string]func(t *testing.T, uris ...string) follower{
		"session": func(t *testing.T, uris ...string) follower {
			p := f.peerOf(t).initialize()
			s := p.stream()
			for _, uri := range uris {
				if _, r := p.call("resources/subscribe", map[string]any{"uri": uri}); r.Error != nil {
					t.Fatalf("subscribe: %+v", r.Error)
				}
			}
			return follower{s, func() { p.call("resources/unsubscribe", map[string]any{"uri": "test://all"}) }}
		},
		"sse": func(t *testing.T, uris ...string) follower {
			c := f.sse(t)
			c.call("initialize", initializeParams)
			for _, uri := range uris {
				if r := c.call("resources/subscribe", map[string]any{"uri": uri}); r.Error != nil {
					t.Fatalf("subscribe: %+v", r.Error)
				}
			}
			return follower{c.tap, func() { c.call("resources/unsubscribe", map[string]any{"uri": "test://all"}) }}
		},
		"stateless": func(t *testing.T, uris ...string) follower {
			s := f.listen(t, 7, map[string]any{"resourceSubscriptions": uris, "resourcesListChanged": true, "toolsListChanged": true})
			return follower{s, s.cancel}
		},
	}
}

var initializeParams = map[string]any{
	"protocolVersion": "2024-11-05", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "old", "version": "1"},
}

func (f *fixture) peerOf(t *testing.T) *peer {
	p := f.peer()
	p.t = t
	return p
}

// An sseClient is a client of the HTTP+SSE transport.
type sseClient struct {
	*peer
	*tap
	n int
}

func (f *fixture) sse(t *testing.T) *sseClient { return f.sseAs(t, "") }

// sseAs is sse for a server that wants a token.
func (f *fixture) sseAs(t *testing.T, token string) *sseClient {
	t.Helper()
	p := f.peerOf(t)
	if token != "" {
		p.header.Set("Authorization", "Bearer "+token)
	}
	s := p.open(http.MethodGet, f.url+"/sse", "")
	if s.status != http.StatusOK {
		t.Fatalf("GET sse: %d", s.status)
	}
	e := receive(t, s.events, "the endpoint")
	if e.name != "endpoint" {
		t.Fatalf("first event %+v", e)
	}
	base, err := url.Parse(f.base)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(e.data)
	if err != nil {
		t.Fatal(err)
	}
	p.url = u.String()
	return &sseClient{peer: p, tap: s}
}

// id is the session's, as the endpoint names it.
func (c *sseClient) id() string {
	_, id, _ := strings.Cut(c.url, "sessionId=")
	return id
}

func (c *sseClient) call(method string, params any) rpc {
	c.t.Helper()
	c.n++
	if x := c.post(encodeRequest(c.t, c.n, method, params)); x.status != http.StatusAccepted {
		c.t.Fatalf("%s: %d %s", method, x.status, x.body)
	}
	for {
		if m, _ := c.next(c.t); string(m.ID) == fmt.Sprint(c.n) {
			return m
		}
	}
}

// stateless returns a request of 2026-07-28.
func stateless(t *testing.T, id any, method string, params map[string]any) string {
	if params == nil {
		params = map[string]any{}
	}
	params["_meta"] = map[string]any{
		mcp.MetaKeyProtocolVersion: mcp.ProtocolVersion20260728, mcp.MetaKeyClientCapabilities: map[string]any{},
		mcp.MetaKeyClientInfo: map[string]any{"name": "new", "version": "1"},
	}
	return encodeRequest(t, id, method, params)
}

func (p *peer) stateless(method, name string) *peer {
	p.header.Set("Mcp-Protocol-Version", mcp.ProtocolVersion20260728)
	p.header.Set("Mcp-Method", method)
	if name != "" {
		p.header.Set("Mcp-Name", name)
	}
	return p
}

// listen opens a subscriptions/listen stream and takes its acknowledgement.
func (f *fixture) listen(t *testing.T, id any, filter map[string]any) *tap {
	t.Helper()
	p := f.peerOf(t).stateless("subscriptions/listen", "")
	s := p.open(http.MethodPost, f.url, stateless(t, id, "subscriptions/listen", map[string]any{"notifications": filter}))
	m, _ := s.next(t)
	if m.Method != mcp.MethodNotificationSubscriptionsAcknowledged {
		t.Fatalf("first message %+v", m)
	}
	return s
}

func TestUpdatesReachFollowers(t *testing.T) {
	t.Parallel()
	for _, era := range []string{"session", "sse", "stateless"} {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, transport.Options{Coalesce: time.Millisecond})
			fo := eras(f)[era](t, "test://all", "test://one/1")
			f.Notify("test://one/2", "test://one/1")
			m, _ := fo.next(t)
			if m.Method != "notifications/resources/updated" || m.Params.URI != "test://one/1" {
				t.Fatalf("got %+v", m)
			}
			if era == "stateless" && fmt.Sprint(m.Params.Meta[mcp.MetaKeySubscriptionID]) != "7" {
				t.Fatalf("the update does not name its stream: %+v", m.Params.Meta)
			}
			fo.drop()
			eventually(t, "the subscription to end", func() bool { return f.Stats().Subscriptions <= 1 })
			f.Notify("test://all")
			if era == "stateless" {
				await(t, fo.closed, "the stream to end")
				return
			}
			f.Notify("test://one/1")
			if m, _ := fo.next(t); m.Params.URI != "test://one/1" {
				t.Fatalf("after the subscription ended: %+v", m)
			}
			fo.cancel()
			eventually(t, "everything to end", func() bool { return f.Stats().Streams == 0 })
		})
	}
}

func TestListChangesReachAllClients(t *testing.T) {
	t.Parallel()
	for _, era := range []string{"session", "sse", "stateless"} {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, transport.Options{})
			fo := eras(f)[era](t, "test://all")
			f.ListChanged(transport.Resources)
			if m, _ := fo.next(t); m.Method != "notifications/resources/list_changed" {
				t.Fatalf("got %+v", m)
			}
			f.mcp.AddTool(mcp.NewTool("late_"+era, mcp.WithDescription("came late")), server.ToolHandlerFunc(nil))
			m, _ := fo.next(t)
			if m.Method != "notifications/tools/list_changed" {
				t.Fatalf("got %+v", m)
			}
			f.ListChanged(transport.Prompts)
			f.ListChanged(transport.Resources)
			if m, _ := fo.next(t); era == "stateless" && m.Method != "notifications/resources/list_changed" {
				t.Fatalf("a listener that did not ask for prompts got %+v", m)
			}
		})
	}
}

func TestUpdatesWaitForTheStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	p.call("resources/subscribe", map[string]any{"uri": "test://all"})
	p.call("resources/subscribe", map[string]any{"uri": "test://one/1"})
	for range 3 {
		f.Notify("test://one/1", "test://all")
	}
	p.call("resources/unsubscribe", map[string]any{"uri": "test://one/1"})
	s := p.stream()
	if m, _ := s.next(t); m.Params.URI != "test://all" {
		t.Fatalf("got %+v", m)
	}
}

// A broken is a response whose peer vanished: the greeting went, nothing else does.
type broken struct {
	header http.Header
	writes int
	failed chan struct{}
}

func (b *broken) Header() http.Header { return b.header }
func (b *broken) WriteHeader(int)     {}
func (b *broken) Flush()              {}

func (b *broken) Write(p []byte) (int, error) {
	if b.writes++; b.writes > 1 {
		close(b.failed)
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestUpdatesOfABrokenStreamAreSentAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	p.call("resources/subscribe", map[string]any{"uri": "test://all"})
	w := &broken{header: http.Header{}, failed: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		f.Handler().ServeHTTP(w, p.request(t.Context(), http.MethodGet, "http://localhost/mcp", nil))
	}()
	eventually(t, "the stream to open", func() bool { return f.Stats().Streams == 1 })
	f.ListChanged(transport.Resources)
	f.Notify("test://all")
	await(t, w.failed, "the write to fail")
	await(t, served, "the stream to end")
	s := p.stream()
	for _, want := range []string{"notifications/resources/list_changed", "notifications/resources/updated"} {
		if m, _ := s.next(t); m.Method != want {
			t.Fatalf("got %+v, want %s", m, want)
		}
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{Coalesce: time.Millisecond})
	p := f.peer().initialize()
	for _, uri := range []string{"test://one/1", "test://one/2", "test://one/3"} {
		p.call("resources/subscribe", map[string]any{"uri": uri})
	}
	s := p.stream()
	var ids []string
	for _, uri := range []string{"test://one/1", "test://one/2", "test://one/3"} {
		f.Notify(uri)
		_, e := s.next(t)
		ids = append(ids, e.id)
	}
	resume := func(last string, want ...string) string {
		t.Helper()
		p.header.Set("Last-Event-ID", last)
		s := p.stream()
		for _, uri := range want {
			m, e := s.next(t)
			if m.Params.URI != uri {
				t.Fatalf("after %s, got %+v, want %s", last, m, uri)
			}
			last = e.id
		}
		f.ListChanged(transport.Prompts)
		m, e := s.next(t)
		if m.Method != "notifications/prompts/list_changed" {
			t.Fatalf("after %s, one too many: %+v", last, m)
		}
		return e.id
	}
	last := resume(ids[0], "test://one/2", "test://one/3")
	resume(last)
}

func TestResumeOfAnUnknownEventRepeatsAllUpdates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	uris := []string{"test://one/1", "test://one/2"}
	for _, uri := range uris {
		p.call("resources/subscribe", map[string]any{"uri": uri})
	}
	p.header.Set("Last-Event-ID", "elsewhere-12")
	s := p.stream()
	seen := map[string]int{}
	for range 3 + len(uris) {
		m, _ := s.next(t)
		seen[m.Method+m.Params.URI]++
	}
	if len(seen) != 3+len(uris) {
		t.Fatalf("got %v", seen)
	}
}

func TestListenAcknowledgesWhatItGrants(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{Subscribable: onlyOnes})
	p := f.peer().stateless("subscriptions/listen", "")
	s := p.open(http.MethodPost, f.url, stateless(t, "a", "subscriptions/listen", map[string]any{
		"notifications": map[string]any{"resourceSubscriptions": []string{"test://one/1", "test://all"}, "promptsListChanged": true},
	}))
	m, _ := s.next(t)
	got, err := json.Marshal(m.Params.Notifications)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != `{"resourceSubscriptions":["test://one/1"]}` {
		t.Fatalf("acknowledged %s", got)
	}
}

func onlyOnes(_ context.Context, uri string) error {
	if !strings.HasPrefix(uri, "test://one/") {
		return fmt.Errorf("subscribe: %w", server.ErrResourceNotFound)
	}
	return nil
}

func TestSubscribeToWhatThereIsNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{Subscribable: onlyOnes, MaxSubscriptions: 2})
	p := f.peer().initialize()
	if _, r := p.call("resources/subscribe", map[string]any{"uri": "test://all"}); r.Error == nil || r.Error.Code != mcp.RESOURCE_NOT_FOUND {
		t.Fatalf("got %+v", r.Error)
	}
	for i := range 2 {
		p.call("resources/subscribe", map[string]any{"uri": fmt.Sprint("test://one/", i)})
	}
	if _, r := p.call("resources/subscribe", map[string]any{"uri": "test://one/9"}); r.Error == nil || r.Error.Code != mcp.INVALID_PARAMS {
		t.Fatalf("over the bound: %+v", r.Error)
	}
	if _, r := p.call("resources/subscribe", map[string]any{"uri": "test://one/1"}); r.Error != nil {
		t.Fatalf("again what is followed already: %+v", r.Error)
	}
}
