package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/webhook"
)

// BenchmarkReceive compares the receiver on a memory queue with a handler that does
// the least there is: read, check the HMAC, answer. Both are called directly, so that
// the difference is not lost in the cost of a connection; BenchmarkReceiveTCP has it.
func BenchmarkReceive(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchDirect(b, http.HandlerFunc(bare)) })
	b.Run("receiver", func(b *testing.B) { benchDirect(b, benchReceiver(b)) })
}

// BenchmarkReceiveTCP is the same over connections of its own, in parallel.
func BenchmarkReceiveTCP(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchTCP(b, http.HandlerFunc(bare)) })
	b.Run("receiver", func(b *testing.B) { benchTCP(b, benchReceiver(b)) })
}

// bare is the floor.
func bare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("v0:" + r.Header.Get("X-Slack-Request-Timestamp") + ":"))
	m.Write(body)
	got, err := hex.DecodeString(r.Header.Get("X-Slack-Signature")[3:])
	if err != nil || !hmac.Equal(m.Sum(nil), got) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"ok"}`)
}

func benchReceiver(b *testing.B) http.Handler {
	q, err := memory.New(memory.Options{RetentionCount: 10_000})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = q.Close() })
	rc, err := webhook.New(webhook.Options{Publisher: q, SlackSecrets: []string{secret}, Tolerance: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	return rc
}

// numbered returns the fixture with an id that is overwritten for each request.
func numbered(b *testing.B) (body []byte, at int) {
	body = bytes.Replace(fixture(b, "message.channels"), []byte("Ev0MSGCHAN"), []byte("Ev0000000000"), 1)
	return body, bytes.Index(body, []byte("Ev0000000000"))
}

// A sink is a response that is not read.
type sink struct {
	h      http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

func benchDirect(b *testing.B, h http.Handler) {
	body, at := numbered(b)
	req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, webhook.SlackPath, nil)
	req.Header.Set("Content-Type", "application/json")
	reader := bytes.NewReader(body)
	req.Body, req.ContentLength = io.NopCloser(reader), int64(len(body))
	w := &sink{h: http.Header{}}
	// The same signed bytes every time; the id alone is changed where a store looks, by
	// signing anew outside of what is measured.
	n := 0
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		copy(body[at:], fmt.Sprintf("Ev%010d", n))
		n++
		signed(secret, time.Now(), body)(req)
		reader.Reset(body)
		clear(w.h)
		w.status = http.StatusOK
		b.StartTimer()
		h.ServeHTTP(w, req)
		if w.status != http.StatusOK {
			b.Fatalf("answered %d", w.status)
		}
	}
}

func benchTCP(b *testing.B, h http.Handler) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { _ = srv.Close() })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	url := "http://" + l.Addr().String() + webhook.SlackPath
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		body, at := numbered(b)
		id := time.Now().UnixNano()
		for pb.Next() {
			id++
			copy(body[at:], fmt.Sprintf("Ev%010d", id%10_000_000_000))
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			signed(secret, time.Now(), body)(req)
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Errorf("answered %d", resp.StatusCode)
			}
		}
	})
}
