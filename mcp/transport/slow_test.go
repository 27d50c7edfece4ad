//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// largeAnswer is a request for an answer of six times its length: each < is escaped.
func largeAnswer(t *testing.T, p *peer, token string, length int) string {
	t.Helper()
	body := strings.ReplaceAll(encodeRequest(t, 1, "tools/call", tool("echo", map[string]any{"text": strings.Repeat("<", length)})), `\u003c`, "<")
	return fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\nContent-Type: application/json\r\n"+
		"Mcp-Session-Id: %s\r\nContent-Length: %d\r\n\r\n%s", token, p.session, len(body), body)
}

// TestAnUnreadAnswerIsCut has a caller use all its calls for large answers that it does not read.
// They end, and it may call again.
func TestAnUnreadAnswerIsCut(t *testing.T) {
	t.Parallel()
	f := newSharedFixture(t, transport.Options{MaxCalls: 16, WriteTimeout: 200 * time.Millisecond})
	p := f.peerAs(t, aliceToken).initialize()
	for range 4 {
		deaf(t, f, largeAnswer(t, p, aliceToken, 500_000))
	}
	eventually(t, "the calls to begin", func() bool { return f.Stats().CallsTotal >= 5 })
	eventually(t, "the calls to end", func() bool { return f.Stats().Calls == 0 })
	if x, _ := p.call("ping", nil); x.status != http.StatusOK {
		t.Errorf("afterwards a caller is answered %d", x.status)
	}
}

// TestUnreadAnswersCount has a caller leave answers unread, JSON and not a stream, until it has its
// share of the memory for them. Another one gets its own.
func TestUnreadAnswersCount(t *testing.T) {
	t.Parallel()
	f := newSharedFixture(t, transport.Options{})
	alice, bob := f.peerAs(t, aliceToken).initialize(), f.peerAs(t, bobToken).initialize()
	var clients []net.Conn
	for range 6 {
		clients = append(clients, deaf(t, f, largeAnswer(t, alice, aliceToken, 500_000)))
	}
	eventually(t, "answers beyond the share to wait", func() bool { return f.Stats().SharesTotal.Queues > 0 })
	if x, _ := bob.call("tools/call", tool("echo", map[string]any{"text": strings.Repeat("<", 500_000)})); x.status != http.StatusOK || len(x.body) < 3_000_000 {
		t.Errorf("another principal is answered %d with %d bytes", x.status, len(x.body))
	}
	// An answer that is dropped leaves nothing of its call.
	for _, c := range clients {
		_ = c.Close()
	}
	eventually(t, "all calls to end", func() bool { return f.Stats().Calls == 0 })
}

// A stuckStore is a store of sessions that cannot delete any.
type stuckStore struct{ transport.SessionStore }

func (stuckStore) Delete(context.Context, string) error { return errors.New("the store is away") }

// TestAStreamThatIsNotCountedIsNotOpened opens an SSE stream for a caller with its share of
// sessions, whose oldest one cannot be ended.
func TestAStreamThatIsNotCountedIsNotOpened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, err := transport.New(transport.Options{
			MaxSessions: 4, Store: stuckStore{transport.NewMemoryStore(4, time.Hour)},
			Authenticate: access.As(&access.Principal{Name: "alice"}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Attach(server.NewMCPServer("stuck", "1", tr.ServerOptions()...)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- tr.Run(ctx) }()
		do := func(method, path, body string) *httptest.ResponseRecorder {
			within, end := context.WithTimeout(ctx, time.Second)
			defer end()
			r := httptest.NewRequestWithContext(within, method, "http://localhost"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			tr.Handler().ServeHTTP(w, r)
			return w
		}
		if w := do(http.MethodPost, "/mcp", encodeRequest(t, 1, "initialize", initializeParams)); w.Code != http.StatusOK {
			t.Fatalf("initialize: %d %s", w.Code, w.Body)
		}
		time.Sleep(2 * time.Minute) // the clock of synctest
		if w := do(http.MethodGet, "/mcp/sse", ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("answered %d %s, want 503 with Retry-After", w.Code, w.Body)
		}
		if n := tr.Stats().Streams; n != 0 {
			t.Errorf("%d streams are counted", n)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
