//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/test/internal/driver"
)

// makeRequests writes whole HTTP requests in advance, each a signed Slack message of
// about 1 KB with an id of its own, so that the client's work stays small.
func makeRequests(n int, host string) [][]byte {
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	run := rand.Text()[:8]
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 9)
	requests := make([][]byte, n)
	for i := range requests {
		body := fmt.Appendf(nil, `{"token":"z","team_id":"T0BENCH","context_team_id":"T0BENCH","api_app_id":"A0BENCH","event":{"client_msg_id":"%032d","type":"message","text":%q,"user":"U%07d","ts":"%s.%06d","blocks":[{"type":"rich_text","block_id":"b1","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"hello there, this is the same text once more"}]}]}],"team":"T0BENCH","channel":"C%03d","event_ts":"%s.%06d","channel_type":"channel"},"type":"event_callback","event_id":"Ev%s%07d","event_time":%s,"authorizations":[{"enterprise_id":null,"team_id":"T0BENCH","user_id":"U0BOT","is_bot":true,"is_enterprise_install":false}],"is_ext_shared_channel":false,"event_context":"4-bench"}`,
			i, text, i%500, ts, i, i%50, ts, i, run, i, ts)
		mac := hmac.New(sha256.New, []byte(driver.SigningSecret))
		fmt.Fprintf(mac, "v0:%s:%s", ts, body)
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST /slack/events HTTP/1.1\r\nHost: %s\r\nUser-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept: */*\r\nAccept-Encoding: gzip,deflate\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Slack-Request-Timestamp: %s\r\nX-Slack-Signature: v0=%s\r\n\r\n",
			host, len(body), ts, hex.EncodeToString(mac.Sum(nil)))
		b.Write(body)
		requests[i] = b.Bytes()
	}
	return requests
}

// blast sends the requests over conns connections and returns the latencies of the
// answers and the time of the whole. An answer that is not 200 ends the run.
func blast(ctx context.Context, addr string, requests [][]byte, conns int) ([]time.Duration, time.Duration, error) {
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		mu    sync.Mutex
		all   = make([]time.Duration, 0, len(requests))
		first error
	)
	begin := time.Now()
	for range conns {
		wg.Go(func() {
			lat, err := sendOn(ctx, addr, requests, &next)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, lat...)
			if err != nil && first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return all, time.Since(begin), first
}

func sendOn(ctx context.Context, addr string, requests [][]byte, next *atomic.Int64) ([]time.Duration, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	r := bufio.NewReader(c)
	var lat []time.Duration
	for {
		i := int(next.Add(1)) - 1
		if i >= len(requests) {
			return lat, nil
		}
		at := time.Now()
		if _, err := c.Write(requests[i]); err != nil {
			return lat, err
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return lat, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil {
			return lat, err
		}
		if res.StatusCode != http.StatusOK {
			return lat, fmt.Errorf("answer %s", res.Status)
		}
		lat = append(lat, time.Since(at))
	}
}

// percentile sorts d. It is 0 of nothing.
func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(float64(len(d))*p), len(d)-1)]
}

// serveBare is the floor on an address: it reads the body, checks the HMAC and answers.
func serveBare(ctx context.Context, addr string) error {
	srv := &http.Server{Addr: addr, Handler: http.HandlerFunc(bare), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	return srv.ListenAndServe()
}

func bare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(driver.SigningSecret))
	mac.Write([]byte("v0:"))
	mac.Write([]byte(r.Header.Get("X-Slack-Request-Timestamp")))
	mac.Write([]byte(":"))
	mac.Write(body)
	got, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Slack-Signature"), "v0="))
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}
