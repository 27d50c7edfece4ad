package sender_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/sender"
	"slackmcp/webhook/signature"
)

const secret = "s3cret"

// A seen request is what the receiver of a test got.
type seen struct {
	header http.Header
	body   string
}

// receiver answers every post with a status and keeps what it got.
func receiver(t *testing.T, status int) (address string, got func() []seen) {
	t.Helper()
	all := make(chan seen, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		all <- seen{r.Header, string(body)}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []seen {
		s.Close()
		close(all)
		var list []seen
		for one := range all {
			list = append(list, one)
		}
		return list
	}
}

func hexMAC(text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestSchemes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		scheme signature.Scheme
		header string
		want   func(seen) string
	}{
		{"slack", signature.SlackV0, "X-Slack-Signature", func(s seen) string {
			return "v0=" + hexMAC("v0:"+s.header.Get("X-Slack-Request-Timestamp")+":"+s.body)
		}},
		{"hex", signature.HexHeader(""), "X-Signature", func(s seen) string { return hexMAC(s.body) }},
		{"bearer", signature.Bearer, "Authorization", func(s seen) string { return "Bearer " + hexMAC(s.body) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			address, got := receiver(t, http.StatusOK)
			s, err := sender.New(sender.Options{URL: address, Scheme: tc.scheme, Secret: secret})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := s.Send(t.Context(), []byte(`{"a":1}`), 0)
			if err != nil || !answer.Accepted() || string(answer.Body) != "{\"status\":\"ok\"}\n" {
				t.Fatalf("answer %+v, %v", answer, err)
			}
			one := got()[0]
			if one.body != `{"a":1}` || one.header.Get("Content-Type") != "application/json" {
				t.Errorf("got %+v", one)
			}
			if signature := one.header.Get(tc.header); signature != tc.want(one) {
				t.Errorf("%s: %q, want %q", tc.header, signature, tc.want(one))
			}
			if one.header.Get("X-Slack-Retry-Num") != "" {
				t.Errorf("the first delivery says it is a retry: %v", one.header)
			}
		})
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	address, got := receiver(t, http.StatusOK)
	s, err := sender.New(sender.Options{URL: address, Secret: secret, Form: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), []byte(`{"type":"block_actions"}`), 0); err != nil {
		t.Fatal(err)
	}
	one := got()[0]
	form, err := url.ParseQuery(one.body)
	if err != nil || form.Get("payload") != `{"type":"block_actions"}` || one.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("got %+v, %v", one, err)
	}
	if want := "v0=" + hexMAC("v0:"+one.header.Get("X-Slack-Request-Timestamp")+":"+one.body); one.header.Get("X-Slack-Signature") != want {
		t.Error("the signature is not that of the form")
	}
}

func TestRedirectIsNoSuccess(t *testing.T) {
	t.Parallel()
	address, got := receiver(t, http.StatusTemporaryRedirect)
	s, err := sender.New(sender.Options{URL: address, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Send(t.Context(), nil, 0)
	if err != nil || answer.Accepted() || len(got()) != 1 {
		t.Errorf("answer %+v, %v", answer, err)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, o := range []sender.Options{{URL: "http://h"}, {Secret: secret}} {
		if _, err := sender.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	address, got := receiver(t, http.StatusOK)
	s, err := sender.New(sender.Options{URL: address, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	b := sender.Batch{Sender: s, Message: sender.Message{Type: "message", Text: "x", Channel: "C1"}, Count: 2, Repeat: 3, JSON: true}
	if err := b.Send(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for _, one := range got() {
		var envelope struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal([]byte(one.body), &envelope); err != nil {
			t.Fatal(err)
		}
		want := ""
		if n := ids[envelope.ID]; n > 0 {
			want = fmt.Sprint(n)
		}
		if got := one.header.Get("X-Slack-Retry-Num"); got != want {
			t.Errorf("retry number %q, want %q", got, want)
		}
		ids[envelope.ID]++
	}
	if len(ids) != 2 {
		t.Errorf("ids and how often they came: %v, want two, thrice", ids)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var first struct {
		ID     string `json:"event_id"`
		Status int    `json:"status"`
		Body   string `json:"body"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.Status != 200 || first.Body != `{"status":"ok"}` || ids[first.ID] != 3 || len(lines) != 6 {
		t.Errorf("output %s, %v", out.String(), err)
	}
}

func TestBatchFails(t *testing.T) {
	t.Parallel()
	t.Run("when the server refuses", func(t *testing.T) {
		t.Parallel()
		address, _ := receiver(t, http.StatusUnauthorized)
		s, err := sender.New(sender.Options{URL: address, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = sender.Batch{Sender: s, Payload: []byte(`{"event_id":"Ev1"}`), Count: 1, Repeat: 2}.Send(t.Context(), &out)
		if err == nil || err.Error() != "the server refused 2 of 2" {
			t.Errorf("error %v", err)
		}
		if want := "401 {\"status\":\"ok\"} Ev1\n"; out.String() != want+want {
			t.Errorf("output %q", out.String())
		}
	})
	t.Run("when nobody answers", func(t *testing.T) {
		t.Parallel()
		s, err := sender.New(sender.Options{URL: "http://127.0.0.1:1", Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		err = sender.Batch{Sender: s, Payload: []byte(`no json`), Count: 1, Repeat: 2}.Send(t.Context(), io.Discard)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
	})
}

func TestPayload(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 123456000)
	for _, tc := range []struct{ name, kind, want string }{
		{"a message", "message", `{"channel":"C1","channel_type":"channel","event_ts":"1700000000.123456","text":"hi","ts":"1700000000.123456","type":"message","user":"U1"}`},
		{"a subtype", "message/bot_message", `{"channel":"C1","channel_type":"channel","event_ts":"1700000000.123456","subtype":"bot_message","text":"hi","ts":"1700000000.123456","type":"message","user":"U1"}`},
		{"a mention", "app_mention", `{"channel":"C1","event_ts":"1700000000.123456","text":"hi","ts":"1700000000.123456","type":"app_mention","user":"U1"}`},
		{"a reaction", "reaction_added", `{"event_ts":"1700000000.123456","item":{"channel":"C1","ts":"1700000000.123456","type":"message"},"reaction":"hi","type":"reaction_added","user":"U1"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			body, id, err := sender.Message{Type: tc.kind, Text: "hi", Channel: "C1", User: "U1", Team: "T1"}.Payload(at)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"token":"sent-by-hand","team_id":"T1","api_app_id":"A0SENDER00","event":` + tc.want + `,"type":"event_callback","event_id":"` + id + `","event_time":1700000000}`
			if string(body) != want || !strings.HasPrefix(id, "Ev") {
				t.Errorf("got  %s\nwant %s", body, want)
			}
		})
	}
	t.Run("the challenge", func(t *testing.T) {
		t.Parallel()
		body, id, err := sender.Message{Type: "url_verification"}.Payload(at)
		if err != nil || id != "" || !strings.Contains(string(body), `"challenge":"`) {
			t.Errorf("got %s, %q, %v", body, id, err)
		}
	})
	t.Run("conversations by their letter", func(t *testing.T) {
		t.Parallel()
		for channel, want := range map[string]string{"C1": "channel", "D1": "im", "G1": "group"} {
			body, _, err := sender.Message{Type: "message", Channel: channel}.Payload(at)
			if err != nil || !strings.Contains(string(body), `"channel_type":"`+want+`"`) {
				t.Errorf("%s: %s, %v", channel, body, err)
			}
		}
	})
}
