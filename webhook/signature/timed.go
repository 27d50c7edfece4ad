package signature

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Stripe is how Stripe signs: Stripe-Signature is "t=<Unix time>,v1=<hexadecimal>",
// v1 several times while a secret is rotated, over "<t>.<body>"
// (docs.stripe.com/webhooks/signature). Other items, such as the test scheme v0, count
// for nothing.
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
			if c.At != 0 {
				return Claim{}, ErrMalformed
			}
			if c.At, err = unixTime(value); err != nil {
				return Claim{}, err
			}
			c.prefix = [5]string{value, "."}
		case "v1":
			if err := c.addHex(value); err != nil {
				return Claim{}, err
			}
		}
	}
	if c.At == 0 || c.n == 0 {
		return Claim{}, ErrMalformed
	}
	return c, nil
}

// StandardWebhooks is the scheme of the Standard Webhooks specification: webhook-id,
// webhook-timestamp, and webhook-signature with one "v1,<base64>" or several, split by
// spaces, over "<id>.<timestamp>.<body>". The secret is "whsec_" and 24 to 64 bytes in
// base64 (github.com/standard-webhooks/standard-webhooks). Its public-key signatures
// (v1a) count for nothing.
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
			if err := c.addBase64(sum); err != nil {
				return Claim{}, err
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
