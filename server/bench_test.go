package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/server"
)

// BenchmarkReceive is what an event costs from the router to the answer, with every
// middleware, the log line and the metrics, but for the connection and the disk: signed
// messages of 1 KB on the memory queue. Its allocations are what to watch; CPU of the
// whole process is what `make bench` measures.
func BenchmarkReceive(b *testing.B) {
	vars := map[string]string{
		"SLACK_SIGNING_SECRET": secret, "DATA_DIR": b.TempDir(), "QUEUE_BACKEND_TYPE": "memory",
	}
	cfg, err := config.Load(config.Sources{LookupEnv: func(k string) (string, bool) { v, ok := vars[k]; return v, ok }})
	if err != nil {
		b.Fatal(err)
	}
	log := config.NewLogger(cfg, io.Discard, false)
	s, err := server.New(b.Context(), server.Options{Config: cfg, Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	err = s.RunHandler(b.Context(), func(_ context.Context, h http.Handler) error {
		deliver(b, h)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// deliver sends b.N messages of different ids, made a batch at a time outside of what is
// measured.
func deliver(b *testing.B, h http.Handler) {
	const batch = 2000
	w := &discarded{header: http.Header{}}
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		b.StopTimer()
		requests := make([]*http.Request, min(batch, b.N-n))
		for i := range requests {
			requests[i] = message(b, n+i)
		}
		b.StartTimer()
		for _, r := range requests {
			clear(w.header)
			w.status = 0
			h.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Fatalf("answered %d", w.status)
			}
		}
	}
}

// message is a signed delivery of a message of about 1 KB.
func message(b *testing.B, n int) *http.Request {
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	body := fmt.Appendf(nil, `{"token":"z","team_id":"T0BENCH","api_app_id":"A0BENCH","event":{"type":"message","text":%q,"user":"U%07d","ts":"%s.%06d","channel":"C%03d","event_ts":"%s.%06d","channel_type":"channel","blocks":[{"type":"rich_text","elements":[{"type":"text","text":"hello there, the same text once more"}]}]},"type":"event_callback","event_id":"EvBENCH%07d","event_time":%s,"authorizations":[{"team_id":"T0BENCH","user_id":"U0BOT","is_bot":true}]}`,
		bytes.Repeat([]byte("the quick brown fox "), 22), n%500, ts, n%1_000_000, n%50, ts, n%1_000_000, n, ts)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", ts, body)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/slack/events", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Slack-Request-Timestamp", ts)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

// discarded is an answer that nobody reads.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }
