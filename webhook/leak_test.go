package webhook_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// TestNothingLeaks sends canaries through good and bad paths and looks for them in the
// log and in the answers.
func TestNothingLeaks(t *testing.T) {
	const canary = "canary4711"
	store := storeFunc(func(context.Context, event.Event) (queue.Receipt, error) {
		return queue.Receipt{}, queue.ErrFull
	})
	var log syncBuffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secretCanary := "secret-" + canary
	broken := newRig(t, func(o *webhook.Options) {
		o.Publisher, o.Logger, o.SlackSecrets, o.PublishTries = store, logger, []string{secretCanary}, 1
		o.ReceiptSecrets = []string{secretCanary}
	})
	whole := newRig(t, func(o *webhook.Options) {
		o.Logger, o.SlackSecrets, o.ReceiptSecrets = logger, []string{secretCanary}, []string{secretCanary}
	})
	event := []byte(`{"type":"event_callback","token":"` + canary + `","event_id":"Ev1","event":{"type":"message","text":"` + canary + `","bot_access_token":"` + canary + `"}}`)
	form := []byte("command=%2Fgo&text=" + canary + "&response_url=" + canary + "&trigger_id=" + canary + "&token=" + canary)
	receipt := []byte(`{"id":"m1","status":"` + canary + `"}`)
	unsigned := []byte(`{"type":"` + canary + `","event_id":"` + canary + `"}`)
	for _, r := range []*rig{broken, whole} {
		var answers []answer
		for _, body := range [][]byte{event, []byte(`{"` + canary), []byte(`["` + canary + `"]`)} {
			answers = append(answers, r.slack(body, signed(secretCanary, time.Now(), body)))
		}
		answers = append(answers,
			r.slack(form, signed(secretCanary, time.Now(), form), asForm),
			r.slack(unsigned, signed("wrong", time.Now(), unsigned)),
			r.slack(unsigned, with("X-Slack-Signature", "v0="+canary)),
			r.slack(unsigned, without("X-Slack-Signature"), with("X-Slack-Request-Timestamp", canary)),
			r.slack(unsigned, signed(secretCanary, time.Now(), unsigned), with("Content-Type", canary)),
			r.slack(event, signed(secretCanary, time.Now(), event), with("X-Slack-Retry-Num", "1"), with("X-Slack-Retry-Reason", canary)),
			r.post("/webhooks", receipt, with("Authorization", "Bearer "+hexMAC(secretCanary, string(receipt)))),
			r.post("/webhooks", receipt, with("Authorization", "Bearer "+canary)),
			r.post("/"+canary, unsigned, with("User-Agent", canary)),
			r.slack(unsigned, method(http.MethodGet)),
		)
		for i, a := range answers {
			if strings.Contains(a.body, canary) || strings.Contains(strings.ToLower(a.body), hexMAC(secretCanary, string(event))) {
				t.Errorf("answer %d holds the canary: %d %s", i, a.status, a.body)
			}
		}
		r.observed(len(answers))
		r.srv.Close()
	}
	if strings.Contains(log.String(), canary) {
		t.Errorf("the log holds the canary:\n%s", log.String())
	}
	if n := strings.Count(log.String(), "\n"); n < 20 {
		t.Errorf("the log has %d lines: nothing was looked at", n)
	}
}

// A syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestLogLines(t *testing.T) {
	var log syncBuffer
	r := newRig(t, func(o *webhook.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	r.slack(fixture(t, "message.groups"), with("X-Slack-Retry-Num", "2"), with("X-Slack-Retry-Reason", "http_timeout"))
	r.slack([]byte(`{}`), signed("wrong", time.Now(), []byte(`{}`)))
	r.slack([]byte(`{}`), signed(secret, time.Now().Add(-time.Hour), []byte(`{}`)))
	r.post(webhook.SlackPath, []byte("ssl_check=1"), asForm)
	r.srv.Close()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("logged %d lines, want one a request and none for ssl_check:\n%s", len(lines), log.String())
	}
	for i, want := range [][]string{
		{"level=INFO", "outcome=accepted", "status=200", "source=slack", "event_id=Ev0MSGGROU", "kind=message", "team=T0SEEDS01", "channel=G0PRIVATE", "retry_num=2", "retry_reason=http_timeout"},
		{"level=WARN", "outcome=bad_signature", "reason=mismatch", "status=401"},
		{"level=WARN", "outcome=stale", "clock_skew_seconds=3600"},
	} {
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Errorf("line %d lacks %s: %s", i, w, lines[i])
			}
		}
	}
}
