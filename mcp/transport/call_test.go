package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/transport"
)

func tool(name string, args map[string]any) map[string]any {
	return map[string]any{"name": name, "arguments": args}
}

// TestNotificationsOfACall holds trap 1: with many calls of one session at once and a
// GET stream beside them, each call's notifications come on its own stream, all of
// them, in order, before its result.
func TestNotificationsOfACall(t *testing.T) {
	t.Parallel()
	const callers, rounds, notes = 6, 5, 300
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	s := p.stream()
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			mine := f.peer()
			mine.session = p.session
			for round := range rounds {
				label := fmt.Sprintf("%d-%d", caller, round)
				req := mine.request(t.Context(), http.MethodPost, f.url,
					strings.NewReader(encodeRequest(t, label, "tools/call", tool("notify", map[string]any{"n": notes, "label": label}))))
				checkNotes(t, mine.do(req), label, notes)
			}
		})
	}
	all.Wait()
	f.ListChanged(transport.Tools)
	if m, _ := s.next(t); m.Method != "notifications/tools/list_changed" {
		t.Errorf("the GET stream got a call's message: %+v", m)
	}
}

func TestNotificationsOfAStatelessCall(t *testing.T) {
	t.Parallel()
	const notes = 300
	f := newFixture(t, transport.Options{})
	p := f.peer().stateless("tools/call", "notify")
	checkNotes(t, p.post(stateless(t, "x", "tools/call", tool("notify", map[string]any{"n": notes, "label": "x"}))), "x", notes)
}

func checkNotes(t *testing.T, x exchange, label string, notes int) {
	t.Helper()
	got := x.messages(t)
	if len(got) != notes+1 {
		t.Errorf("call %s: %d messages, want %d", label, len(got), notes+1)
		return
	}
	for i, m := range got[:notes] {
		if m.Method != "notifications/progress" || m.Params.ProgressToken != label || m.Params.Progress != float64(i+1) {
			t.Errorf("call %s: message %d is %+v", label, i, m)
			return
		}
	}
	if last := got[notes]; string(last.ID) != `"`+label+`"` || last.Error != nil {
		t.Errorf("call %s: ends with %+v", label, last)
	}
}

func TestNotificationsOfAnSSECall(t *testing.T) {
	t.Parallel()
	const notes = 300
	f := newFixture(t, transport.Options{})
	c := f.sse(t)
	c.call("initialize", initializeParams)
	c.post(encodeRequest(t, "a", "tools/call", tool("notify", map[string]any{"n": notes, "label": "a"})))
	for i := range notes {
		if m, _ := c.next(t); m.Params.Progress != float64(i+1) {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	if m, _ := c.next(t); string(m.ID) != `"a"` {
		t.Fatalf("ends with %+v", m)
	}
}

func TestACallEndsWhenItsClientGoesAway(t *testing.T) {
	t.Parallel()
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{})
		p := f.peerOf(t).initialize()
		s := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(s)
			res, err := p.client.Do(p.request(ctx, http.MethodPost, f.url, strings.NewReader(encodeRequest(t, 9, "tools/call", tool("wait", map[string]any{"label": "post"})))))
			if err == nil {
				_ = res.Body.Close()
			}
		}()
		receive(t, f.waiting, "the call to begin")
		cancel()
		await(t, s, "the client to leave")
		if got := receive(t, f.ended, "the call to end"); !strings.HasPrefix(got, "post: ") {
			t.Fatalf("got %q", got)
		}
	})
	t.Run("sse", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{})
		c := f.sse(t)
		c.call("initialize", initializeParams)
		c.post(encodeRequest(t, 9, "tools/call", tool("wait", map[string]any{"label": "sse"})))
		receive(t, f.waiting, "the call to begin")
		c.cancel()
		if got := receive(t, f.ended, "the call to end"); !strings.HasPrefix(got, "sse: ") {
			t.Fatalf("got %q", got)
		}
	})
}

// TestCancellation holds trap 2: request ids are small numbers that clients share.
func TestCancellation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	victim, other := f.peer().initialize(), f.peer().initialize()
	// Two more calls that nobody cancels: one of the same session, and one without a
	// session and with the same id.
	victim.hold(f, encodeRequest(t, 6, "tools/call", tool("wait", map[string]any{"label": "neighbour"})))
	f.peer().stateless("tools/call", "wait").hold(f, stateless(t, 5, "tools/call", tool("wait", map[string]any{"label": "stateless"})))
	answer := make(chan exchange, 1)
	go func() {
		answer <- victim.do(victim.request(t.Context(), http.MethodPost, f.url, strings.NewReader(encodeRequest(t, 5, "tools/call", tool("wait", map[string]any{"label": "victim"})))))
	}()
	receive(t, f.waiting, "the call to begin")

	cancelled := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	if x := other.post(strings.Replace(cancelled, `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`, "", 1)); x.status != http.StatusAccepted {
		t.Fatalf("another session's cancellation: %d", x.status)
	}
	if x := f.peer().stateless("notifications/cancelled", "").post(cancelled); x.status != http.StatusAccepted {
		t.Fatalf("a stateless cancellation: %d", x.status)
	}
	nothingEnded := func() {
		t.Helper()
		other.call("ping", nil) // a round trip later it would have
		select {
		case got := <-f.ended:
			t.Fatalf("a call was ended by somebody else: %s", got)
		default:
		}
	}
	nothingEnded()
	victim.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`)
	if got := receive(t, f.ended, "the call to end"); got != "victim: the client cancelled the request" {
		t.Fatalf("got %q", got)
	}
	nothingEnded()
	if r := receive(t, answer, "an answer").last(t); r.Error == nil || r.Error.Code != mcp.REQUEST_INTERRUPTED {
		t.Fatalf("got %+v", r)
	}
}

func TestALongCallKeepsItsConnectionAlive(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{Heartbeat: 20 * time.Millisecond})
	p := f.peer().initialize()
	s := p.open(http.MethodPost, f.url, encodeRequest(t, 1, "tools/call", tool("wait", map[string]any{"label": "long"})))
	if got := s.header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("Content-Type %q", got)
	}
	if got := s.header.Get("X-Accel-Buffering"); got != "no" {
		t.Fatalf("X-Accel-Buffering %q", got)
	}
	p.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	if m, _ := s.next(t); m.Error == nil {
		t.Fatalf("got %+v", m)
	}
	await(t, s.closed, "the stream to end")
}

func TestElicitation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	s := p.open(http.MethodPost, f.url, encodeRequest(t, 1, "tools/call", tool("ask", nil)))
	q, _ := s.next(t)
	if q.Method != "elicitation/create" {
		t.Fatalf("got %+v", q)
	}
	stranger := f.peer().initialize()
	for _, who := range []*peer{stranger, p} {
		action := map[bool]string{true: "accept", false: "decline"}[who == p]
		if x := who.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":%q}}`, q.ID, action)); x.status != http.StatusAccepted {
			t.Fatalf("answer: %d %s", x.status, x.body)
		}
	}
	if m, _ := s.next(t); !strings.Contains(string(m.Result), `"accept"`) {
		t.Fatalf("got %s", m.Result)
	}
}

func TestInternalErrorsAreNotDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	for _, tc := range []struct {
		name, method string
		params       map[string]any
		code         int
	}{
		{"a panic", "tools/call", tool("panic", nil), mcp.INTERNAL_ERROR},
		{"an error", "tools/call", tool("fail", nil), mcp.INTERNAL_ERROR},
		{"an error of a resource", "resources/read", map[string]any{"uri": "test://one/broken"}, mcp.INTERNAL_ERROR},
		{"parameters of the wrong type", "tools/call", map[string]any{"name": 7}, mcp.INVALID_PARAMS},
	} {
		x, r := p.call(tc.method, tc.params)
		if r.Error == nil || r.Error.Code != tc.code || strings.Contains(x.body, "secret") || strings.Contains(x.body, "struct") {
			t.Errorf("%s: got %s", tc.name, x.body)
		}
	}
	for _, secret := range []string{"house", "cellar", "attic"} {
		if !strings.Contains(f.log.String(), "the secret of the "+secret) {
			t.Errorf("the operator is not told of the %s", secret)
		}
	}
}

func TestUnknownResource(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	old := f.peer().initialize()
	for _, uri := range []string{"test://one/missing", "nothing://at/all"} {
		if _, r := old.call("resources/read", map[string]any{"uri": uri}); r.Error == nil || r.Error.Code != mcp.RESOURCE_NOT_FOUND || string(r.Error.Data) != `{"uri":"`+uri+`"}` {
			t.Errorf("session, %s: %+v", uri, r.Error)
		}
		x := f.peer().stateless("resources/read", uri).post(stateless(t, 1, "resources/read", map[string]any{"uri": uri}))
		if r := x.last(t); x.status != http.StatusBadRequest || r.Error == nil || r.Error.Code != mcp.INVALID_PARAMS {
			t.Errorf("stateless, %s: %d %s", uri, x.status, x.body)
		}
	}
}

func TestIDsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer().initialize()
	for _, id := range []string{`9007199254740993`, `"a\u00e9"`, `1.50`, `-3`} {
		x := p.post(`{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}`)
		if r := x.last(t); string(r.ID) != id {
			t.Errorf("id %s came back as %s", id, r.ID)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	logged := func(x exchange) int { return strings.Count(x.body, "notifications/message") }
	p, other := f.peer().initialize(), f.peer().initialize()
	for _, tc := range []struct {
		level string
		lines int
	}{{"", 2}, {"debug", 3}, {"error", 1}, {"emergency", 0}} {
		if tc.level != "" {
			if _, r := p.call("logging/setLevel", map[string]any{"level": tc.level}); r.Error != nil {
				t.Fatalf("setLevel %s: %+v", tc.level, r.Error)
			}
		}
		if x, _ := p.call("tools/call", tool("log", nil)); logged(x) != tc.lines {
			t.Errorf("at level %q: %d lines, want %d", tc.level, logged(x), tc.lines)
		}
	}
	if x, _ := other.call("tools/call", tool("log", nil)); logged(x) != 2 {
		t.Errorf("another session: %d lines", logged(x))
	}
	if _, r := p.call("logging/setLevel", map[string]any{"level": "loud"}); r.Error == nil || r.Error.Code != mcp.INVALID_PARAMS {
		t.Errorf("an unknown level: %+v", r.Error)
	}
	silent := stateless(t, 1, "tools/call", tool("log", nil))
	if x := f.peer().stateless("tools/call", "log").post(silent); logged(x) != 0 {
		t.Errorf("2026-07-28 without a level: %d lines", logged(x))
	}
	asking := strings.Replace(silent, `"_meta":{`, `"_meta":{"io.modelcontextprotocol/logLevel":"error",`, 1)
	if x := f.peer().stateless("tools/call", "log").post(asking); logged(x) != 1 {
		t.Errorf("2026-07-28 that asks for errors: %d lines", logged(x))
	}
}
