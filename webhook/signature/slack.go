package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// SlackV0 is how Slack signs: X-Slack-Signature is "v0=" and the HMAC of
// "v0:<timestamp>:<body>" in hexadecimal, X-Slack-Request-Timestamp the Unix time
// (docs.slack.dev/authentication/verifying-requests-from-slack).
//
// It accepts what Slack's SDKs accept: hexadecimal digits of either case. It is
// stricter in two ways that no genuine request meets: a header may not come twice,
// and a timestamp is digits only, without sign. It is the one scheme with lines of its own in
// place of a Recipe, because the road of Slack's events is the one that is used most.
var SlackV0 Scheme = slackV0{}

type slackV0 struct{}

// The headers, in the canonical form that http.Header keys have.
const (
	slackSignature = "X-Slack-Signature"
	slackTimestamp = "X-Slack-Request-Timestamp"
)

func (slackV0) Name() string { return "slack" }

func (slackV0) Headers() []string { return []string{slackSignature, slackTimestamp} }

func (slackV0) Timed() bool { return true }

func (slackV0) Key(secret string) (Key, error) {
	return slackKey{newMACs(sha256.New, []byte(secret))}, nil
}

func (slackV0) Claim(r *http.Request) (Claim, error) {
	sig, err := single(r.Header, slackSignature)
	if err != nil {
		return Claim{}, err
	}
	ts, err := single(r.Header, slackTimestamp)
	if err != nil {
		return Claim{}, err
	}
	at, err := unixTime(ts)
	if err != nil {
		return Claim{}, err
	}
	c := Claim{At: at, prefix: [3]string{"v0:", ts, ":"}}
	const version = "v0="
	if len(sig) != len(version)+hex.EncodedLen(sha256.Size) || sig[:len(version)] != version {
		return Claim{}, ErrMalformed
	}
	if _, err := hex.Decode(c.sum[:], []byte(sig[len(version):])); err != nil {
		return Claim{}, ErrMalformed
	}
	return c, nil
}

type slackKey struct{ macs *macs }

func (k slackKey) check(c *Claim, body []byte) error {
	mac := k.macs.get()
	defer k.macs.put(mac)
	mac.Write([]byte(strings.Join(c.prefix[:], "")))
	writeBody(mac, body)
	var buf [sha256.Size]byte
	if !hmac.Equal(mac.Sum(buf[:0]), c.sum[:]) {
		return ErrMismatch
	}
	return nil
}

// NotSigned reports whether a request has none of Slack's signature headers, as
// the probe of a slash command's URL (ssl_check) may have.
func NotSigned(h http.Header) bool {
	return len(h[slackSignature]) == 0 && len(h[slackTimestamp]) == 0
}
