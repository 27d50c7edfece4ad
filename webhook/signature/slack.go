package signature

import "net/http"

// SlackV0 is how Slack signs: X-Slack-Signature is "v0=" and the HMAC of
// "v0:<timestamp>:<body>" in hexadecimal, X-Slack-Request-Timestamp the Unix time
// (docs.slack.dev/authentication/verifying-requests-from-slack).
//
// It accepts what Slack's SDKs accept: hexadecimal digits of either case. It is
// stricter in two ways that no genuine request meets: a header may not come twice,
// and a timestamp is digits only, without sign.
var SlackV0 Scheme = slackV0{}

type slackV0 struct{}

// The headers, in the canonical form that http.Header keys have.
const (
	slackSignature = "X-Slack-Signature"
	slackTimestamp = "X-Slack-Request-Timestamp"
)

func (slackV0) Name() string { return "slack" }

func (slackV0) Timed() bool { return true }

func (slackV0) Key(secret string) ([]byte, error) { return []byte(secret), nil }

func (slackV0) Claim(h http.Header) (Claim, error) {
	sig, err := single(h, slackSignature)
	if err != nil {
		return Claim{}, err
	}
	ts, err := single(h, slackTimestamp)
	if err != nil {
		return Claim{}, err
	}
	at, err := unixTime(ts)
	if err != nil {
		return Claim{}, err
	}
	c := Claim{At: at, prefix: [5]string{"v0:", ts, ":"}}
	const version = "v0="
	if len(sig) < len(version) || sig[:len(version)] != version {
		return Claim{}, ErrMalformed
	}
	if err := c.addHex(sig[len(version):]); err != nil {
		return Claim{}, err
	}
	return c, nil
}

// NotSigned reports whether a request has none of Slack's signature headers, as
// the probe of a slash command's URL (ssl_check) may have.
func NotSigned(h http.Header) bool {
	return len(h[slackSignature]) == 0 && len(h[slackTimestamp]) == 0
}
