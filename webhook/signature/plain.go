package signature

import (
	"net/http"
	"strings"
)

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
