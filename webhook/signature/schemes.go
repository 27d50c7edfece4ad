package signature

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
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

// HexHeader is the scheme of senders that put the HMAC of the body in hexadecimal into
// a header, bare or after "sha256=". It has no timestamp. An empty name means X-Signature.
func HexHeader(name string) Scheme {
	if name == "" {
		name = "X-Signature"
	}
	return must(Recipe{Label: "hex", Signature: []string{"header:" + name}, Prefix: "sha256=", Bare: true})
}

// Bearer is the scheme of senders that put the HMAC of the body into the header
// "Authorization: Bearer <hexadecimal>". It has no timestamp, and what it carries is
// no token: it is good for one body only.
var Bearer = must(Recipe{Label: "bearer", Signature: []string{"header:Authorization"}, Prefix: "Bearer "})

// GitHub is how GitHub signs: X-Hub-Signature-256 is "sha256=" and the HMAC of the
// body in hexadecimal; the delivery's id is in X-GitHub-Delivery, unsigned
// (docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries).
var GitHub = must(Recipe{Label: "github", Signature: []string{"header:X-Hub-Signature-256"}, Prefix: "sha256=", ID: "header:X-GitHub-Delivery"})

// Stripe is how Stripe signs: Stripe-Signature is "t=<Unix time>,v1=<hexadecimal>",
// v1 several times while a secret is rotated, over "<t>.<body>"
// (docs.stripe.com/webhooks/signature). Other items, such as the test scheme v0, count
// for nothing, and neither does a signature among several that is malformed.
var Stripe = must(Recipe{
	Label: "stripe", Signature: []string{"header:Stripe-Signature"},
	Separator: ",", TimeItem: "t=", Prefix: "v1=", Signed: "{timestamp}.{body}",
})

// StandardWebhooks is the scheme of the Standard Webhooks specification: webhook-id,
// webhook-timestamp, and webhook-signature with one "v1,<base64>" or several, split by
// spaces, over "<id>.<timestamp>.<body>". The secret is "whsec_" and 24 to 64 bytes in
// base64 (github.com/standard-webhooks/standard-webhooks). Its public-key signatures
// (v1a) count for nothing, and neither does a signature among several that is malformed.
var StandardWebhooks = must(Standard("standard", "webhook"))

// Svix is StandardWebhooks under the headers svix-id, svix-timestamp and
// svix-signature, which the senders that use Svix still have.
var Svix = must(Standard("svix", "svix"))

// Standard is the recipe of Standard Webhooks under headers that begin with a word.
func Standard(label, word string) Recipe {
	return Recipe{
		Label: label, Signature: []string{"header:" + word + "-signature"}, Separator: " ", Prefix: "v1,",
		Encoding: "base64", Signed: "{id}.{timestamp}.{body}", ID: "header:" + word + "-id",
		Time: "header:" + word + "-timestamp", Secret: "standard",
	}
}

// HexOrStripe is the scheme of an endpoint that Stripe posts to as well as a sender with the
// HMAC of the body in X-Signature, under one secret. When Stripe-Signature is there it alone
// counts. A body under X-Signature must not begin as what Stripe signs does, with digits and a
// dot: a captured delivery of Stripe could otherwise be sent again, for ever, without its time.
var HexOrStripe Scheme = hexOrStripe{hex: HexHeader("").(*recipe)}

type hexOrStripe struct{ hex *recipe }

func (hexOrStripe) Name() string { return "hex or stripe" }

func (hexOrStripe) Headers() []string { return []string{"X-Signature", "Stripe-Signature"} }

func (hexOrStripe) Timed() bool { return false }

func (s hexOrStripe) Key(secret string) (Key, error) {
	k, err := s.hex.Key(secret)
	return hexOrStripeKey{k, s.hex}, err
}

func (s hexOrStripe) Claim(r *http.Request) (Claim, error) {
	if len(r.Header["Stripe-Signature"]) > 0 {
		return Stripe.Claim(r)
	}
	return s.hex.Claim(r)
}

type hexOrStripeKey struct {
	Key
	hex *recipe
}

func (k hexOrStripeKey) check(c *Claim, body []byte) error {
	if rest := bytes.TrimLeft(body, "0123456789"); c.recipe == k.hex && len(rest) < len(body) && bytes.HasPrefix(rest, []byte(".")) {
		return ErrMalformed
	}
	return k.Key.check(c, body)
}
