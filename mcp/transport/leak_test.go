package transport_test

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"slackmcp/mcp/transport"
)

// TestSessionsLeaveNoGoroutinesOrMemory opens sessions of each era by the hundred, tells them of a
// change and lets them go: goroutines and memory must come back to what they were. It is
// not parallel, since it counts for the whole process.
func TestSessionsLeaveNoGoroutinesOrMemory(t *testing.T) { //nolint:paralleltest // counts the process's goroutines
	const each, rounds = 60, 4
	f := newFixture(t, transport.Options{Coalesce: time.Millisecond})
	// A round is a test of its own, so that what it keeps for its end is let go.
	round := func(t *testing.T) { f.round(t, each) }
	t.Run("what is made once", round)
	goroutines, heap := settled()
	for range rounds {
		t.Run("round", round)
	}
	eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	// A session that left as little as 400 bytes would be seen.
	const slack = each * rounds * 3 * 400
	eventually(t, "the memory to come back", func() bool { _, now := settled(); return now <= heap+slack })
	_, now := settled()
	t.Logf("%d sessions: goroutines %d, then %d; heap %d KiB, then %d KiB",
		each*rounds*3, goroutines, runtime.NumGoroutine(), heap>>10, now>>10)
}

// round opens so many followers of each era, sees each told, and lets all go.
func (f *fixture) round(t *testing.T, each int) {
	t.Helper()
	var followers []*tap
	var peers []*peer
	for i := range each {
		p := f.peerOf(t).initialize()
		s := p.stream()
		p.call("resources/subscribe", map[string]any{"uri": "test://all"})
		c := f.sse(t)
		c.client.CloseIdleConnections()
		c.call("initialize", initializeParams)
		c.call("resources/subscribe", map[string]any{"uri": "test://all"})
		l := f.listen(t, i, map[string]any{"resourceSubscriptions": []string{"test://all"}})
		followers = append(followers, s, c.tap, l)
		peers = append(peers, p, c.peer)
	}
	f.Notify("test://all")
	for _, s := range followers {
		s.next(t)
	}
	for i, p := range peers {
		if i%2 == 0 { // the others end with their stream
			if x := p.do(p.request(t.Context(), http.MethodDelete, p.url, nil)); x.status >= http.StatusBadRequest {
				t.Fatalf("DELETE: %d", x.status)
			}
		}
		p.client.CloseIdleConnections()
	}
	for _, s := range followers {
		s.cancel()
		await(t, s.closed, "the stream to end")
	}
	eventually(t, "the server to let go", func() bool {
		s := f.Stats()
		return s.Streams == 0 && s.Sessions == 0 && s.Subscriptions == 0
	})
	f.log.reset()
}

// settled is the process's goroutines and what lives on the heap, after collections: one
// runs finalizers, the next frees what they held.
func settled() (goroutines int, heap uint64) {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}
