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

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

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
		key, err := standardSecret(s)
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
		if _, err := standardSecret(s); err != nil {
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

// A Posting is a request that Sign is to sign, as its sender would.
type Posting struct {
	// Request gets the headers; its method, query and media type may be signed.
	Request *http.Request
	Body    []byte
	// ID is the delivery's, where the scheme has one and the request has none yet, and At the time.
	ID string
	At time.Time
	// URL is the address without a query, where the scheme signs it.
	URL string
}

// Sign puts into a request what a scheme's sender would put there, under a secret. It cannot sign
// where only the sender has the key, or where the signature is a part of the body.
func Sign(s Scheme, secret string, p Posting) error {
	switch s := s.(type) {
	case slackV0:
		SignSlack(p.Request.Header, secret, p.At, p.Body)
		return nil
	case hexOrStripe:
		return s.hex.sign(secret, p)
	case *secretToken:
		return s.sign(secret, p)
	case vonage:
		return s.token.sign(secret, p)
	case *recipe:
		return s.sign(secret, p)
	}
	return fmt.Errorf("only the sender has the key that signs as %s", s.Name())
}

func (s *recipe) sign(secret string, p Posting) error {
	if s.signature[0].header == "" {
		return fmt.Errorf("what vouches for a delivery of %s is not in a header: post one of the sender's own", s.Label)
	}
	c := Claim{recipe: s, ID: p.ID, At: p.At.Unix(), stamp: s.writeTime(p.At), request: p.Request, v: &Verifier{url: p.URL}}
	h := p.Request.Header
	if s.time != nil && s.time.header != "" {
		h.Set(s.time.header, c.stamp)
	}
	if s.id != nil {
		if c.ID = h.Get(s.id.header); c.ID == "" {
			c.ID = p.ID
		}
		h.Set(s.id.header, c.ID)
	}
	sig := []byte(secret)
	if !s.isToken() {
		key, err := s.Key(secret)
		if err != nil {
			return err
		}
		k, ok := key.(macKey)
		if !ok {
			return fmt.Errorf("only the sender has the private key that signs as %s", s.Label)
		}
		mac := k.macs.get()
		if err := s.message(mac, &c, p.Body); err != nil {
			return err
		}
		sig = mac.Sum(nil)
	}
	value := s.encode(sig)
	if s.Bare {
		value = strings.TrimPrefix(value, s.Prefix)
	}
	if s.TimeItem != "" {
		value = s.TimeItem + c.stamp + s.Separator + value
	}
	h.Set(s.signature[0].header, value)
	return nil
}

// writeTime writes a time as readTime reads it.
func (s *recipe) writeTime(at time.Time) string {
	switch s.Unit {
	case "ms":
		return strconv.FormatInt(at.UnixMilli(), 10)
	case "rfc3339":
		return at.UTC().Format(time.RFC3339)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

func (s *secretToken) sign(secret string, p Posting) error {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: padded(secret)}, nil)
	if err != nil {
		return err
	}
	claims := map[string]any{"iat": p.At.Unix(), "exp": p.At.Add(time.Minute).Unix(), "jti": p.ID}
	if len(s.Issuers) > 0 {
		claims["iss"] = s.Issuers[0]
	}
	address := p.URL
	if p.Request.URL != nil && p.Request.URL.RawQuery != "" {
		address += "?" + p.Request.URL.RawQuery
	}
	for name, content := range map[string][]byte{s.BodyHash: p.Body, s.URLHash: []byte(address)} {
		if name != "" && (len(content) > 0 || s.URLHash == "") {
			sum := sha256.Sum256(content)
			claims[name] = hex.EncodeToString(sum[:])
		}
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	p.Request.Header.Set(s.Header, "Bearer "+token)
	return err
}

func sum(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// SumHex returns the HMAC of a text under one of the secrets, counted from 0, in hexadecimal, or ""
// where the scheme has none. A sender asks for it to see that its receiver knows the secret.
func (v *Verifier) SumHex(secret int, text string) string {
	keys := *v.keys.Load()
	if secret >= len(keys) {
		return "" // The secrets were replaced meanwhile.
	}
	k, ok := keys[secret].(macKey)
	if !ok {
		return ""
	}
	mac := k.macs.get()
	defer k.macs.put(mac)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
