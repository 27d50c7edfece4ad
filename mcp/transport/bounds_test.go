package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

// deaf opens a connection that takes few bytes and reads none, and sends it a request.
func deaf(t *testing.T, f *fixture, request string) net.Conn {
	t.Helper()
	u, err := url.Parse(f.base)
	if err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) { serr = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		if err != nil {
			return err
		}
		return serr
	}}
	c, err := d.DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

func getStream(p *peer) string {
	return "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: " + p.session + "\r\n\r\n"
}

// TestASlowReaderIsCutAndLosesNothing lets a session's stream stand unread while its
// resources change, until the server gives the connection up. The session lives on,
// and its next stream brings all that changed.
func TestASlowReaderIsCutAndLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{WriteTimeout: 100 * time.Millisecond, Heartbeat: time.Second, Coalesce: time.Millisecond})
	slow, quick := f.peer().initialize(), f.peer().initialize()
	const resources = 200
	uri := func(i int) string { return fmt.Sprintf("test://one/%d%s", i, strings.Repeat("x", 2000)) }
	for i := range resources {
		slow.call("resources/subscribe", map[string]any{"uri": uri(i)})
	}
	quick.call("resources/subscribe", map[string]any{"uri": uri(0)})
	s := quick.stream()
	deaf(t, f, getStream(slow))
	eventually(t, "the stream to open", func() bool { return f.Stats().Streams == 2 })
	for round := 0; f.Stats().StreamsCutTotal == 0; round++ {
		for i := range resources {
			f.Notify(uri(i))
		}
		if m, _ := s.next(t); m.Params.URI != uri(0) {
			t.Fatalf("the quick client got %+v", m)
		}
		if round > 5000 {
			t.Fatal("the slow stream was never cut")
		}
	}
	for i := range resources {
		f.Notify(uri(i))
	}
	again := slow.stream()
	missing := map[string]bool{}
	for i := range resources {
		missing[uri(i)] = true
	}
	for len(missing) > 0 {
		m, _ := again.next(t)
		delete(missing, m.Params.URI)
	}
}

// TestAHalfOpenStreamIsCut leaves a stream whose peer is gone without a word: nothing
// is sent on it but heartbeats, and they find out.
func TestAHalfOpenStreamIsCut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{WriteTimeout: 50 * time.Millisecond, Heartbeat: time.Microsecond})
	deaf(t, f, "GET /mcp/sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
	eventually(t, "the stream to be cut", func() bool {
		return f.Stats().StreamsCutTotal == 1 && f.Stats().Streams == 0 && f.Stats().Sessions == 0
	})
}

// TestACallThatIsNotReadIsCut counts the stream of a call whose peer takes nothing, as that of a GET.
func TestACallThatIsNotReadIsCut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{WriteTimeout: 50 * time.Millisecond, Heartbeat: time.Microsecond})
	p := f.peer().initialize()
	body := encodeRequest(t, 1, "tools/call", tool("wait", nil))
	deaf(t, f, fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: %s\r\nContent-Length: %d\r\n\r\n%s", p.session, len(body), body))
	eventually(t, "the stream to be cut", func() bool { return f.Stats().StreamsCutTotal == 1 }) // perhaps before the tool begins
	eventually(t, "the call to end", func() bool { return f.Stats().Calls == 0 })
}

// TestShutdown stops a server with 100 open streams of all kinds and a call that would
// never end. How long it took is logged, and judged by the reader.
func TestShutdown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{Grace: 50 * time.Millisecond})
	var streams []*tap
	for i := range 33 {
		p := f.peer().initialize()
		streams = append(streams, p.stream(), f.sse(t).tap, f.listen(t, i, map[string]any{"toolsListChanged": true}))
	}
	last := f.peer().initialize()
	streams = append(streams, last.stream())
	done := make(chan exchange, 1)
	go func() {
		done <- last.do(last.request(context.Background(), http.MethodPost, f.url, strings.NewReader(encodeRequest(t, 1, "tools/call", tool("wait", nil)))))
	}()
	receive(t, f.waiting, "the call to begin")
	began := time.Now()
	f.stop()
	await(t, f.stopped, "Run to return")
	t.Logf("100 streams and a call ended in %s", time.Since(began))
	for i, s := range streams {
		await(t, s.closed, fmt.Sprint("stream ", i, " to end"))
	}
	if r := receive(t, done, "the call's answer").last(t); r.Error == nil || r.Error.Message != "the server is stopping" {
		t.Errorf("the call was answered %+v", r)
	}
	if x := f.peer().post(encodeRequest(t, 1, "initialize", initializeParams)); x.status != http.StatusServiceUnavailable || x.header.Get("Retry-After") == "" {
		t.Errorf("after the end: %d", x.status)
	}
	if got := f.Stats(); got.Streams != 0 || got.Calls != 0 {
		t.Errorf("left over: %+v", got)
	}
}

func TestAListenStreamEndsWithItsResult(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	s := f.listen(t, "abc", map[string]any{"toolsListChanged": true})
	f.stop()
	if m, _ := s.next(t); string(m.ID) != `"abc"` || !strings.Contains(string(m.Result), `"io.modelcontextprotocol/subscriptionId":"abc"`) {
		t.Fatalf("got %+v", m)
	}
}

// TestABodyThatIsDeclaredTooLongIsNotRead refuses a body that is too long before it comes.
func TestABodyThatIsDeclaredTooLongIsNotRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	c := deaf(t, f, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 31457280\r\n\r\n")
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(line, "413") {
		t.Fatalf("got %q, %v", line, err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	t.Run("calls of a session", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{MaxCallsPerSession: 1})
		p, other := f.peerOf(t).initialize(), f.peerOf(t).initialize()
		p.hold(f, encodeRequest(t, 5, "tools/call", tool("wait", nil)))
		if x, r := p.call("ping", nil); x.status != http.StatusTooManyRequests || r.Error == nil || x.header.Get("Retry-After") == "" {
			t.Fatalf("got %d %s", x.status, x.body)
		}
		if x, _ := other.call("ping", nil); x.status != http.StatusOK {
			t.Fatalf("another session: %d", x.status)
		}
		p.release(f, 5)
		if x, _ := p.call("ping", nil); x.status != http.StatusOK {
			t.Fatalf("afterwards: %d", x.status)
		}
	})
	t.Run("calls of all", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{MaxCalls: 1})
		p, other := f.peerOf(t).initialize(), f.peerOf(t).initialize()
		p.hold(f, encodeRequest(t, 5, "tools/call", tool("wait", nil)))
		if x, _ := other.call("ping", nil); x.status != http.StatusTooManyRequests {
			t.Fatalf("got %d", x.status)
		}
		x := f.peerOf(t).stateless("tools/list", "").post(stateless(t, 1, "tools/list", nil))
		if x.status != http.StatusTooManyRequests {
			t.Fatalf("stateless: %d", x.status)
		}
	})
	t.Run("streams", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{MaxStreams: 2})
		f.sse(t)
		s := f.listen(t, 1, map[string]any{"toolsListChanged": true})
		p := f.peerOf(t).initialize()
		if x := p.do(p.request(t.Context(), http.MethodGet, f.url, nil)); x.status != http.StatusServiceUnavailable || x.header.Get("Retry-After") == "" {
			t.Fatalf("got %d", x.status)
		}
		s.cancel()
		eventually(t, "room", func() bool { return f.Stats().Streams == 1 })
		p.stream()
	})
	t.Run("sessions", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{MaxSessions: 2})
		f.peerOf(t).initialize()
		f.peerOf(t).initialize()
		if x := f.peerOf(t).post(encodeRequest(t, 1, "initialize", initializeParams)); x.status != http.StatusServiceUnavailable || x.header.Get("Mcp-Session-Id") != "" {
			t.Fatalf("got %d", x.status)
		}
		if x := f.peerOf(t).do(f.peerOf(t).request(t.Context(), http.MethodGet, f.url+"/sse", nil)); x.status != http.StatusServiceUnavailable {
			t.Fatalf("SSE: %d", x.status)
		}
	})
	t.Run("waiting bytes of an SSE client hold its calls up", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{MaxQueueBytes: 1000})
		c := f.sse(t)
		c.call("initialize", initializeParams)
		for i := range 50 {
			c.post(encodeRequest(t, fmt.Sprint("n", i), "tools/call", tool("echo", map[string]any{"text": strings.Repeat("y", 300+i*30)})))
		}
		for range 50 {
			if m, _ := c.next(t); m.Error != nil {
				t.Fatalf("got %+v", m)
			}
		}
	})
}

// hold keeps a call of the tool "wait" running until the test ends; release ends it
// before.
func (p *peer) hold(f *fixture, body string) {
	p.t.Helper()
	req := p.request(p.t.Context(), http.MethodPost, f.url, strings.NewReader(body))
	go func() {
		if res, err := p.client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body) // Heartbeats come before its end.
			_ = res.Body.Close()
		}
	}()
	receive(p.t, f.waiting, "the call to begin")
}

func (p *peer) release(f *fixture, id int) {
	p.t.Helper()
	p.post(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id))
	receive(p.t, f.ended, "the call to end")
	eventually(p.t, "the call to be over", func() bool { return f.Stats().Calls == 0 })
}

// A pipe is a response whose writer the test reads, for tests in a bubble of time.
type pipe struct {
	header http.Header
	w      *io.PipeWriter
	status chan int
}

func (p *pipe) Header() http.Header         { return p.header }
func (p *pipe) WriteHeader(status int)      { p.status <- status }
func (p *pipe) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipe) Flush()                      {}

// TestIdleSessions runs an hour of a session's life.
func TestIdleSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, err := transport.New(transport.Options{IdleTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Attach(server.NewMCPServer("idle", "1", tr.ServerOptions()...)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- tr.Run(ctx) }()

		do := func(method, session, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, method, "http://localhost/mcp", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Mcp-Session-Id", session)
			w := httptest.NewRecorder()
			tr.Handler().ServeHTTP(w, r)
			return w
		}
		open := func() string {
			return do(http.MethodPost, "", encodeRequest(t, 1, "initialize", initializeParams)).Header().Get("Mcp-Session-Id")
		}
		const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
		idle, used, streaming := open(), open(), open()

		read, write := io.Pipe()
		w := &pipe{header: http.Header{}, w: write, status: make(chan int, 1)}
		streamCtx, endStream := context.WithCancel(ctx)
		streamDone := make(chan struct{})
		go func() {
			defer close(streamDone)
			r := httptest.NewRequestWithContext(streamCtx, http.MethodGet, "http://localhost/mcp", nil)
			r.Header.Set("Mcp-Session-Id", streaming)
			tr.Handler().ServeHTTP(w, r)
		}()
		beats := make(chan struct{}, 10000)
		go func() {
			for s := bufio.NewScanner(read); s.Scan(); {
				if s.Text() == ": ping" {
					beats <- struct{}{}
				}
			}
		}()
		if got := <-w.status; got != http.StatusOK {
			t.Fatalf("GET: %d", got)
		}

		for range 3 {
			time.Sleep(40 * time.Minute) // the clock of synctest
			if got := do(http.MethodPost, used, ping).Code; got != http.StatusOK {
				t.Fatalf("a session in use: %d", got)
			}
		}
		if got := do(http.MethodPost, idle, ping).Code; got != http.StatusNotFound {
			t.Errorf("an idle session: %d", got)
		}
		if got := do(http.MethodPost, streaming, ping).Code; got != http.StatusOK {
			t.Errorf("a session with an open stream: %d", got)
		}
		if got := len(beats); got < int(2*time.Hour/(15*time.Second)) {
			t.Errorf("%d heartbeats in two hours", got)
		}
		endStream()
		<-streamDone
		time.Sleep(62 * time.Minute) // the clock of synctest
		if got := do(http.MethodPost, streaming, ping).Code; got != http.StatusNotFound {
			t.Errorf("an hour after its stream ended: %d", got)
		}
		if got := tr.Stats().Sessions; got != 0 {
			t.Errorf("%d sessions are left", got)
		}
		_ = write.Close()
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
