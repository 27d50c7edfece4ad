package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// A stdioClient is the process on the other side of standard input and output.
type stdioClient struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	done  chan error
}

func (f *fixture) stdio(t *testing.T) *stdioClient {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &stdioClient{t: t, in: inW, lines: make(chan string, 4096), done: make(chan error, 1)}
	ctx := access.With(t.Context(), &access.Principal{Name: "owner", Scopes: []access.Scope{access.Read}})
	go func() {
		c.done <- f.ServeStdio(ctx, inR, outW)
		_ = outW.Close()
	}()
	go func() {
		for s := bufio.NewScanner(outR); s.Scan(); {
			c.lines <- s.Text()
		}
		close(c.lines)
	}()
	t.Cleanup(func() { _ = inW.Close() })
	return c
}

func (c *stdioClient) send(lines ...string) {
	c.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(c.in, l+"\n"); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *stdioClient) next() rpc {
	c.t.Helper()
	return decode(c.t, receive(c.t, c.lines, "a line"))
}

func TestStdio(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	c := f.stdio(t)
	c.send(encodeRequest(t, 1, "initialize", initializeParams), `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if m := c.next(); m.Error != nil || !strings.Contains(string(m.Result), `"2024-11-05"`) {
		t.Fatalf("initialize: %+v", m)
	}
	c.send(encodeRequest(t, "w", "tools/call", tool("whoami", nil)))
	if m := c.next(); !strings.Contains(string(m.Result), "owner [read]") {
		t.Fatalf("whoami: %s", m.Result)
	}
	c.send("", "not json", "[]", `{"jsonrpc":"2.0","id":[],"method":"ping"}`)
	for _, code := range []int{mcp.PARSE_ERROR, mcp.INVALID_REQUEST, mcp.INVALID_REQUEST} {
		if m := c.next(); m.Error == nil || m.Error.Code != code {
			t.Fatalf("got %+v, want %d", m, code)
		}
	}
	c.send(encodeRequest(t, "n", "tools/call", tool("notify", map[string]any{"n": 300})))
	for i := range 300 {
		if m := c.next(); m.Params.Progress != float64(i+1) {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	if m := c.next(); string(m.ID) != `"n"` {
		t.Fatalf("ends with %+v", m)
	}
	c.send(encodeRequest(t, "s", "resources/subscribe", map[string]any{"uri": "test://all"}))
	c.next()
	f.Notify("test://all")
	if m := c.next(); m.Params.URI != "test://all" || m.Params.Meta != nil {
		t.Fatalf("update: %+v", m)
	}
	c.send(encodeRequest(t, 9, "tools/call", tool("wait", map[string]any{"label": "mine"})))
	receive(t, f.waiting, "the call to begin")
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}`)
	if got := receive(t, f.ended, "the call to end"); got != "mine: the client cancelled the request" {
		t.Fatalf("got %q", got)
	}
}

func TestStdioStateless(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	c := f.stdio(t)
	c.send(stateless(t, 1, "server/discover", nil))
	if m := c.next(); !strings.Contains(string(m.Result), "2026-07-28") {
		t.Fatalf("discover: %+v", m)
	}
	c.send(stateless(t, 2, "resources/read", map[string]any{"uri": "test://one/missing"}))
	if m := c.next(); m.Error == nil || m.Error.Code != mcp.INVALID_PARAMS {
		t.Fatalf("read: %+v", m)
	}
	for _, id := range []string{"a", "b"} {
		c.send(stateless(t, id, "subscriptions/listen", map[string]any{"notifications": map[string]any{"resourceSubscriptions": []string{"test://" + id}}}))
		if m := c.next(); m.Method != mcp.MethodNotificationSubscriptionsAcknowledged || m.Params.Meta[mcp.MetaKeySubscriptionID] != id {
			t.Fatalf("listen: %+v", m)
		}
	}
	f.Notify("test://b")
	if m := c.next(); m.Params.URI != "test://b" || m.Params.Meta[mcp.MetaKeySubscriptionID] != "b" {
		t.Fatalf("update: %+v", m)
	}
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"b"}}`)
	if m := c.next(); string(m.ID) != `"b"` {
		t.Fatalf("the end of a listener: %+v", m)
	}
	f.Notify("test://b")
	f.Notify("test://a")
	if m := c.next(); m.Params.URI != "test://a" {
		t.Fatalf("after the end of b: %+v", m)
	}
}

func TestStdioEndsWithItsInput(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	c := f.stdio(t)
	const calls = 20
	for i := range calls {
		c.send(encodeRequest(t, i, "tools/call", tool("echo", map[string]any{"text": fmt.Sprint(i)})))
	}
	_ = c.in.Close()
	if err := receive(t, c.done, "ServeStdio to return"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range c.lines {
		n++
	}
	if n != calls {
		t.Fatalf("%d answers to %d calls", n, calls)
	}
	if got := f.Stats(); got.Sessions != 0 || got.Calls != 0 {
		t.Fatalf("left over: %+v", got)
	}
}

func TestStdioEndsWithTheTransport(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	c := f.stdio(t)
	c.send(encodeRequest(t, 1, "ping", nil))
	c.next()
	f.stop()
	if err := receive(t, c.done, "ServeStdio to return"); err != nil {
		t.Fatal(err)
	}
}

func TestStdioRefusesALongLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{MaxBodyBytes: 1 << 17})
	c := f.stdio(t)
	go func() { _, _ = io.WriteString(c.in, strings.Repeat("x", 1<<18)) }()
	if err := receive(t, c.done, "ServeStdio to return"); err == nil || !strings.Contains(err.Error(), "131072") {
		t.Fatalf("got %v", err)
	}
}

func TestStdioEndsWhenTheClientDoesNotRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	in, inW := io.Pipe()
	out, outW := io.Pipe()
	_ = out.CloseWithError(io.ErrClosedPipe)
	done := make(chan error, 1)
	go func() { done <- f.ServeStdio(context.Background(), in, outW) }()
	_, _ = io.WriteString(inW, encodeRequest(t, 1, "ping", nil)+"\n")
	if err := receive(t, done, "ServeStdio to return"); err == nil {
		t.Fatal("no error")
	}
	_ = inW.Close()
}
