package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// TestHugeBodyIsNotRead sends the headers of a huge body and no byte of it.
func TestHugeBodyIsNotRead(t *testing.T) {
	r := newRig(t)
	for name, length := range map[string]string{"a length above the limit": "1048577", "an absurd length": "9223372036854775807"} {
		t.Run(name, func(t *testing.T) {
			if got := r.raw(t, "Content-Length: "+length+"\r\n", "", "v0="+strings.Repeat("0", 64)); got != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %d before the body, want 413", got)
			}
		})
	}
	// Of a short body net/http swallows the rest before it answers, so that the
	// connection can be used again; of a long one it does not.
	t.Run("an unsigned one is refused unread", func(t *testing.T) {
		if got := r.raw(t, "Content-Length: 1000000\r\n", "", ""); got != http.StatusUnauthorized {
			t.Errorf("answered %d before the body, want 401", got)
		}
	})
}

// TestASourceHasItsOwnLimit posts bodies above the common limit to sources that take them, and above their own.
func TestASourceHasItsOwnLimit(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	repo := webhook.Source{Name: "repo", Provider: "github", Secrets: []string{"repo-secret"}}
	small := webhook.Source{Name: "small", Secrets: []string{"repo-secret"}, MaxBody: 2000}
	r := newRig(t, func(o *webhook.Options) {
		o.Sources, o.MaxBodyBytes, o.Logger = []webhook.Source{repo, small}, 100<<10, logger
		o.Publisher = storeFunc(func(context.Context, event.Event) (queue.Receipt, error) { return queue.Receipt{}, nil })
	})
	of := func(n int) []byte { return []byte(`{"x":"` + strings.Repeat("y", n-8) + `"}`) }
	github := func(body []byte) func(*http.Request) {
		return with("X-Hub-Signature-256", "sha256="+hexMAC("repo-secret", string(body)))
	}
	if n := r.rc.LongestBody(); n != 25<<20 {
		t.Errorf("the longest body is %d bytes, want GitHub's 25 MB", n)
	}
	for _, n := range []int{100 << 10, 1 << 20, 9 << 20, 25 << 20} {
		if got := r.post("/events/repo", of(n), github(of(n))); got.status != http.StatusOK {
			t.Errorf("a body of %d bytes: %+v", n, got)
		}
	}
	if got := r.slack(of(101 << 10)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of Slack above the common limit: %+v", got)
	}
	if got := r.post("/events/small", of(2001), xSignature("repo-secret", string(of(2001)))); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body above the limit of its source: %+v", got)
	}
	r.post("/events/small", of(2000), xSignature("repo-secret", string(of(2000)))).want(t, 200, `{"status":"queued"}`)
	if _, _, err := r.rc.Replace(webhook.Replacement{Sources: []webhook.Source{small}}); err != nil || r.rc.LongestBody() != 100<<10 {
		t.Errorf("without that source the longest body is %d bytes, %v", r.rc.LongestBody(), err)
	}
	r.observed(7)
	r.srv.Close()
	for _, want := range []string{"limit_bytes=2000 remedy=\"if its sender's bodies are that long, raise max_body", `limit_bytes=102400 remedy="if its sender's bodies are that long, raise MAX_BODY_BYTES"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

// TestSlowBody sends half a body, and nothing more within the time that a small one has.
func TestSlowBody(t *testing.T) {
	r := newRig(t)
	if got := r.raw(t, "Content-Length: 100\r\n", `{"half":`, "v0="+strings.Repeat("0", 64)); got != http.StatusRequestTimeout {
		t.Errorf("answered %d, want 408", got)
	}
	if ob := r.observed(1); ob.Outcome != webhook.Timeout {
		t.Errorf("observed %s, want %s", ob.Outcome, webhook.Timeout)
	}
}

func TestBrokenBody(t *testing.T) {
	for name, req := range map[string][2]string{
		"shorter than it says":    {"Content-Length: 100\r\n", `{"half":`},
		"chunked and cut off":     {"Transfer-Encoding: chunked\r\n", "8\r\n{\"half\":\r\n"},
		"chunked with a bad size": {"Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			conn := r.dial(t, req[0], req[1], "v0="+strings.Repeat("0", 64))
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if ob := r.observed(1); ob.Outcome != webhook.Aborted {
				t.Errorf("observed %s, want %s", ob.Outcome, webhook.Aborted)
			}
			if n := len(r.stored()); n != 0 {
				t.Errorf("stored %d events, want none", n)
			}
		})
	}
}

// raw sends headers and a body as they are given and returns the answer's status.
func (r *rig) raw(t *testing.T, headers, body, signature string) (status int) {
	t.Helper()
	conn := r.dial(t, headers, body, signature)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

func (r *rig) dial(t *testing.T, headers, body, signature string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Slack-Request-Timestamp: %d\r\nX-Slack-Signature: %s\r\n%s\r\n%s",
		time.Now().Unix(), signature, headers, body)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestBodiesShareABudget holds one body in Publish while another comes.
func TestBodiesShareABudget(t *testing.T) {
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	store := storeFunc(func(context.Context, event.Event) (queue.Receipt, error) {
		entered <- struct{}{}
		<-leave
		return queue.Receipt{}, nil
	})
	r := newRig(t, func(o *webhook.Options) { o.Publisher, o.MaxBodyBytes, o.BodyBudget = store, 100<<10, 150<<10 })
	first := make(chan answer, 1)
	go func() { first <- r.slack(large(100 << 10)) }()
	<-entered
	for name, change := range map[string]func(*http.Request){"known length": with("X", "y"), "chunked": chunked} {
		got := r.slack(large(80<<10), change)
		if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, `"error":"busy"`) {
			t.Errorf("%s: answered %d %s, want 503 with Retry-After while the budget is used up", name, got.status, got.body)
		}
	}
	close(leave)
	if got := <-first; got.status != 200 {
		t.Errorf("the first was answered %d, want 200", got.status)
	}
	r.slack(large(80<<10)).want(t, 200, `{"status":"ok"}`)
}

// TestConcurrentBodiesDoNotMix publishes many bodies at once and compares what was stored.
func TestConcurrentBodiesDoNotMix(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	const n = 200
	slots := make(chan struct{}, 16) // more at once would wait for the processor up to the read timeout
	for i := range n {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			body := fmt.Appendf(nil, `{"type":"event_callback","event_id":"Ev%d","event":{"type":"t%d","channel":"C%d","text":"%s"}}`, i, i, i, strings.Repeat("x", i*i))
			r.slack(body).want(t, 200, `{"status":"ok"}`)
		})
	}
	wg.Wait()
	events := r.stored()
	if len(events) != n {
		t.Fatalf("stored %d events, want %d", len(events), n)
	}
	for _, e := range events {
		env, err := event.DecodeSlack(e.Raw, event.JSON)
		if err != nil || env.ID != e.ID || env.Kind != e.Kind || env.Channel != e.Channel {
			t.Errorf("event %s %s %s has the body of %s %s %s (%v)", e.ID, e.Kind, e.Channel, env.ID, env.Kind, env.Channel, err)
		}
	}
}

// TestRawIsNotReused shows that the bytes of an event stay as they are after Publish, while
// other requests are served.
func TestRawIsNotReused(t *testing.T) {
	var kept [][]byte
	store := storeFunc(func(_ context.Context, e event.Event) (queue.Receipt, error) {
		kept = append(kept, e.Raw)
		return queue.Receipt{}, nil
	})
	rc, err := webhook.New(webhook.Options{Publisher: store, SlackSecrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	bodies := []string{`{"event_id":"Ev1"}`, `{"event_id":"Ev2"}`, `{"event_id":"Ev3"}`}
	for _, body := range bodies {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, webhook.SlackPath, io.NopCloser(strings.NewReader(body)))
		req.ContentLength = int64(len(body))
		req.Header.Set("Content-Type", "application/json")
		signed(secret, time.Now(), []byte(body))(req)
		rc.ServeHTTP(httptest.NewRecorder(), req)
	}
	for i, body := range bodies {
		if string(kept[i]) != body {
			t.Errorf("event %d has the body %s afterwards, want %s", i+1, kept[i], body)
		}
	}
}
