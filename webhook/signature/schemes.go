package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Names lists what a configuration can call a scheme.
func Names() []string {
	return []string{"slack", "hex", "bearer", "standard", "svix", "github", "stripe"}
}

// ByName returns the scheme of a name in Names. hex may name its header: "hex:X-Shop-Sig".
func ByName(name string) (Scheme, error) {
	switch name {
	case "slack":
		return SlackV0, nil
	case "hex":
		return HexHeader(""), nil
	case "bearer":
		return Bearer, nil
	case "standard":
		return StandardWebhooks, nil
	case "svix":
		return Svix, nil
	case "github":
		return GitHub, nil
	case "stripe":
		return Stripe, nil
	}
	if header, ok := strings.CutPrefix(name, "hex:"); ok && header != "" {
		return HexHeader(header), nil
	}
	return nil, fmt.Errorf("unknown signature scheme %q: use one of %s, or hex:<header>", name, strings.Join(Names(), ", "))
}

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

// HexHeader is the scheme of senders that put the HMAC of the body in hexadecimal into
// a header, bare or after "sha256=". It has no timestamp. An empty name means X-Signature.
func HexHeader(name string) Scheme {
	if name == "" {
		name = "X-Signature"
	}
	return hexHeader{name: http.CanonicalHeaderKey(name)}
}

type hexHeader struct{ name string }

func (hexHeader) Name() string { return "hex" }

func (hexHeader) Timed() bool { return false }

func (hexHeader) Key(secret string) ([]byte, error) { return []byte(secret), nil }

func (s hexHeader) Claim(h http.Header) (c Claim, err error) {
	v, err := single(h, s.name)
	if err != nil {
		return Claim{}, err
	}
	return c, c.addHex(strings.TrimPrefix(v, "sha256="))
}

// Bearer is the scheme of senders that put the HMAC of the body into the header
// "Authorization: Bearer <hexadecimal>". It has no timestamp, and what it carries is
// no token: it is good for one body only.
var Bearer Scheme = bearer{}

type bearer struct{}

func (bearer) Name() string { return "bearer" }

func (bearer) Timed() bool { return false }

func (bearer) Key(secret string) ([]byte, error) { return []byte(secret), nil }

func (bearer) Claim(h http.Header) (c Claim, err error) {
	v, err := single(h, "Authorization")
	if err != nil {
		return Claim{}, err
	}
	scheme, sum, ok := strings.Cut(v, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return Claim{}, ErrMalformed
	}
	return c, c.addHex(strings.TrimLeft(sum, " "))
}

// GitHub is how GitHub signs: X-Hub-Signature-256 is "sha256=" and the HMAC of the
// body in hexadecimal; the delivery's id is in X-GitHub-Delivery, unsigned
// (docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries).
var GitHub Scheme = gitHub{}

type gitHub struct{}

func (gitHub) Name() string { return "github" }

func (gitHub) Timed() bool { return false }

func (gitHub) Key(secret string) ([]byte, error) { return []byte(secret), nil }

func (gitHub) Claim(h http.Header) (c Claim, err error) {
	v, err := single(h, "X-Hub-Signature-256")
	if err != nil {
		return Claim{}, err
	}
	sum, ok := strings.CutPrefix(v, "sha256=")
	if !ok {
		return Claim{}, ErrMalformed
	}
	if c.ID, err = optional(h, "X-Github-Delivery"); err != nil {
		return Claim{}, err
	}
	return c, c.addHex(sum)
}

// Stripe is how Stripe signs: Stripe-Signature is "t=<Unix time>,v1=<hexadecimal>",
// v1 several times while a secret is rotated, over "<t>.<body>"
// (docs.stripe.com/webhooks/signature). Other items, such as the test scheme v0, count
// for nothing, and neither does a signature among several that is malformed.
var Stripe Scheme = stripe{}

type stripe struct{}

func (stripe) Name() string { return "stripe" }

func (stripe) Timed() bool { return true }

func (stripe) Key(secret string) ([]byte, error) { return []byte(secret), nil }

func (stripe) Claim(h http.Header) (Claim, error) {
	v, err := single(h, "Stripe-Signature")
	if err != nil {
		return Claim{}, err
	}
	var c Claim
	for item := range strings.SplitSeq(v, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		switch name {
		case "t":
			if err := c.stripeTime(value); err != nil {
				return Claim{}, err
			}
		case "v1":
			if c.addHex(value) != nil && c.full() {
				return Claim{}, ErrMalformed
			}
		}
	}
	if c.At == 0 || c.n == 0 {
		return Claim{}, ErrMalformed
	}
	return c, nil
}

// stripeTime takes the item t, which stands once.
func (c *Claim) stripeTime(value string) (err error) {
	if c.At != 0 {
		return ErrMalformed
	}
	c.prefix = [5]string{value, "."}
	c.At, err = unixTime(value)
	return err
}

// StandardWebhooks is the scheme of the Standard Webhooks specification: webhook-id,
// webhook-timestamp, and webhook-signature with one "v1,<base64>" or several, split by
// spaces, over "<id>.<timestamp>.<body>". The secret is "whsec_" and 24 to 64 bytes in
// base64 (github.com/standard-webhooks/standard-webhooks). Its public-key signatures
// (v1a) count for nothing, and neither does a signature among several that is malformed.
var StandardWebhooks Scheme = standard{"standard", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

// Svix is StandardWebhooks under the headers svix-id, svix-timestamp and
// svix-signature, which the senders that use Svix still have.
var Svix Scheme = standard{"svix", "Svix-Id", "Svix-Timestamp", "Svix-Signature"}

type standard struct{ name, id, timestamp, signature string }

func (s standard) Name() string { return s.name }

func (standard) Timed() bool { return true }

// secretPrefix begins a secret of Standard Webhooks.
const secretPrefix = "whsec_"

func (standard) Key(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New(`want "whsec_" and 24 to 64 bytes in base64, as the sender shows it`)
	}
	return key, nil
}

func (s standard) Claim(h http.Header) (Claim, error) {
	id, err := single(h, s.id)
	if err != nil {
		return Claim{}, err
	}
	ts, err := single(h, s.timestamp)
	if err != nil {
		return Claim{}, err
	}
	list, err := single(h, s.signature)
	if err != nil {
		return Claim{}, err
	}
	at, err := unixTime(ts)
	// With a dot in the id, "a.1" and "2." could be read as "a" and "1.2.".
	if err != nil || strings.Contains(id, ".") {
		return Claim{}, ErrMalformed
	}
	c := Claim{ID: id, At: at, prefix: [5]string{id, ".", ts, "."}}
	for item := range strings.SplitSeq(list, " ") {
		if sum, ok := strings.CutPrefix(item, "v1,"); ok {
			if c.addBase64(sum) != nil && c.full() {
				return Claim{}, ErrMalformed
			}
		}
	}
	if c.n == 0 {
		return Claim{}, ErrMalformed
	}
	return c, nil
}

// SignStandard puts the headers of Standard Webhooks for a body into h, signed with
// each of the secrets, so that a receiver can change from one to the next. The id has
// to be the same for every try of a delivery, and must have no dot.
func SignStandard(h http.Header, secrets []string, id string, at time.Time, body []byte) error {
	if id == "" || strings.Contains(id, ".") {
		return errors.New("signature: the id must not be empty nor have a dot")
	}
	return SignStandardID(h, secrets, id, at, body)
}

// SignStandardID signs as SignStandard does, whatever the id is: it is for ids that
// others chose. [StandardWebhooks] does not accept one with a dot; other receivers do.
func SignStandardID(h http.Header, secrets []string, id string, at time.Time, body []byte) error {
	ts := strconv.FormatInt(at.Unix(), 10)
	var list []string
	for _, s := range secrets {
		key, err := standard{}.Key(s)
		if err != nil {
			return err
		}
		list = append(list, "v1,"+base64.StdEncoding.EncodeToString(sum(key, []byte(id+"."+ts+"."), body)))
	}
	if len(list) == 0 {
		return errors.New("signature: no secret to sign with")
	}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", ts)
	h.Set("Webhook-Signature", strings.Join(list, " "))
	return nil
}

// CheckStandard reports whether SignStandard can sign with each of the secrets. Its error
// says how one is written, and holds none.
func CheckStandard(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("signature: no secret to sign with")
	}
	for _, s := range secrets {
		if _, err := (standard{}).Key(s); err != nil {
			return err
		}
	}
	return nil
}

// SignSlack puts Slack's two headers for a body into h. It serves who plays Slack: a
// person who tries the endpoint, or a test.
func SignSlack(h http.Header, secret string, at time.Time, body []byte) {
	ts := strconv.FormatInt(at.Unix(), 10)
	h.Set(slackTimestamp, ts)
	h.Set(slackSignature, "v0="+hex.EncodeToString(sum([]byte(secret), []byte("v0:"+ts+":"), body)))
}

// SignHex returns the HMAC of a body in hexadecimal: the value of X-Signature, or of
// "Authorization: Bearer".
func SignHex(secret string, body []byte) string {
	return hex.EncodeToString(sum([]byte(secret), body))
}

func sum(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
