package transport_test

import (
	"net/http"
	"strings"
	"testing"

	"slackmcp/mcp/transport"
)

func TestSessionLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})

	t.Run("initialize gives an id that is asked for afterwards", func(t *testing.T) {
		t.Parallel()
		p := f.peerOf(t).initialize()
		if len(p.session) < 40 {
			t.Fatalf("session id %q", p.session)
		}
		if x, r := p.call("tools/list", nil); x.status != http.StatusOK || r.Error != nil {
			t.Fatalf("tools/list: %d %s", x.status, x.body)
		}
	})
	t.Run("a request without an id is 400", func(t *testing.T) {
		t.Parallel()
		if x, _ := f.peerOf(t).call("tools/list", nil); x.status != http.StatusBadRequest {
			t.Fatalf("got %d", x.status)
		}
	})
	t.Run("a forged id is 404", func(t *testing.T) {
		t.Parallel()
		p := f.peerOf(t).initialize()
		p.session = strings.Repeat("A", len(p.session))
		if x, _ := p.call("tools/list", nil); x.status != http.StatusNotFound {
			t.Fatalf("got %d", x.status)
		}
	})
	t.Run("after DELETE everything is 404 and the stream ends", func(t *testing.T) {
		t.Parallel()
		p := f.peerOf(t).initialize()
		s := p.stream()
		if x := p.do(p.request(t.Context(), http.MethodDelete, p.url, nil)); x.status != http.StatusNoContent {
			t.Fatalf("DELETE: %d %s", x.status, x.body)
		}
		await(t, s.closed, "the stream to end")
		if x, _ := p.call("tools/list", nil); x.status != http.StatusNotFound {
			t.Fatalf("POST: %d", x.status)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if x := p.do(p.request(t.Context(), method, p.url, nil)); x.status != http.StatusNotFound {
				t.Fatalf("%s: %d", method, x.status)
			}
		}
	})
	t.Run("an unknown protocol version is 400", func(t *testing.T) {
		t.Parallel()
		p := f.peerOf(t).initialize()
		p.version = "1999-01-01"
		if x, _ := p.call("tools/list", nil); x.status != http.StatusBadRequest {
			t.Fatalf("got %d", x.status)
		}
	})
}

func TestStreamNewestWins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peerOf(t).initialize()
	p.call("resources/subscribe", map[string]any{"uri": "test://all"})
	first := p.stream()
	second := p.stream()
	await(t, first.closed, "the older stream to end")
	f.Notify("test://all")
	if m, _ := second.next(t); m.Params.URI != "test://all" {
		t.Fatalf("got %+v", m)
	}
}
