package delivery_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/internal/egress"
	"slackmcp/webhook/signature"
)

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	older  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// receiver answers with the status that stands in the path.
func receiver(t *testing.T, seen func(*http.Request, []byte)) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if seen != nil {
			seen(r, body)
		}
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		w.Header().Set("Retry-After", "90")
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "secret words")
	}))
	t.Cleanup(srv.Close)
	return srv
}

func client(t *testing.T, o egress.Options) *egress.Client {
	t.Helper()
	o.Timeout = 5 * time.Second
	c, err := egress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func message(url string) delivery.Message {
	return delivery.Message{URL: url, Header: http.Header{"X-Team": {"red"}}, ID: "msg_1", Secrets: []string{secret, older}, Body: []byte("body")}
}

func TestStatusesAreJudged(t *testing.T) {
	srv := receiver(t, nil)
	c := client(t, egress.Options{Hosts: []string{"127.0.0.1"}})
	for _, tc := range []struct {
		status              int
		busyFinal, untilEnd bool // whether RetryBusy and RetryUntilGone are final
		reason              string
	}{
		{200, false, false, ""},
		{204, false, false, ""},
		{302, true, false, "http_4xx"},
		{400, true, false, "http_4xx"},
		{401, true, false, "http_4xx"},
		{404, true, false, "http_4xx"},
		{408, false, false, "http_4xx"},
		{410, true, true, "http_4xx"},
		{413, true, true, "http_4xx"},
		{425, false, false, "http_4xx"},
		{429, false, false, "http_4xx"},
		{500, false, false, "http_5xx"},
		{503, false, false, "http_5xx"},
		{599, false, false, "http_5xx"},
	} {
		for policy, final := range map[delivery.Policy]bool{delivery.RetryBusy: tc.busyFinal, delivery.RetryUntilGone: tc.untilEnd} {
			o := delivery.Attempt(t.Context(), c, message(srv.URL+"/"+strconv.Itoa(tc.status)), policy, time.Now())
			if accepted := tc.status < 300; (o.Err == nil) != accepted || o.Final != final || o.Reason() != tc.reason || !o.Answered() {
				t.Errorf("%d, policy %d: %+v, reason %q", tc.status, policy, o, o.Reason())
			}
			if o.Err == nil {
				continue
			}
			if want := fmt.Sprintf("the receiver answered %d %s", tc.status, http.StatusText(tc.status)); o.Err.Error() != want {
				t.Errorf("%d: the error is %q, want %q", tc.status, o.Err, want)
			}
			if o.Pause != 90*time.Second {
				t.Errorf("%d: a pause of %s", tc.status, o.Pause)
			}
		}
	}
}

// TestAMessageIsSigned has the receiver verify it, with each of the secrets.
func TestAMessageIsSigned(t *testing.T) {
	now := time.Now()
	calls := 0
	srv := receiver(t, func(r *http.Request, body []byte) {
		calls++
		for _, s := range []string{secret, older} {
			v, err := signature.New(signature.Options{Scheme: signature.StandardWebhooks, Secrets: []string{s}})
			if err != nil {
				t.Error(err)
				return
			}
			claim, err := v.Open(r, now)
			if err == nil {
				_, err = v.Verify(&claim, body)
			}
			if err != nil || claim.ID != "msg_1" || r.Header.Get("X-Team") != "red" || r.Method != http.MethodPost {
				t.Errorf("the receiver got %s %v: %v", r.Method, r.Header, err)
			}
		}
	})
	o := delivery.Attempt(t.Context(), client(t, egress.Options{Hosts: []string{"127.0.0.1"}}), message(srv.URL+"/200"), delivery.RetryBusy, now)
	if o.Err != nil || string(o.Body) != "secret words" || calls != 1 {
		t.Errorf("%d calls, %+v", calls, o)
	}
	bad := message(srv.URL + "/200")
	bad.Secrets = []string{"not a secret of that kind"}
	o = delivery.Attempt(t.Context(), client(t, egress.Options{Hosts: []string{"127.0.0.1"}}), bad, delivery.RetryBusy, now)
	if o.Err == nil || !o.Final || calls != 1 || strings.Contains(o.Err.Error(), "not a secret") {
		t.Errorf("with a secret that cannot sign: %d calls, %+v", calls, o)
	}
}

// TestFailuresWithoutAnAnswer names each kind, and no part of the URL but the host.
func TestFailuresWithoutAnAnswer(t *testing.T) {
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tlsServer.Close)
	plain := receiver(t, nil)
	end := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(end) })
	open := client(t, egress.Options{Hosts: []string{"127.0.0.1"}})
	for _, tc := range []struct {
		url    string
		c      delivery.Client
		reason string
		final  bool // by RetryBusy
	}{
		{tlsServer.URL + "/path?secret", open, delivery.TLSError, false},
		{strings.Replace(plain.URL, "http:", "https:", 1) + "/path?secret", open, delivery.ConnectionRefused, false},
		{"http://127.0.0.1:1/path?secret", open, delivery.ConnectionRefused, false},
		{slow.URL + "/path?secret", open, delivery.TimedOut, false},
		{"https://127.0.0.1:1/path?secret", client(t, egress.Options{}), delivery.ConnectionRefused, true},
		{"https://x/path?secret", failing{&tls.CertificateVerificationError{Err: errors.New("expired")}}, delivery.TLSError, false},
	} {
		for _, policy := range []delivery.Policy{delivery.RetryBusy, delivery.RetryUntilGone} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			o := delivery.Attempt(ctx, tc.c, message(tc.url), policy, time.Now())
			cancel()
			if o.Err == nil || o.Reason() != tc.reason || o.Answered() || o.Pause != 0 || o.Final != (tc.final && policy == delivery.RetryBusy) {
				t.Errorf("%s, policy %d: %+v, reason %q, want %q", tc.url, policy, o, o.Reason(), tc.reason)
			} else if strings.Contains(o.Err.Error(), "path") || strings.Contains(o.Err.Error(), "secret") {
				t.Errorf("%s: the error shows the URL: %v", tc.url, o.Err)
			}
		}
	}
}

// A failing client answers every post with an error.
type failing struct{ err error }

func (failing) Check(string) error { return nil }

func (f failing) Send(context.Context, string, string, http.Header, []byte) (egress.Reply, error) {
	return egress.Reply{}, f.err
}
