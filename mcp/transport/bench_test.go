package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// BenchmarkFanOut tells 1,000 streams of one resource's change: an operation is one
// update, seen by all.
func BenchmarkFanOut(b *testing.B) {
	const streams = 1000
	tr, err := transport.New(transport.Options{Coalesce: time.Nanosecond})
	if err != nil {
		b.Fatal(err)
	}
	if err := tr.Attach(server.NewMCPServer("bench", "1", tr.ServerOptions()...)); err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(tr.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- tr.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ran; err != nil {
			b.Error(err)
		}
		srv.Close()
	}()
	var seen sync.WaitGroup
	for range streams {
		listenRaw(b, srv.URL, &seen)
	}
	for b.Loop() {
		seen.Add(streams)
		tr.Notify("bench://one")
		seen.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/streams, "ns/notification")
}

// listenRaw opens a listen stream without net/http's client, whose work would be
// measured too.
func listenRaw(b *testing.B, base string, seen *sync.WaitGroup) {
	u, err := url.Parse(base)
	if err != nil {
		b.Fatal(err)
	}
	c, err := new(net.Dialer).DialContext(b.Context(), "tcp", u.Host)
	if err != nil {
		b.Fatal(err)
	}
	const body = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"notifications":{"resourceSubscriptions":["bench://one"]}}}`
	_, err = fmt.Fprintf(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "acknowledged") {
			break
		}
	}
	b.Cleanup(func() { _ = c.Close() })
	go func() {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), "updated") {
				seen.Done()
			}
		}
	}()
}

// BenchmarkCall compares a tools/call over this transport, with the static token and
// the origin checks in front of it, with mcp-go's own handler and neither. Both
// validate the output.
func BenchmarkCall(b *testing.B) {
	tool := func(s *server.MCPServer) {
		s.AddTool(
			mcp.NewTool("sum", mcp.WithDescription("adds"), mcp.WithNumber("a", mcp.Required()), mcp.WithNumber("b", mcp.Required()),
				mcp.WithRawOutputSchema([]byte(`{"type":"object","properties":{"sum":{"type":"number"}},"required":["sum"]}`))),
			func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return mcp.NewToolResultStructuredOnly(map[string]any{"sum": r.GetFloat("a", 0) + r.GetFloat("b", 0)}), nil
			})
	}
	b.Run("mcp-go", func(b *testing.B) {
		s := server.NewMCPServer("plain", "1", server.WithToolCapabilities(true), server.WithOutputSchemaValidation())
		tool(s)
		benchmarkCall(b, server.NewStreamableHTTPServer(s), "")
	})
	b.Run("transport", func(b *testing.B) {
		const secret = "a-token-for-the-benchmark"
		tokens, err := access.NewTokens(access.Token{Name: "bench", Secret: secret, Scopes: []access.Scope{access.Read}})
		if err != nil {
			b.Fatal(err)
		}
		require, err := access.Require(access.RequireOptions{Authenticator: tokens})
		if err != nil {
			b.Fatal(err)
		}
		tr, err := transport.New(transport.Options{Authenticate: require})
		if err != nil {
			b.Fatal(err)
		}
		s := server.NewMCPServer("ours", "1", append(tr.ServerOptions(), server.WithOutputSchemaValidation())...)
		tool(s)
		if err := tr.Attach(s); err != nil {
			b.Fatal(err)
		}
		benchmarkCall(b, tr.Handler(), secret)
	})
}

func benchmarkCall(b *testing.B, h http.Handler, token string) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		b.Fatal(err)
	}
	c, err := new(net.Dialer).DialContext(b.Context(), "tcp", u.Host)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	send := func(session, body string) http.Header {
		head := "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
		if token != "" {
			head += "Authorization: Bearer " + token + "\r\n"
		}
		if session != "" {
			head += "Mcp-Session-Id: " + session + "\r\nMcp-Protocol-Version: 2025-11-25\r\n"
		}
		if _, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body); err != nil {
			b.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 1<<10)
		n, _ := res.Body.Read(buf)
		if res.StatusCode != http.StatusOK || !strings.Contains(string(buf[:n]), `"result"`) {
			b.Fatalf("%d: %s", res.StatusCode, buf[:n])
		}
		_ = res.Body.Close()
		return res.Header
	}
	header := send("", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`)
	session := header.Get("Mcp-Session-Id")
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		send(session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"sum","arguments":{"a":1,"b":2}}}`)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what the operating system charged this process, which other processes do
// not disturb as they do the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
