package sandbox_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// A receiver is an app's endpoint: it echoes challenges and answers events as the function says.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter, r *http.Request) // nil answers 200
}

type received struct {
	header http.Header
	body   []byte
}

func receive(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	rc := &receiver{answer: answer}
	rc.Server = httptest.NewServer(rc)
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var e struct{ Type, Challenge string }
	if json.Unmarshal(body, &e) == nil && e.Type == "url_verification" {
		_, _ = io.WriteString(w, e.Challenge)
		return
	}
	rc.mu.Lock()
	rc.got = append(rc.got, received{r.Header.Clone(), body})
	n := len(rc.got)
	rc.mu.Unlock()
	if rc.answer != nil {
		rc.answer(n, w, r)
	}
}

func (rc *receiver) all() []received {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return append([]received(nil), rc.got...)
}

// start makes a sandbox that delivers to a receiver until the test ends.
func start(t *testing.T, opt sandbox.Options, rc *receiver) *sandbox.Sandbox {
	t.Helper()
	if opt.AnswerWithin == 0 {
		opt.AnswerWithin = patient
	}
	sb, err := sandbox.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sb.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if rc != nil {
		if err := sb.SetRequestURL(t.Context(), rc.URL); err != nil {
			t.Fatal(err)
		}
	}
	return sb
}

func settle(t *testing.T, sb *sandbox.Sandbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := sb.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestDelivery(t *testing.T) {
	t.Parallel()

	t.Run("a message and a mention come signed in Slack's envelope", func(t *testing.T) {
		t.Parallel()
		rc := receive(t, nil)
		sb := start(t, sandbox.Options{}, rc)
		ts, err := sb.PostAs("alice", "#general", "hello <@"+sandbox.BotUser+">", sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		settle(t, sb)
		got := rc.all()
		if len(got) != 2 {
			t.Fatalf("%d deliveries, want a message and an app_mention", len(got))
		}
		kinds := map[string]bool{}
		for _, r := range got {
			stamp := r.header.Get("X-Slack-Request-Timestamp")
			mac := hmac.New(sha256.New, []byte(sandbox.DefaultSigningSecret))
			mac.Write([]byte("v0:" + stamp + ":" + string(r.body)))
			if want := "v0=" + hex.EncodeToString(mac.Sum(nil)); r.header.Get("X-Slack-Signature") != want {
				t.Errorf("signature %q, want %q", r.header.Get("X-Slack-Signature"), want)
			}
			var e struct {
				Type           string
				EventID        string `json:"event_id"`
				TeamID         string `json:"team_id"`
				Authorizations []struct {
					UserID string `json:"user_id"`
					IsBot  bool   `json:"is_bot"`
				}
				Event struct {
					Type, Text, TS, User, Channel string
					EventTS                       string `json:"event_ts"`
				}
			}
			if err := json.Unmarshal(r.body, &e); err != nil {
				t.Fatal(err)
			}
			kinds[e.Event.Type] = true
			if e.Type != "event_callback" || !strings.HasPrefix(e.EventID, "Ev") || e.TeamID != sandbox.Team ||
				len(e.Authorizations) != 1 || e.Authorizations[0].UserID != sandbox.BotUser || !e.Authorizations[0].IsBot ||
				e.Event.TS != ts || e.Event.EventTS != ts || e.Event.User != sandbox.Alice || e.Event.Channel != sandbox.General {
				t.Errorf("envelope %s", r.body)
			}
		}
		if !kinds["message"] || !kinds["app_mention"] {
			t.Errorf("kinds %v", kinds)
		}
	})

	t.Run("a failed delivery is repeated three times with the number and the reason", func(t *testing.T) {
		t.Parallel()
		rc := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		sb := start(t, sandbox.Options{Speed: 60_000}, rc)
		if _, err := sb.PostAs("bob", "#random", "anyone?", sandbox.Saying{}); err != nil {
			t.Fatal(err)
		}
		settle(t, sb)
		var nums, reasons []string
		for _, r := range rc.all() {
			nums = append(nums, r.header.Get("X-Slack-Retry-Num"))
			reasons = append(reasons, r.header.Get("X-Slack-Retry-Reason"))
		}
		if got := strings.Join(nums, ",") + " " + strings.Join(reasons, ","); got != ",1,2,3 ,http_error,http_error,http_error" {
			t.Errorf("retry numbers and reasons %q", got)
		}
		d := sb.Deliveries()
		if len(d) != 1 || d[0].State != sandbox.Failed || len(d[0].Attempts) != 4 || d[0].Attempts[3].Status != 503 {
			t.Errorf("log %+v", d)
		}
	})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
