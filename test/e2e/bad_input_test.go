package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestBadInput sends what Slack never sends, and what senders get wrong: each has its
// status, and nothing of it is stored.
func TestBadInput(t *testing.T) {
	p := integrated(t, options{env: []string{"MAX_BODY_BYTES=65536"}})
	good := message("EvBAD", "C1", "hello")
	now := time.Now()
	// build makes a well-formed request that the cases then spoil.
	build := func(body []byte, at time.Time) *http.Request {
		ts, sig := sign(signingSecret, at, body)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/slack/events", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Slack-Request-Timestamp", ts)
		req.Header.Set("X-Slack-Signature", sig)
		return req
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	drop := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Del(name) }
	}
	chunked := func(r *http.Request) {
		r.ContentLength = -1
		r.Body = io.NopCloser(struct{ io.Reader }{r.Body})
	}
	_, wrongSecret := sign("another-secret", now, good)
	_, right := sign(signingSecret, now, good)
	cases := []struct {
		name  string
		body  []byte
		at    time.Time
		spoil func(*http.Request)
		want  int
	}{
		{"wrong secret", good, now, header("X-Slack-Signature", wrongSecret), 401},
		{"no signature", good, now, drop("X-Slack-Signature"), 401},
		{"no timestamp", good, now, drop("X-Slack-Request-Timestamp"), 401},
		{"truncated signature", good, now, header("X-Slack-Signature", right[:40]), 401},
		{"long signature", good, now, header("X-Slack-Signature", right+"00"), 401},
		{"signature without v0", good, now, header("X-Slack-Signature", strings.TrimPrefix(right, "v0=")), 401},
		{"upper-case prefix", good, now, header("X-Slack-Signature", "V0="+strings.TrimPrefix(right, "v0=")), 401},
		{"signature that is not hex", good, now, header("X-Slack-Signature", "v0="+strings.Repeat("zz", 32)), 401},
		{"two signatures", good, now, func(r *http.Request) { r.Header.Add("X-Slack-Signature", right) }, 401},
		{"stale", good, now.Add(-310 * time.Second), nil, 401},
		{"from the future", good, now.Add(310 * time.Second), nil, 401},
		{"overflowing timestamp", good, now, header("X-Slack-Request-Timestamp", "9223372036854775808"), 401},
		{"largest timestamp", good, now, header("X-Slack-Request-Timestamp", "9223372036854775807"), 401},
		{"negative timestamp", good, now, header("X-Slack-Request-Timestamp", "-"+strconv.FormatInt(now.Unix(), 10)), 401},
		{"timestamp in words", good, now, header("X-Slack-Request-Timestamp", "now"), 401},
		{"another body than was signed", good, now, func(r *http.Request) {
			other := bytes.Replace(good, []byte("hello"), []byte("hullo"), 1)
			r.Body = io.NopCloser(bytes.NewReader(other))
		}, 401},
		{"empty", nil, now, nil, 400},
		{"not JSON", []byte(`{"event_id":"EvBAD",`), now, nil, 400},
		{"not UTF-8", []byte("{\"event_id\":\"EvBAD\",\"a\":\"\xff\"}"), now, nil, 400},
		{"an array", []byte(`[{"event_id":"EvBAD"}]`), now, nil, 400},
		{"a string", []byte(`"EvBAD"`), now, nil, 400},
		{"null", []byte(`null`), now, nil, 400},
		{"two objects", []byte(`{"event_id":"EvBAD"}{}`), now, nil, 400},
		{"10,001 deep", []byte(`{"event_id":"EvBAD","a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`), now, nil, 400},
		{"too large", message("EvBAD", "C1", strings.Repeat("x", 70_000)), now, nil, 413},
		{"too large, chunked", message("EvBAD", "C1", strings.Repeat("x", 70_000)), now, chunked, 413},
		{"text", good, now, header("Content-Type", "text/plain"), 415},
		{"no media type", good, now, drop("Content-Type"), 415},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			req := build(tc.body, tc.at)
			if tc.spoil != nil {
				tc.spoil(req)
			}
			status, answer := p.do(req)
			if status != tc.want {
				t.Errorf("status %d, want %d: %s", status, tc.want, answer)
			}
			if !strings.HasPrefix(answer, `{"error":"`) {
				t.Errorf("answer %s, want our one shape of an error", answer)
			}
			if strings.Contains(answer, right[3:]) {
				t.Errorf("the answer contains the valid signature")
			}
		})
	}
	t.Run("parameters of the media type are ignored", func(t *testing.T) {
		req := build([]byte(`{"type":"event_callback","event_id":"EvGOOD"}`), now)
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		if status, answer := p.do(req); status != 200 {
			t.Errorf("status %d, want 200: %s", status, answer)
		}
	})
	t.Run("an upper-case signature is the same signature", func(t *testing.T) {
		body := []byte(`{"type":"event_callback","event_id":"EvGOOD"}`)
		req := build(body, now)
		sig := req.Header.Get("X-Slack-Signature")
		req.Header.Set("X-Slack-Signature", "v0="+strings.ToUpper(sig[3:]))
		if status, answer := p.do(req); status != 200 {
			t.Errorf("status %d, want 200: %s", status, answer)
		}
	})
	t.Run("an empty object is stored", func(t *testing.T) {
		if status, answer := p.post([]byte(`{}`)); status != 200 {
			t.Errorf("status %d, want 200: %s", status, answer)
		}
	})
	t.Run("other verbs are refused", func(t *testing.T) {
		if status, _ := p.get("/slack/events"); status != 405 {
			t.Errorf("GET: status %d, want 405", status)
		}
	})
	ids := listEventIDs(t, p)
	if len(ids) != 2 {
		t.Errorf("stored %v, want EvGOOD and the empty object alone", ids)
	}
}
