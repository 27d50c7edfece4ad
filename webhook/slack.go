package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
)

// slackEndpoint serves Slack's requests: events, slash commands, interactions, and the two
// requests by which Slack checks an address.
func slackEndpoint(v *signature.Verifier) *endpoint {
	return &endpoint{
		source:       event.SourceSlack,
		verifier:     v,
		strictMedia:  true,
		probe:        isSSLCheck,
		decode:       decodeSlack,
		unauthorized: []byte(invalidSignature),
	}
}

func decodeSlack(v *delivery) (o Outcome, reason string) {
	enc := event.JSON
	// A form never begins with a brace; such a body is JSON with a wrong media type.
	if v.media == formMedia && !beginsObject(v.body) {
		enc = event.Form
	}
	env, err := event.DecodeSlack(v.body, enc)
	if err != nil {
		return v.illFormed(err)
	}
	switch {
	case enc == event.JSON && env.Type == "url_verification":
		return v.challenge(env.Challenge)
	case enc == event.Form && env.Kind.Type == event.Unknown && isProbe(v.body):
		return SSLCheck, ""
	}
	v.event = env.Event
	v.event.Retry = retryOf(v.header)
	// Slack shows the body of the answer to a slash command as a message, and reads that
	// of a view as an instruction; see Answers.
	v.interactive = enc == event.Form
	return "", ""
}

func beginsObject(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == '{'
}

// challenge answers the handshake by which Slack checks that the address is ours.
func (v *delivery) challenge(text string) (o Outcome, reason string) {
	if text == "" {
		v.reply = problem("ill-formed body", "url_verification without a challenge")
		return IllFormed, "challenge"
	}
	b, err := json.Marshal(struct {
		Challenge string `json:"challenge"`
	}{text})
	if err != nil {
		return IllFormed, "challenge" // A string can always be written.
	}
	v.reply = b
	return Challenge, ""
}

// maxProbe is the longest body in which an unsigned ssl_check is looked for.
const maxProbe = 1 << 10

// isSSLCheck reports whether a request without any signature is Slack's ssl_check=1.
// Nothing else of the body is used.
func isSSLCheck(r *http.Request) bool {
	m, compressed := mediaOf(r.Header)
	if !signature.NotSigned(r.Header) || m != formMedia || r.ContentLength > maxProbe || compressed {
		return false
	}
	var buf [maxProbe + 1]byte
	n, err := io.ReadFull(r.Body, buf[:])
	return err != nil && n <= maxProbe && isProbe(buf[:n])
}

// isProbe scans a form for the pair ssl_check=1.
func isProbe(form []byte) bool {
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		if string(bytes.TrimRight(pair, "\r\n")) == "ssl_check=1" {
			return true
		}
	}
	return false
}

// retryOf returns what Slack's headers say about a repeated delivery. The reason is one of a
// few words; any other text stays out of logs and stores.
func retryOf(h http.Header) event.Retry {
	num := h["X-Slack-Retry-Num"]
	if len(num) == 0 {
		return event.Retry{}
	}
	var retry event.Retry
	if s := num[0]; len(s) > 0 && len(s) <= 4 {
		for i := range len(s) {
			if s[i] < '0' || s[i] > '9' {
				return event.Retry{Reason: "unknown"}
			}
			retry.Num = retry.Num*10 + int(s[i]-'0')
		}
	}
	retry.Reason = "unknown"
	if reason := h["X-Slack-Retry-Reason"]; len(reason) > 0 {
		switch reason[0] {
		case "http_timeout", "too_many_redirects", "connection_failed", "ssl_error", "http_error", "unknown_error":
			retry.Reason = strings.Clone(reason[0]) // The other headers must not live as long as the event.
		}
	}
	return retry
}
