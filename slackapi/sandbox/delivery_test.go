package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// fast is a clock on which Slack's minute is a millisecond.
const fast = 60_000

// patient is longer than any receiver of these tests needs, however busy the machine.
const patient = 30 * time.Second

func TestAnswersAreJudgedAsSlackJudgesThem(t *testing.T) {
	t.Parallel()
	status := func(code int) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	redirect := func(times int) func(int, http.ResponseWriter, *http.Request) {
		return func(n int, w http.ResponseWriter, _ *http.Request) {
			if n <= times {
				w.Header().Set("Location", "/again")
				w.WriteHeader(http.StatusFound)
			}
		}
	}
	for _, c := range []struct {
		name     string
		answer   func(int, http.ResponseWriter, *http.Request)
		state    sandbox.State
		attempts int
		reason   string // of the first attempt
	}{
		{"200", status(200), sandbox.Delivered, 1, ""},
		{"204", status(204), sandbox.Delivered, 1, ""},
		{"500", status(500), sandbox.Failed, 4, "http_error"},
		{"404", status(404), sandbox.Failed, 4, "http_error"},
		{"303 is no redirect that Slack follows", status(303), sandbox.Failed, 4, "http_error"},
		{"two redirects", redirect(2), sandbox.Delivered, 1, ""},
		{"three redirects", redirect(3), sandbox.Delivered, 2, "too_many_redirects"},
		{"no answer in time", func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, sandbox.Failed, 4, "http_timeout"},
		{"a broken connection", func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, sandbox.Failed, 4, "connection_failed"},
		{"500, and no more please", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Slack-No-Retry", "1")
			w.WriteHeader(500)
		}, sandbox.Failed, 1, "http_error"},
		{"200, and no more please, means nothing", func(_ int, w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Slack-No-Retry", "1") }, sandbox.Delivered, 1, ""},
		{"500 and then 200", func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				w.WriteHeader(500)
			}
		}, sandbox.Delivered, 2, "http_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rc := receive(t, c.answer)
			rc.Config.ErrorLog = log.New(io.Discard, "", 0)
			opt := sandbox.Options{Empty: true, Speed: fast}
			if c.reason == "http_timeout" {
				opt.AnswerWithin = 250 * time.Millisecond
			}
			sb := start(t, opt, rc)
			post(t, sb, "hello")
			settle(t, sb)
			d := sb.Deliveries()
			if len(d) != 1 || d[0].State != c.state || len(d[0].Attempts) != c.attempts || d[0].Attempts[0].Reason != c.reason {
				t.Errorf("deliveries %+v, want %s after %d attempts for %q", d, c.state, c.attempts, c.reason)
			}
			for i, r := range rc.all() {
				if string(r.body) != string(d[0].Body) {
					t.Errorf("attempt %d came with another body", i)
				}
			}
		})
	}
}

func TestReceiverThatDoesNotListen(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{Empty: true, Speed: fast}, rc)
	rc.Close()
	post(t, sb, "hello")
	settle(t, sb)
	if d := sb.Deliveries(); len(d) != 1 || d[0].State != sandbox.Failed || d[0].Attempts[3].Reason != "connection_failed" {
		t.Errorf("deliveries %+v", d)
	}
}

func TestReceiverWithAnUntrustedCertificate(t *testing.T) {
	t.Parallel()
	// The sandbox's own client does not know the certificate; it gets the URL with
	// a client that does.
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e struct{ Challenge string }
		_ = json.Unmarshal(body, &e)
		_, _ = io.WriteString(w, e.Challenge)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	trusting := server.Client()
	sb := start(t, sandbox.Options{Empty: true, Client: trusting}, nil)
	ok(t, sb.SetRequestURL(t.Context(), server.URL))
	err := start(t, sandbox.Options{Empty: true}, nil).SetRequestURL(t.Context(), server.URL)
	if err == nil || !contains(err.Error(), "ssl_error") {
		t.Errorf("handshake with an untrusted receiver: %v", err)
	}
}

func TestScheduleIsSlacks(t *testing.T) {
	t.Parallel()
	// At once, after one minute, after five, and then hourly for a day.
	rc := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	sb := start(t, sandbox.Options{Empty: true, Speed: 60_000 * 5, DelayedEvents: true}, rc)
	post(t, sb, "hello")
	settle(t, sb)
	d := sb.Deliveries()[0]
	if len(d.Attempts) != 28 {
		t.Fatalf("%d attempts, want the first, three repetitions and 24 hourly ones", len(d.Attempts))
	}
	minute := time.Minute / (60_000 * 5)
	for i, least := range []time.Duration{0, minute, 5 * minute, 60 * minute, 60 * minute} {
		if gap := d.Attempts[i+1].At.Sub(d.Attempts[i].At); gap < least {
			t.Errorf("attempt %d followed after %v, want at least %v", i+1, gap, least)
		}
		if d.Attempts[i+1].RetryNum != i+1 {
			t.Errorf("attempt %d has number %d", i+1, d.Attempts[i+1].RetryNum)
		}
	}
}

func TestEventsAreWithheldAboveTheHourlyLimit(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{Empty: true, HourlyLimit: 3}, rc)
	for i := range 6 {
		post(t, sb, strconv.Itoa(i))
	}
	settle(t, sb)
	messages, limited := 0, 0
	for _, r := range rc.all() {
		var e struct {
			Type   string
			TeamID string `json:"team_id"`
			Minute int64  `json:"minute_rate_limited"`
			Event  any
		}
		ok(t, json.Unmarshal(r.body, &e))
		switch e.Type {
		case "event_callback":
			messages++
		case "app_rate_limited":
			limited++
			if e.TeamID != sandbox.Team || e.Minute%60 != 0 || e.Event != nil {
				t.Errorf("callback %s", r.body)
			}
		}
	}
	// The six posts may straddle two minutes.
	if messages != 3 || limited < 1 || limited > 2 {
		t.Errorf("%d events and %d callbacks, want 3 and 1", messages, limited)
	}
	withheld := 0
	for _, d := range sb.Deliveries() {
		if d.State == sandbox.Withheld {
			withheld++
		}
	}
	if withheld != 3 {
		t.Errorf("%d withheld, want 3", withheld)
	}
}

func TestAppThatFailsTooOftenIsDisabled(t *testing.T) {
	t.Parallel()
	healthy := false
	rc := receive(t, nil)
	rc.answer = func(_ int, w http.ResponseWriter, _ *http.Request) {
		if !healthy {
			w.Header().Set("X-Slack-No-Retry", "1")
			w.WriteHeader(500)
		}
	}
	sb := start(t, sandbox.Options{Empty: true}, rc)
	for range 1000 {
		post(t, sb, "x")
	}
	settle(t, sb)
	if !sb.Disabled() {
		t.Fatalf("not disabled after %d failures", len(rc.all()))
	}
	before := len(rc.all())
	post(t, sb, "this is not delivered")
	settle(t, sb)
	if n := len(rc.all()); n != before {
		t.Errorf("%d deliveries while disabled", n-before)
	}
	rc.mu.Lock()
	healthy = true
	rc.mu.Unlock()
	ok(t, sb.SetRequestURL(t.Context(), rc.URL))
	post(t, sb, "heard again")
	settle(t, sb)
	if d := sb.Deliveries(); sb.Disabled() || d[len(d)-1].State != sandbox.Delivered {
		t.Errorf("after the URL was set again: disabled %t, last %+v", sb.Disabled(), d[len(d)-1])
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, challenge string)
		want   string // a part of the error; empty is none
	}{
		"plain text": {func(w http.ResponseWriter, ch string) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, ch+"\n")
		}, ""},
		"JSON": {func(w http.ResponseWriter, ch string) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"challenge":"`+ch+`"}`)
		}, ""},
		"a form": {func(w http.ResponseWriter, ch string) {
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
			_, _ = io.WriteString(w, "challenge="+ch)
		}, ""},
		"another text": {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, "hello") }, "without the challenge"},
		"an error":     {func(w http.ResponseWriter, ch string) { w.WriteHeader(401); _, _ = io.WriteString(w, ch) }, "status 401"},
		"JSON called as text": {func(w http.ResponseWriter, ch string) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, `{"challenge":"`+ch+`"}`)
		}, "without the challenge"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var e struct{ Type, Challenge, Token string }
				body, _ := io.ReadAll(r.Body)
				if json.Unmarshal(body, &e) != nil || e.Type != "url_verification" || e.Token == "" || r.Header.Get("X-Slack-Signature") == "" {
					t.Errorf("handshake %s", body)
				}
				c.answer(w, e.Challenge)
			}))
			t.Cleanup(server.Close)
			sb, err := sandbox.New(sandbox.Options{})
			ok(t, err)
			err = sb.SetRequestURL(t.Context(), server.URL)
			if c.want == "" && (err != nil || sb.RequestURL() != server.URL) || c.want != "" && (err == nil || !contains(err.Error(), c.want) || sb.RequestURL() != "") {
				t.Errorf("SetRequestURL: %v, URL %q", err, sb.RequestURL())
			}
		})
	}
	sb, err := sandbox.New(sandbox.Options{})
	ok(t, err)
	if err := sb.SetRequestURL(t.Context(), "localhost:3000"); err == nil {
		t.Error("a URL without a scheme was taken")
	}
}

func TestRunStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	rc := receive(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	sb, err := sandbox.New(sandbox.Options{Empty: true})
	ok(t, err)
	ok(t, sb.SetRequestURL(t.Context(), rc.URL))
	post(t, sb, "hello")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sb.Run(ctx) }()
	<-entered
	stop()
	ok(t, <-done)
	if d := sb.Deliveries(); d[0].State != sandbox.Pending || len(d[0].Attempts) != 0 {
		t.Errorf("a delivery that was cut off by the stop: %+v", d[0])
	}
	settled, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := sb.Settle(settled); err == nil {
		t.Error("Settle with a pending delivery")
	}
}

func TestScheduledMessageComesAtItsTime(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{Empty: true}, rc)
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	at := time.Now().Add(1500 * time.Millisecond).Unix()
	got := call(t, server.URL, "chat.scheduleMessage", sandbox.DefaultBotToken, "channel="+sandbox.Random+"&text=due&post_at="+itoa(at))
	if got.str("error") != "" {
		t.Fatalf("scheduled %v", got)
	}
	deadline := time.Now().Add(15 * time.Second)
	for len(rc.all()) == 0 && time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		<-ctx.Done()
		cancel()
	}
	all := eventsOf(t, rc)
	if len(all) != 1 || all[0].str("event.text") != "due" || all[0].str("event.user") != sandbox.BotUser {
		t.Fatalf("events %v", all)
	}
	if ts := all[0].str("event.ts"); strings.Compare(ts, itoa(at)) < 0 {
		t.Errorf("posted at %s, before %d", ts, at)
	}
	if d := sb.Deliveries(); !slices.ContainsFunc(d, func(d sandbox.Delivery) bool { return d.Type == "message" }) {
		t.Errorf("deliveries %+v", d)
	}
}
