package transport_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

// TestCoalescing follows a burst in a bubble of time: which updates go out, and when.
func TestCoalescing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, err := transport.New(transport.Options{Coalesce: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Attach(server.NewMCPServer("burst", "1", tr.ServerOptions()...)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- tr.Run(ctx) }()

		read, write := io.Pipe()
		w := &pipe{header: http.Header{}, w: write, status: make(chan int, 1)}
		served := make(chan struct{})
		go func() {
			defer close(served)
			body := stateless(t, 1, "subscriptions/listen", map[string]any{"notifications": map[string]any{"resourceSubscriptions": []string{"a://", "b://"}}})
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/mcp", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
			r.Header.Set("Mcp-Method", "subscriptions/listen")
			tr.Handler().ServeHTTP(w, r)
			_ = write.Close()
		}()
		began := time.Now()
		type update struct {
			uri string
			at  time.Duration
		}
		var got []update
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			buf := make([]byte, 64<<10)
			for {
				n, err := read.Read(buf)
				for _, uri := range []string{"a://", "b://"} {
					for range strings.Count(string(buf[:n]), `"uri":"`+uri+`"`) {
						got = append(got, update{uri, time.Since(began)})
					}
				}
				if err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		at := func(d time.Duration, uris ...string) {
			time.Sleep(d - time.Since(began)) // the clock of synctest
			tr.Notify(uris...)
			synctest.Wait()
		}
		at(1*time.Millisecond, "a://") // at once
		at(2*time.Millisecond, "a://", "b://")
		for i := range 20 { // a burst: joined
			at(time.Duration(10+i)*time.Millisecond, "a://")
		}
		at(60*time.Millisecond, "a://")  // within the next window
		at(300*time.Millisecond, "a://") // after silence: at once again
		time.Sleep(time.Second)          // the clock of synctest
		want := []update{
			{"a://", 1 * time.Millisecond},
			{"b://", 2 * time.Millisecond},
			{"a://", 51 * time.Millisecond},
			{"a://", 101 * time.Millisecond},
			{"a://", 300 * time.Millisecond},
		}
		cancel()
		<-served
		<-drained
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("update %d is %v, want %v", i, got[i], want[i])
			}
		}
		if s := tr.Stats(); s.UpdatesTotal != 25 || s.CoalescedTotal != 20 {
			t.Errorf("stats: %+v", s)
		}
	})
}
