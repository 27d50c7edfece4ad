package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/slackapi/sandbox"
)

// bodyCanary stands in the body of every message that these tests send, where Slack puts
// its verification token: nothing but the store may hold it.
const bodyCanary = "canary-of-a-body-4d1f"

// keepsSecrets looks at what a process has written, at the end of each test that started
// one: none of the secrets that it was given is in it, nor a body. In the sandbox the
// token is shown to the person who tries it.
func (p *process) keepsSecrets(o options) {
	p.t.Helper()
	secrets := map[string]string{"the signing secret": signingSecret, "a body": bodyCanary, "the bot token": "xoxb-unused"}
	if !slices.Contains(o.args, "--sandbox") {
		secrets["the MCP token"] = authToken
	}
	said := p.logs.String()
	for what, secret := range secrets {
		if at := strings.Index(said, secret); at >= 0 {
			p.t.Errorf("the process has written %s: ...%q", what, said[max(0, at-200):at])
		}
	}
}

// A haystack is everything that came out of a process, piece by piece.
type haystack struct {
	mu     sync.Mutex
	pieces map[string][]byte
}

func (h *haystack) add(name string, b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pieces[name] = append(h.pieces[name], b...)
}

// TestCanaries gives the shipped binary a canary for every secret that it knows, logs at
// the lowest level, writes traces and an audit trail, and goes through what works and
// what fails. None of the canaries may be in what came out: logs, audit trail, traces,
// metrics, health, the OpenAPI document, answers, results of tools, or the arguments of
// the process; and no text of a message or an unverified body anywhere but in answers to
// an assistant.
func TestCanaries(t *testing.T) {
	t.Parallel()
	hay := &haystack{pieces: map[string][]byte{}}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		hay.add("traces", b)
	}))
	t.Cleanup(collector.Close)
	box := newWorkspace(t, sandbox.Options{})
	data := t.TempDir()
	audit := filepath.Join(data, "audit.log")
	env := append(box.env(), "LOG_LEVEL=debug", "LOG_FORMAT=json", "AUDIT_LOG="+audit, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_BSP_SCHEDULE_DELAY=100")
	secrets := map[string]string{}
	for _, s := range config.Settings() {
		if !s.Secret() || slices.Contains(notInUse, s.Key) {
			continue
		}
		switch s.Key {
		case "SLACK_SIGNING_SECRET":
			secrets[s.Key] = signingSecret
		case "SLACK_BOT_TOKEN":
			secrets[s.Key] = sandbox.DefaultBotToken
		case "MCP_AUTH_TOKEN":
			secrets[s.Key] = authToken
		case "MCP_TOKENS":
			secrets[s.Key] = "canary-named-token-0123456789"
			env = append(env, "MCP_TOKENS=alice:read:"+secrets[s.Key])
		case "OTEL_EXPORTER_OTLP_HEADERS":
			secrets[s.Key] = "canary-of-a-collector-0123456789"
			env = append(env, s.Key+"=authorization="+secrets[s.Key])
		default:
			secrets[s.Key] = "canary-" + strings.ToLower(s.Key) + "-0123456789"
			env = append(env, s.Key+"="+secrets[s.Key])
		}
	}
	p := start(t, options{args: []string{"--integrated"}, data: data, env: env})
	excite(t, p, hay)
	look(t, p, hay, audit)
	if len(hay.pieces["audit"]) == 0 || len(hay.pieces["traces"]) == 0 || len(hay.pieces["metrics"]) == 0 {
		t.Errorf("audit %d, traces %d, metrics %d bytes: the test looks at nothing", len(hay.pieces["audit"]), len(hay.pieces["traces"]), len(hay.pieces["metrics"]))
	}
	if !bytes.Contains(hay.pieces["assistant"], []byte(textCanary)) {
		t.Error("an assistant did not see the message: the test looks at nothing")
	}
	for name, b := range hay.pieces {
		for key, secret := range secrets {
			if at := bytes.Index(b, []byte(secret)); at >= 0 {
				t.Errorf("%s shows %s: ...%q", name, key, b[max(0, at-200):at])
			}
		}
		for _, text := range []string{bodyCanary, unverifiedCanary, textCanary} {
			if name == "assistant" && text == textCanary {
				continue // an assistant reads messages
			}
			if at := bytes.Index(b, []byte(text)); at >= 0 {
				t.Errorf("%s shows %s: ...%q", name, text, b[max(0, at-200):at])
			}
		}
	}
}

// notInUse are secrets that would change what the process does: other stores, other ways
// in.
var notInUse = []string{"REDIS_URL", "NATS_URL", "SLACK_APP_TOKEN", "SLACK_USER_TOKEN"}

const (
	textCanary       = "canary-of-a-text-91c2"
	unverifiedCanary = "canary-of-an-unverified-body-77ab"
)

// excite goes through what works and what fails.
func excite(t *testing.T, p *process, hay *haystack) {
	t.Helper()
	say := func(status int, answer string) { hay.add("answers", fmt.Appendf(nil, "%d %s\n", status, answer)) }
	say(p.post(message("EvCANARY1", "C1", textCanary)))
	say(p.post(message("EvCANARY1", "C1", textCanary)))
	say(p.post([]byte(`{"type":"url_verification","challenge":"fine","token":"` + bodyCanary + `"}`)))
	say(p.post([]byte(`{"broken":"` + bodyCanary)))
	say(p.postPayload([]byte(`{"type":"block_actions","token":"` + bodyCanary + `","response_url":"https://hooks.slack.invalid/` + bodyCanary + `","trigger_id":"` + bodyCanary + `","actions":[{"action_id":"a"}]}`)))
	forged := signed(t, p.url, "application/json", []byte(`{"text":"`+unverifiedCanary+`"}`))
	forged.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64))
	say(p.do(forged))
	for _, path := range []string{"/events/contact_created", "/events/payment_succeeded", "/webhooks", "/events/unregistered"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, strings.NewReader(`{"text":"`+unverifiedCanary+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+unverifiedCanary)
		req.Header.Set("X-Signature", unverifiedCanary)
		say(p.do(req))
	}
	for _, token := range []string{unverifiedCanary, "canary-named-token-0123456789"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slack_post_message","arguments":{"channel":"#general","text":"x"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		say(p.do(req))
	}
	s := connect(t, p)
	for _, call := range []struct {
		tool string
		args map[string]any
	}{
		{"slack_post_message", map[string]any{"channel": "#general", "text": textCanary}},
		{"slack_post_message", map[string]any{"channel": "#nowhere", "text": textCanary}},
		{"slack_list_events", map[string]any{"limit": 10}},
		{"slack_wait_for_event", map[string]any{"timeout_seconds": 1}},
		{"slack_read_channel_messages", map[string]any{"channel": "C0000000000"}},
		{"slack_add_reactions", map[string]any{"channel": "#general", "message_timestamp": "1.1", "emojis": []string{textCanary}}},
	} {
		raw, rpc := s.try("tools/call", map[string]any{"name": call.tool, "arguments": call.args})
		said, err := json.Marshal(rpc)
		if err != nil {
			t.Fatal(err)
		}
		hay.add("assistant", append(raw, said...))
	}
	hay.add("assistant", []byte(s.read("slack://events/EvCANARY1")))
}

// look gathers what came out.
func look(t *testing.T, p *process, hay *haystack, audit string) {
	t.Helper()
	for name, path := range map[string]string{"metrics": "/metrics", "health": "/health/detailed", "openapi": "/openapi.json", "docs": "/docs", "root": "/"} {
		_, body := p.get(path)
		hay.add(name, []byte(body))
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid)); err == nil {
		hay.add("arguments", line)
	}
	eventually(t, time.Minute, func() error {
		hay.mu.Lock()
		defer hay.mu.Unlock()
		if len(hay.pieces["traces"]) == 0 {
			return fmt.Errorf("no trace was exported")
		}
		return nil
	})
	p.stop()
	hay.add("logs", []byte(p.logs.String()))
	b, err := os.ReadFile(audit)
	if err != nil {
		t.Error(err)
	}
	hay.add("audit", b)
}
