package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/webhook/event"
)

const secret = "the-signing-secret"

// load makes a configuration from variables, on a free port of the loopback.
func load(t *testing.T, vars map[string]string) config.Config {
	t.Helper()
	all := map[string]string{
		"SLACK_SIGNING_SECRET": secret, "HOST": "127.0.0.1", "PORT": "0", "DATA_DIR": t.TempDir(),
		"QUEUE_BACKEND_TYPE": "memory", "DRAIN_TIMEOUT": "5s",
	}
	maps.Copy(all, vars)
	c, err := config.Load(config.Sources{LookupEnv: func(k string) (string, bool) { v, ok := all[k]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run starts a server and stops it when the test ends.
func run(t *testing.T, s *server.Server) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("Run: %v", err)
	}
	return "http://" + s.Addr(), stop
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	ts := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + ts + ":" + body))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/slack/events", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestHandlersWorkWhatIsReceived(t *testing.T) {
	s, err := server.New(t.Context(), server.Options{Config: load(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	tries := 0
	if err := s.On("message.channels", func(_ context.Context, e *event.Event) error {
		if tries++; tries == 1 {
			return errors.New("the first attempt fails")
		}
		got <- e.ID
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	if status := post(t, url, `{"type":"event_callback","event_id":"Ev1","event":{"type":"message","channel":"C1","channel_type":"channel"}}`); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	select {
	case id := <-got:
		if id != "Ev1" {
			t.Errorf("handled %s, want Ev1", id)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the handler was not tried again")
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestHealthShowsEngineErrorsToTheOperatorOnly(t *testing.T) {
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"ADMIN_TOKEN": "the-admin-token"})})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	for _, path := range []string{"/", "/health", "/livez", "/readyz", "/health/detailed"} {
		if status, body := get(t, url+path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := get(t, url+"/nothing", ""); status != http.StatusNotFound || body != "{\"error\":\"not found\"}\n" {
		t.Errorf("unknown route: %d %q", status, body)
	}
}

func TestStartAndStopLeaveNothingBehind(t *testing.T) {
	var out bytes.Buffer
	s, err := server.New(t.Context(), server.Options{
		Config: load(t, map[string]string{"SANDBOX": "true", "MCP_AUTH_TOKEN": "a-token-of-the-test"}), Out: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, stop := run(t, s)
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !strings.Contains(out.String(), `"Authorization": "Bearer a-token-of-the-test"`) {
		t.Errorf("the sandbox's banner has no snippet to paste:\n%s", out.String())
	}
}

// TestTheBannerComesFirst: on a terminal, where the log is on the same screen, no line of it stands above the banner; and
// the banner says how clients connect.
func TestTheBannerComesFirst(t *testing.T) {
	var screen bytes.Buffer
	var turns sync.Mutex
	out := writerFunc(func(b []byte) (int, error) {
		turns.Lock()
		defer turns.Unlock()
		return screen.Write(b)
	})
	s, err := server.New(t.Context(), server.Options{
		Config: load(t, map[string]string{"SANDBOX": "true", "MCP_AUTH_TOKEN": "a-token-of-the-test"}), Out: out, Terminal: true,
		Logger: slog.New(slog.NewTextHandler(out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, stop := run(t, s)
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if shown := screen.String(); !strings.HasPrefix(shown, "slack-webhook-server ") || !strings.Contains(shown, "client-config --url http://") || !strings.Contains(shown, "msg=serving") {
		t.Errorf("the screen shows\n%s", shown)
	}
}

// A writerFunc is a writer.
type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }

func TestTheTokenIsNotShownToALog(t *testing.T) {
	var out bytes.Buffer
	s, err := server.New(t.Context(), server.Options{
		Config: load(t, map[string]string{"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-none", "SLACK_API_URL": "http://127.0.0.1:1/api/"}), Out: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, stop := run(t, s)
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Contains(out.String(), "Bearer") || !strings.Contains(out.String(), "mcp-token") {
		t.Errorf("the banner shows the token, or not where it is:\n%s", out.String())
	}
}

// TestMetricsShowWhatHappened posts events and reads /metrics, on the main listener.
func TestMetricsShowWhatHappened(t *testing.T) {
	s, err := server.New(t.Context(), server.Options{Config: load(t, nil), Version: "v9.8.7"})
	if err != nil {
		t.Fatal(err)
	}
	handled := make(chan struct{}, 1)
	if err := s.On("*", func(context.Context, *event.Event) error { handled <- struct{}{}; return nil }); err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	body := `{"type":"event_callback","event_id":"Ev0METRICS","event":{"type":"message","text":"words"}}`
	for range 2 {
		if status := post(t, url, body); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	<-handled
	if res, err := http.Post(url+"/slack/events", "application/json", strings.NewReader(body)); err == nil {
		res.Body.Close()
	}
	status, text := get(t, url+"/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("/metrics answered %d", status)
	}
	for _, want := range []string{
		`slack_webhook_server_deliveries_total{outcome="accepted",source="slack"} 1`,
		`slack_webhook_server_deliveries_total{outcome="duplicate",source="slack"} 1`,
		`slack_webhook_server_verification_failures_total{reason="missing",source="slack"} 1`,
		`slack_webhook_server_queue_up 1`,
		`slack_webhook_server_queue_info{backend="memory"} 1`,
		`slack_webhook_server_queue_waiting_events{group="handlers"}`,
		`version="v9.8.7"`,
		"process_resident_memory_bytes", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics does not show %s", want)
		}
	}
	if strings.Contains(text, "words") || strings.Contains(text, "Ev0METRICS") || strings.Contains(text, secret) {
		t.Error("/metrics shows what was received, or a secret")
	}
}

// TestAdminAddrMovesMetrics asks both listeners.
func TestAdminAddrMovesMetrics(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := l.Addr().String()
	_ = l.Close()
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"ADMIN_ADDR": admin})})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := run(t, s)
	if status, _ := get(t, url+"/metrics", ""); status != http.StatusNotFound {
		t.Errorf("the main listener answers %d for /metrics, want 404", status)
	}
	if status, text := get(t, "http://"+admin+"/metrics", ""); status != http.StatusOK || !strings.Contains(text, "slack_webhook_server_build_info") {
		t.Errorf("the operators' listener answers %d for /metrics", status)
	}
}

// TestAuditTrail causes each kind of event that a request can cause, and reads the file.
func TestAuditTrail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	cfg := load(t, map[string]string{
		"INTEGRATED": "true", "SANDBOX": "true", "AUDIT_LOG": path, "MCP_AUTH_TOKEN": "audit-token-0123456789", "SLACK_BOT_TOKEN": "",
	})
	s, err := server.New(t.Context(), server.Options{Config: cfg, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	const canary = "canary-text-of-a-body"
	for range 4 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/slack/events", strings.NewReader(`{"text":"`+canary+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Request-Id", "the-request")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	mcp := func(token, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("MCP-Protocol-Version", "2026-07-28")
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Mcp-Method", "tools/call")
		req.Header.Set("Mcp-Name", "slack_post_message")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
	}
	mcp("wrong-token-0123456789", `{}`)
	for range 2 {
		mcp("audit-token-0123456789", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slack_post_message","arguments":{"channel":"#general","text":"`+canary+`"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`)
	}
	s.Reload(t.Context())
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Event, Outcome, Reason, Address, Principal, Tool, Channel, TS, Operation string
			RequestID                                                                string `json:"request_id"`
			Count                                                                    int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		count[strings.Trim(r.Event+" "+r.Outcome+" "+r.Reason+" "+r.Operation, " ")]++
		if r.Event == "signature_refused" && (r.Address != "127.0.0.1" || r.RequestID != "the-request" && r.Count != 3) {
			t.Errorf("the refused signature is recorded as %s", line)
		}
		if r.Event == "slack_write" && (r.Principal != "token:default" || r.Tool != "slack_post_message" || r.TS == "" || r.Channel == "") {
			t.Errorf("the write is recorded as %s", line)
		}
	}
	want := map[string]int{
		"started ok": 1, "signature_refused refused missing": 2, "caller_refused refused invalid_token": 1,
		"token_used ok": 1, "slack_write ok": 2, "operation ok  reload": 1, "stopped ok": 1,
	}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("(-want +recorded):\n%s\n%s", diff, text)
	}
	for _, s := range []string{canary, "audit-token", "wrong-token"} {
		if strings.Contains(string(text), s) {
			t.Errorf("the trail holds %s", s)
		}
	}
}

// TestRefusalsAreCounted refuses many requests of few kinds, on each side: log and trail have the
// first of each kind, and then its number, so that no client makes them grow.
func TestRefusalsAreCounted(t *testing.T) {
	const each = 50
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	logs := &bytes.Buffer{}
	s, err := server.New(t.Context(), server.Options{
		Config: load(t, map[string]string{"INTEGRATED": "true", "SANDBOX": "true", "SLACK_BOT_TOKEN": "", "AUDIT_LOG": path, "MCP_AUTH_TOKEN": "audit-token-0123456789", "MCP_MAX_SESSIONS": "4"}),
		Logger: slog.New(slog.NewTextHandler(logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	many := each
	refuse := func(path string, status int, change func(*http.Request)) {
		for range many {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			change(req)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != status {
				t.Fatalf("%s was answered %d, want %d", path, res.StatusCode, status)
			}
		}
	}
	refuse("/mcp", http.StatusUnauthorized, func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") })
	refuse("/mcp", http.StatusForbidden, func(r *http.Request) { r.Header.Set("Origin", "https://example.com") })
	refuse("/slack/events", http.StatusUnauthorized, func(*http.Request) {})
	refuse("/events/nobody", http.StatusNotFound, func(*http.Request) {})
	initialize := func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`))
		r.ContentLength = -1
		r.Header.Set("Authorization", "Bearer audit-token-0123456789")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	many = 1
	refuse("/mcp", http.StatusOK, initialize) // all of the principal's share
	many = each
	refuse("/mcp", http.StatusTooManyRequests, initialize)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`msg="an assistant was refused: it has its share, or the server is full" reason=too_many_sessions share=true most=1 principal=token:default`,
		fmt.Sprintf(`msg="requests refused again" outcome=caller_refused status=429 source=mcp principal=token:default count=%d reason=too_many_sessions`, each-1),
		`msg="mcp caller refused"`, `msg="request refused"`, `outcome=bad_signature status=401 source=slack duration`, `outcome=unregistered status=404`,
		fmt.Sprintf(`msg="requests refused again" outcome=caller_refused status=401 source=mcp remote=127.0.0.1 count=%d reason=invalid_token`, each-1),
		fmt.Sprintf(`msg="requests refused again" outcome=request_refused status=403 source=mcp remote=127.0.0.1 count=%d reason=origin`, each-1),
		fmt.Sprintf(`msg="requests refused again" outcome=bad_signature status=401 source=slack remote=127.0.0.1 count=%d reason=missing`, each-1),
		fmt.Sprintf(`msg="requests refused again" outcome=unregistered status=404 source="" remote=127.0.0.1 count=%d`, each-1),
	} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if n := strings.Count(logs.String(), "refused"); n > 20 {
		t.Errorf("the log speaks of refusals %d times:\n%s", n, logs)
	}
	trail, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]int{"caller_refused": 4, "signature_refused": 2, `"reason":"too_many_sessions","request_id"`: 1} {
		if n := strings.Count(string(trail), event); n != want || !strings.Contains(string(trail), fmt.Sprintf(`"count":%d`, each-1)) {
			t.Errorf("the trail has %d records of %s, want the first and a count:\n%s", n, event, trail)
		}
	}
}

// TestHeldBackAddressIsReportedOnce posts without a signature until the address is held back:
// the log, the metrics and the trail each say it once.
func TestHeldBackAddressIsReportedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	logs := &bytes.Buffer{}
	s, err := server.New(t.Context(), server.Options{
		Config: load(t, map[string]string{"AUDIT_LOG": path, "UNVERIFIED_PER_MINUTE": "2"}),
		Logger: slog.New(slog.NewTextHandler(logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	url, stop := run(t, s)
	for range 10 {
		res, err := http.Post(url+"/slack/events", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	_, shown := get(t, url+"/metrics", "")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"event":"address_held_back","outcome":"refused","address":"127.0.0.1/32"`); n != 1 {
		t.Errorf("the trail tells it %d times:\n%s", n, text)
	}
	if n := strings.Count(logs.String(), "is held back"); n != 1 || !strings.Contains(logs.String(), "TRUSTED_PROXIES") {
		t.Errorf("the log tells it %d times, or without the remedy:\n%s", n, logs)
	}
	if !strings.Contains(shown, "slack_webhook_server_addresses_held_back_total 1\n") {
		t.Error("the metrics do not count it")
	}
}

// TestACertificateThatCannotBeUsed starts with a key that is not there: the error is the
// configuration's.
func TestACertificateThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tls.crt")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"TLS_CERT_FILE": file, "TLS_KEY_FILE": file})})
	if _, ok := errors.AsType[*config.Error](err); !ok || !strings.Contains(err.Error(), "TLS_KEY_FILE") {
		t.Errorf("the error is %v, want a *config.Error that names the setting", err)
	}
}

// TestClientsThatRegisterAreToldWhatToSet: where nobody signs in, a client of OAuth that registers itself
// is told which header it needs, in words that it prints.
func TestClientsThatRegisterAreToldWhatToSet(t *testing.T) {
	t.Parallel()
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-1"})})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := run(t, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/register", strings.NewReader(`{"redirect_uris":["http://127.0.0.1:1/callback"]}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"error":"invalid_client_metadata"`) || !strings.Contains(string(body), "Authorization: Bearer <token>") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}
