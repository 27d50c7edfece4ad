package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// sendBuffer is what the kernel holds for a client of these tests.
const sendBuffer = 16 << 10

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// A fixture is a transport with a small server, on a real port.
type fixture struct {
	*transport.Transport
	t       *testing.T
	url     string // of the mount
	base    string
	mcp     *server.MCPServer
	stop    context.CancelFunc
	stopped chan struct{} // closed when Run returned
	log     *lockedBuffer

	waiting chan string // a "wait" call began, by its label
	ended   chan string // and ended by its context, with the cause
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = bytes.Buffer{}
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFixture(t *testing.T, o transport.Options) *fixture {
	t.Helper()
	return newFixtureAt(t, func(string, *http.ServeMux) transport.Options { return o })
}

// A muted response says nothing of a flush that failed, as that of the router in front of a Transport does.
type muted struct{ http.ResponseWriter }

func (m muted) Unwrap() http.ResponseWriter { return m.ResponseWriter }

func (m muted) Flush() { _ = http.NewResponseController(m.ResponseWriter).Flush() }

func mute(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(muted{w}, r) })
}

// newFixtureAt is newFixture for options that depend on the server's address.
func newFixtureAt(t *testing.T, configure func(base string, mux *http.ServeMux) transport.Options) *fixture {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(mux)
	// Small, so that a reader who does not read is noticed soon.
	srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(sendBuffer)
		}
		return ctx
	}
	o := configure("http://"+srv.Listener.Addr().String(), mux)
	f := &fixture{t: t, stopped: make(chan struct{}), log: &lockedBuffer{}, waiting: make(chan string, 64), ended: make(chan string, 64)}
	o.Logger = slog.New(slog.NewTextHandler(f.log, nil))
	tr, err := transport.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Transport = tr
	f.mcp = f.newServer(tr.ServerOptions())
	if err := tr.Attach(f.mcp); err != nil {
		t.Fatal(err)
	}
	mount := o.Mount
	if mount == "" {
		mount = "/mcp"
	}
	mux.Handle(mount, mute(tr.Handler()))
	mux.Handle(mount+"/", mute(tr.Handler()))
	mux.Handle("/", tr.RootHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the other handler")
	})))
	srv.Start()
	ctx, cancel := context.WithCancel(context.Background())
	f.base, f.url, f.stop = srv.URL, srv.URL+mount, cancel
	go func() {
		defer close(f.stopped)
		if err := tr.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		await(t, f.stopped, "Run to return")
		srv.Close()
	})
	return f
}

func (f *fixture) newServer(opts []server.ServerOption) *server.MCPServer {
	s := server.NewMCPServer("fixture", "1", opts...)
	s.AddTool(mcp.NewTool("echo", mcp.WithDescription("says it back"), mcp.WithString("text")),
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText(r.GetString("text", "")), nil
		})
	s.AddTool(mcp.NewTool("notify", mcp.WithDescription("sends n progress notifications in a row")),
		func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			n := r.GetInt("n", 1)
			label := r.GetString("label", "")
			for i := range n {
				err := server.ServerFromContext(ctx).SendNotificationToClient(ctx, "notifications/progress",
					map[string]any{"progressToken": label, "progress": i + 1, "total": n})
				if err != nil {
					return nil, err
				}
			}
			return mcp.NewToolResultText(label), nil
		})
	s.AddTool(mcp.NewTool("wait", mcp.WithDescription("waits until it is ended")),
		func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			f.waiting <- r.GetString("label", "")
			<-ctx.Done()
			f.ended <- fmt.Sprintf("%s: %v", r.GetString("label", ""), context.Cause(ctx))
			return nil, ctx.Err()
		})
	s.AddTool(mcp.NewTool("log", mcp.WithDescription("logs a line of each of three levels")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			for _, level := range []mcp.LoggingLevel{mcp.LoggingLevelDebug, mcp.LoggingLevelInfo, mcp.LoggingLevelError} {
				err := server.ServerFromContext(ctx).SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(level, "fixture", "line"))
				if err != nil {
					return nil, err
				}
			}
			return mcp.NewToolResultText("logged"), nil
		})
	s.AddTool(mcp.NewTool("whoami", mcp.WithDescription("says who calls")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			p := access.From(ctx)
			if p == nil {
				return mcp.NewToolResultText("nobody"), nil
			}
			return mcp.NewToolResultText(fmt.Sprint(p.Name, " ", p.Scopes)), nil
		})
	s.AddTool(mcp.NewTool("panic", mcp.WithDescription("panics")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			panic("the secret of the house")
		})
	s.AddTool(mcp.NewTool("fail", mcp.WithDescription("fails")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return nil, errors.New("the secret of the cellar")
		})
	s.AddTool(mcp.NewTool("ask", mcp.WithDescription("asks the user")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			res, err := server.ServerFromContext(ctx).RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{
				Message: "sure?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
			}})
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			return mcp.NewToolResultText(string(res.Action)), nil
		})
	read := func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		if strings.HasSuffix(r.Params.URI, "/missing") {
			return nil, fmt.Errorf("look up: %w", server.ErrResourceNotFound)
		}
		if strings.HasSuffix(r.Params.URI, "/broken") {
			return nil, errors.New("the secret of the attic")
		}
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, MIMEType: "text/plain", Text: "here"}}, nil
	}
	s.AddResource(mcp.NewResource("test://all", "all"), read)
	s.AddResourceTemplate(mcp.NewResourceTemplate("test://one/{id}", "one"), server.ResourceTemplateHandlerFunc(read))
	return s
}

func await(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
	}
}

func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
		panic("unreachable")
	}
}

// eventually polls until ok or the patience ends.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// An exchange is a request and what came back.
type exchange struct {
	status int
	header http.Header
	body   string
}

// A peer is a client that speaks plain HTTP, so that it can also misbehave.
type peer struct {
	t       *testing.T
	url     string
	session string
	version string
	header  http.Header
	client  *http.Client
	lastID  int
}

func (f *fixture) peer() *peer {
	return &peer{t: f.t, url: f.url, version: mcp.ProtocolVersion20251125, header: http.Header{}, client: &http.Client{Transport: &http.Transport{}}}
}

func (p *peer) request(ctx context.Context, method, url string, body io.Reader) *http.Request {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.session != "" {
		req.Header.Set("Mcp-Session-Id", p.session)
		req.Header.Set("Mcp-Protocol-Version", p.version)
	}
	maps.Copy(req.Header, p.header)
	return req
}

func (p *peer) do(req *http.Request) exchange {
	p.t.Helper()
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return exchange{status: res.StatusCode, header: res.Header, body: string(body)}
}

func (p *peer) post(body string) exchange {
	p.t.Helper()
	return p.do(p.request(p.t.Context(), http.MethodPost, p.url, strings.NewReader(body)))
}

// call posts a request and returns what came back, with the response decoded.
func (p *peer) call(method string, params any) (exchange, rpc) {
	p.t.Helper()
	p.lastID++
	x := p.post(encodeRequest(p.t, p.lastID, method, params))
	return x, x.last(p.t)
}

func encodeRequest(t *testing.T, id any, method string, params any) string {
	t.Helper()
	if params == nil {
		params = struct{}{}
	}
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p *peer) initialize() *peer {
	p.t.Helper()
	x, r := p.call("initialize", map[string]any{
		"protocolVersion": p.version, "clientInfo": map[string]any{"name": "peer", "version": "1"},
		"capabilities": map[string]any{"elicitation": map[string]any{}},
	})
	if x.status != http.StatusOK || r.Error != nil {
		p.t.Fatalf("initialize: %d %s", x.status, x.body)
	}
	p.session = x.header.Get("Mcp-Session-Id")
	return p
}

// rpc is any JSON-RPC message.
type rpc struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		URI           string         `json:"uri"`
		ProgressToken any            `json:"progressToken"`
		Progress      float64        `json:"progress"`
		Meta          map[string]any `json:"_meta"`
		Notifications map[string]any `json:"notifications"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// messages decodes a response: one JSON object, or each event's.
func (x exchange) messages(t *testing.T) []rpc {
	t.Helper()
	if !strings.HasPrefix(x.header.Get("Content-Type"), "text/event-stream") {
		return []rpc{decode(t, x.body)}
	}
	var all []rpc
	for line := range strings.Lines(x.body) {
		if data, ok := strings.CutPrefix(line, "data: "); ok && strings.TrimSpace(data) != "" {
			all = append(all, decode(t, data))
		}
	}
	return all
}

func (x exchange) last(t *testing.T) rpc {
	t.Helper()
	all := x.messages(t)
	if len(all) == 0 {
		t.Fatalf("no message in %d %q", x.status, x.body)
	}
	return all[len(all)-1]
}

func decode(t *testing.T, s string) rpc {
	t.Helper()
	var m rpc
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("decode %q: %v", s, err)
	}
	return m
}

// A tap is an open event stream.
type tap struct {
	status int
	header http.Header
	events chan event
	closed chan struct{} // closed when the stream ended
	cancel context.CancelFunc
}

type event struct{ name, id, data string }

// open opens an event stream, which ends with the test at the latest.
func (p *peer) open(method, url, body string) *tap {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	res, err := p.client.Do(p.request(ctx, method, url, r)) //nolint:bodyclose // closed by the reader below
	if err != nil {
		cancel()
		p.t.Fatal(err)
	}
	s := &tap{status: res.StatusCode, header: res.Header, events: make(chan event, 4096), closed: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(s.closed)
		defer func() { _ = res.Body.Close() }()
		var e event
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				if lines.Text() == "" && e != (event{}) {
					s.events <- e
					e = event{}
				}
			}
		}
	}()
	p.t.Cleanup(func() {
		cancel()
		<-s.closed
	})
	return s
}

// stream opens the session's GET stream.
func (p *peer) stream() *tap {
	p.t.Helper()
	s := p.open(http.MethodGet, p.url, "")
	if s.status != http.StatusOK {
		p.t.Fatalf("GET: %d", s.status)
	}
	return s
}

// next returns the next message of a stream, and its event.
func (s *tap) next(t *testing.T) (rpc, event) {
	t.Helper()
	for {
		e := receive(t, s.events, "an event")
		if e.data != "" && e.name == "message" {
			return decode(t, e.data), e
		}
	}
}
