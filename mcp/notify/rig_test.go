package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/mcp/access"
	"slackmcp/mcp/events"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/view"
	"slackmcp/store/memory"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

const patience = 60 * time.Second

// secret signs what these tests receive.
var secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-nine bytes"))

// A rig is a log, a state, and the notifiers that share them.
type rig struct {
	t     *testing.T
	log   *eventtest.Log
	state state.Store
	opt   notify.Options
	last  *notify.Notifier // that was started
	sent  int
}

func newRig(t *testing.T, change ...func(*notify.Options)) *rig {
	t.Helper()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := &rig{t: t, log: &eventtest.Log{}, state: store.State()}
	c, err := egress.New(egress.Options{HTTPSOnly: true, Hosts: []string{"127.0.0.1"}, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r.opt = notify.Options{
		State: r.state, Client: c, Caller: func(context.Context, string, string) (*access.Principal, error) { return eventtest.Service(), nil }, Exclusive: true, ChallengesPerMinute: 10_000,
		Retry: notify.Retry{MaxAttempts: 4, Base: 5 * time.Millisecond, Cap: 20 * time.Millisecond},
	}
	catalog, err := events.NewCatalog(view.NewJudge(view.JudgeOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	r.opt.Source = events.NewSource(catalog, events.NewReader(r.log.Events(), nil))
	for _, f := range change {
		f(&r.opt)
	}
	return r
}

// start runs a notifier until stop is called, or the test ends.
func (r *rig) start() (e *notify.Notifier, stop func()) {
	r.t.Helper()
	e, err := notify.New(r.opt)
	if err != nil {
		r.t.Fatal(err)
	}
	r.last = e
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.t.Error(err)
			}
		case <-time.After(patience):
			r.t.Error("Run did not return")
		}
	})
	r.t.Cleanup(stop)
	return e, stop
}

// say publishes n messages to a channel.
func (r *rig) say(channel string, n int) {
	for range n {
		r.sent++
		e := message(r.sent)
		e.Channel, e.ReceivedAt = channel, time.Now()
		r.log.Append(e)
	}
}

func message(n int) event.Event {
	return eventtest.Envelope(fmt.Sprintf("Ev%06d", n), map[string]any{
		"type": "message", "channel": "C01", "channel_type": "channel", "user": "U01", "text": "hello", "ts": fmt.Sprintf("1700000000.%06d", n),
	})
}

func (r *rig) position(n int) string { return string(event.NewPosition("e0", uint64(n))) }

// A received is one request that an endpoint accepted or refused.
type received struct {
	id, sub, typ string
	at           time.Time
	body         map[string]any
	status       int
}

// An endpoint is a subscriber's address: it answers challenges, checks signatures, and
// answers everything else as it is told to.
type endpoint struct {
	t      *testing.T
	url    string
	secret string

	mu     sync.Mutex
	all    []received
	answer func(r received) int
	dumb   bool // answers no challenge
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	p := &endpoint{t: t, secret: secret, answer: func(received) int { return http.StatusNoContent }}
	srv := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(srv.Close)
	p.url = srv.URL + "/hook?k=9"
	return p
}

func (p *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	x := received{id: r.Header.Get("webhook-id"), sub: r.Header.Get("X-MCP-Subscription-Id"), at: time.Now()}
	if err := json.Unmarshal(raw, &x.body); err != nil {
		p.t.Errorf("%v in %s", err, raw)
	}
	x.typ, _ = x.body["type"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.signed(r, raw) {
		p.t.Errorf("bad signature %s", r.Header.Get("webhook-signature"))
	}
	if x.typ == "verification" && !p.dumb {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"challenge": x.body["challenge"]})
		return
	}
	x.status = p.answer(x)
	p.all = append(p.all, x)
	w.WriteHeader(x.status)
}

func (p *endpoint) signed(r *http.Request, raw []byte) bool {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.secret, "whsec_"))
	h := hmac.New(sha256.New, key)
	h.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(raw)))
	want := "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	for s := range strings.FieldsSeq(r.Header.Get("webhook-signature")) {
		if s == want {
			return true
		}
	}
	return false
}

func (p *endpoint) set(answer func(received) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// accepted lists the ids that were answered 2xx, in order.
func (p *endpoint) accepted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, x := range p.all {
		if x.status < 300 {
			ids = append(ids, x.id)
		}
	}
	return ids
}

func (p *endpoint) requests() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received(nil), p.all...)
}

func (p *endpoint) request(arguments string) notify.Request {
	return notify.Request{
		Caller: eventtest.Service(),
		Key:    notify.Key{Principal: "token:tester", URL: p.url, Name: "message.created", Arguments: json.RawMessage(arguments)},
		Secret: secret,
	}
}

func subscribe(t *testing.T, e *notify.Notifier, r notify.Request) notify.Grant {
	t.Helper()
	g, err := e.Subscribe(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !fn() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func ids(from, to int) []string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprintf("Ev%06d", i))
	}
	return list
}
