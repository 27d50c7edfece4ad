package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// sign returns Slack's two headers for a body, by the lines of Slack's own page and
// not by our verifier.
func sign(secret string, at time.Time, body []byte) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:", timestamp)
	mac.Write(body)
	return timestamp, "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// signed builds a POST as Slack sends it.
func signed(t testing.TB, base, contentType string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/slack/events", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ts, sig := sign(signingSecret, time.Now(), body)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", sig)
	return req
}

// signedWith is signed for JSON and another secret.
func signedWith(t testing.TB, secret, base string, body []byte) *http.Request {
	t.Helper()
	req := signed(t, base, "application/json", body)
	ts, sig := sign(secret, time.Now(), body)
	req.Header.Set("X-Slack-Request-Timestamp", ts)
	req.Header.Set("X-Slack-Signature", sig)
	return req
}

// post sends a signed JSON body and returns status and answer.
func (p *process) post(body []byte) (int, string) {
	p.t.Helper()
	return p.do(signed(p.t, p.url, "application/json", body))
}

// postPayload sends an interaction as Slack does, in the payload field of a form.
func (p *process) postPayload(payload []byte) (int, string) {
	p.t.Helper()
	form := url.Values{"payload": {string(payload)}}.Encode()
	return p.do(signed(p.t, p.url, "application/x-www-form-urlencoded", []byte(form)))
}

func (p *process) do(req *http.Request) (int, string) {
	p.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// message is an event as Slack sends one, with an id of the test's choosing.
func message(id, channel, text string) []byte {
	now := time.Now().Unix()
	return fmt.Appendf(nil, `{"token":"`+bodyCanary+`","team_id":"T1","api_app_id":"A1","event":{"type":"message","channel":%q,"channel_type":"channel","user":"U1","text":%q,"ts":"%d.000100","event_ts":"%d.000100"},"type":"event_callback","event_id":%q,"event_time":%d}`,
		channel, text, now, now, id, now)
}

// hexHMAC is the HMAC-SHA256 of a body in hexadecimal, as X-Signature has it.
func hexHMAC(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
