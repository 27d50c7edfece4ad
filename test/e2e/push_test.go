package e2e_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A subscriber is an address that events are posted to. It answers challenges, refuses
// what is not signed with its secret, and answers all else by its own rule.
type subscriber struct {
	url    string
	secret string
	rule   func(id string) int // nil is 204

	requests atomic.Int64

	mu       sync.Mutex
	accepted []string       // ids answered 2xx, in order
	at       []time.Time    // and when
	tries    map[string]int // by id
	problems []string
}

func newSubscriber(t testing.TB, rule func(id string) int) *subscriber {
	t.Helper()
	s := &subscriber{
		rule: rule, tries: map[string]int{},
		secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")),
	}
	srv := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/hook?k=9"
	return s
}

func (s *subscriber) serve(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	raw, _ := io.ReadAll(r.Body)
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.secret, "whsec_"))
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + stamp + "." + string(raw)))
	if want := "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)); r.Header.Get("webhook-signature") != want {
		s.problem("signature of " + id)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var body struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
		EventID   string `json:"eventId"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		s.problem(err.Error())
	}
	if body.Type == "verification" {
		_ = json.NewEncoder(w).Encode(map[string]string{"challenge": body.Challenge})
		return
	}
	if body.Type == "" && body.EventID != id {
		s.problem(fmt.Sprintf("event %s has webhook-id %s", body.EventID, id))
	}
	status := http.StatusNoContent
	if s.rule != nil {
		status = s.rule(id)
	}
	s.mu.Lock()
	s.tries[id]++
	if status < http.StatusMultipleChoices {
		s.accepted, s.at = append(s.accepted, id), append(s.at, time.Now())
	}
	s.mu.Unlock()
	w.WriteHeader(status)
}

func (s *subscriber) problem(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, what)
}

func (s *subscriber) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.accepted...)
}

// An answer is what a request of 2026-07-28 was answered.
type answer struct {
	Status int
	Header http.Header
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int            `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	} `json:"error"`
}

// modern posts a request of 2026-07-28 and reads its answer.
func (p *process) modern(method string, params map[string]any) (answer, error) {
	res, err := p.send(p.t.Context(), method, params)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	return a, json.NewDecoder(res.Body).Decode(&a)
}

func (p *process) send(ctx context.Context, method string, params map[string]any) (*http.Response, error) {
	all := map[string]any{"_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "e2e", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}}
	maps.Copy(all, params)
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": all})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/mcp", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+authToken)
	req.Header.Set("MCP-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", method)
	return http.DefaultClient.Do(req)
}

// must is modern for what has to succeed.
func (p *process) must(method string, params map[string]any) json.RawMessage {
	p.t.Helper()
	a, err := p.modern(method, params)
	if err != nil || a.Error != nil || a.Status != http.StatusOK {
		p.t.Fatalf("%s: %v, %d, %+v\n%s", method, err, a.Status, a.Error, p.logs)
	}
	return a.Result
}

func (s *subscriber) subscription() map[string]any {
	return map[string]any{
		"name": "message.created", "arguments": map[string]any{"channel": pushChannel},
		"delivery": map[string]any{"mode": "webhook", "url": s.url, "secret": s.secret},
	}
}

// pushing starts a server that may post to this machine.
func pushing(t testing.TB, o options) *process {
	t.Helper()
	o.env = append(o.env, "EVENTS_CALLBACK_HOSTS=127.0.0.1")
	return integrated(t, o)
}

const pushChannel = "C0PUSH00001"

// say posts a signed message and returns nil once it was acknowledged.
func (p *process) say(id, text string) error {
	body := message(id, pushChannel, text)
	ts, sig := sign(signingSecret, time.Now(), body)
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/slack/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", sig)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answer %s", res.Status)
	}
	return nil
}

func pushID(n int) string { return fmt.Sprintf("EvPUSH%06d", n) }

// newRedirect is an address that redirects every request.
func newRedirect(t testing.TB, to string) string {
	t.Helper()
	srv := httptest.NewServer(http.RedirectHandler(to, http.StatusTemporaryRedirect))
	t.Cleanup(srv.Close)
	return srv.URL
}
