package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/requires"
	"slackmcp/store/memory"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

const secret = "8f742231b10e8888abcd99yyyzzz85a5"

// readTimeout is how long a body may take in these tests.
const readTimeout = time.Second

// A rig is a receiver with its queue behind a real HTTP server.
type rig struct {
	t    *testing.T
	srv  *httptest.Server
	q    *memory.Store
	rc   *webhook.Receiver
	mu   sync.Mutex
	seen []webhook.Observation
}

// newRig starts a receiver for Slack on a memory queue; change adjusts its options.
func newRig(t *testing.T, change ...func(*webhook.Options)) *rig {
	t.Helper()
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, q: q}
	o := webhook.Options{Publisher: q, SlackSecrets: []string{secret}, RefusalDelay: time.Millisecond, OnObserve: func(ob *webhook.Observation) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, *ob)
	}}
	for _, c := range change {
		c(&o)
	}
	if r.rc, err = webhook.New(o); err != nil {
		t.Fatal(err)
	}
	r.srv = httptest.NewUnstartedServer(r.rc)
	r.srv.Config.ReadTimeout = readTimeout
	r.srv.Start()
	t.Cleanup(func() {
		r.srv.Close()
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		if n := r.rc.BytesInFlight(); n != 0 {
			t.Errorf("BytesInFlight() = %d after all requests, want 0", n)
		}
	})
	return r
}

// observed waits for the nth request to be observed, counted from 1: an answer may
// arrive a moment before OnObserve is called.
func (r *rig) observed(n int) webhook.Observation {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		r.mu.Lock()
		if len(r.seen) >= n {
			defer r.mu.Unlock()
			return r.seen[n-1]
		}
		r.mu.Unlock()
		<-time.After(time.Millisecond)
	}
	r.t.Fatalf("request %d was not observed", n)
	return webhook.Observation{}
}

// An answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
	closed bool // the answer says that the connection is closed
}

// do sends a request and reads the answer.
func (r *rig) do(req *http.Request) answer {
	r.t.Helper()
	resp, err := r.srv.Client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		r.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(body), resp.Header, resp.Close}
}

// post sends a body to a path, as JSON unless change says otherwise.
func (r *rig) post(path string, body []byte, change ...func(*http.Request)) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.srv.URL+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(req)
	}
	return r.do(req)
}

// slack sends a signed body to /slack/events.
func (r *rig) slack(body []byte, change ...func(*http.Request)) answer {
	r.t.Helper()
	return r.post(webhook.SlackPath, body, append([]func(*http.Request){signed(secret, time.Now(), body)}, change...)...)
}

// signed signs as Slack does, with lines of its own.
func signed(secret string, at time.Time, body []byte) func(*http.Request) {
	return func(req *http.Request) {
		ts := strconv.FormatInt(at.Unix(), 10)
		req.Header.Set("X-Slack-Request-Timestamp", ts)
		req.Header.Set("X-Slack-Signature", "v0="+hexMAC(secret, "v0:"+ts+":", string(body)))
	}
}

func hexMAC(secret string, parts ...string) string {
	m := hmac.New(sha256.New, []byte(secret))
	for _, p := range parts {
		m.Write([]byte(p))
	}
	return hex.EncodeToString(m.Sum(nil))
}

// with sets a header; without removes one.
func with(name, value string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set(name, value) }
}

func without(name string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Del(name) }
}

func asForm(req *http.Request) {
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
}

// stored returns everything in the queue, oldest first.
func (r *rig) stored() []event.Event {
	r.t.Helper()
	return r.find(event.Filter{})
}

func (r *rig) find(f event.Filter) []event.Event {
	r.t.Helper()
	var found []event.Event
	for q := (event.Query{Filter: f, Order: event.OldestFirst}); ; {
		page, err := r.q.History(context.WithoutCancel(r.t.Context()), q)
		if err != nil {
			r.t.Fatal(err)
		}
		found = append(found, page.Events...)
		if !page.More {
			return found
		}
		q.After = page.Next
	}
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("answered %d %s, want %d %s", a.status, a.body, status, body)
	}
}

// fixture reads one of testdata/slack.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := fs.ReadFile(os.DirFS("testdata/slack"), name+".json")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// corpus reads a folder of the corpus, which lies beside the repository where it is
// developed.
func corpus(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	dir := os.DirFS(filepath.Join("..", "..", "shared", "corpus", "slack", folder))
	files, err := fs.Glob(dir, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		requires.Missing(t, "the corpus of Slack's requests is not beside the repository: put it into ../shared/corpus/slack")
	}
	all := map[string][]byte{}
	for _, f := range files {
		if all[f], err = fs.ReadFile(dir, f); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
