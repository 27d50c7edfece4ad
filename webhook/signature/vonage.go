package signature

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // One of the sender's algorithms is its HMAC.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"

	"slackmcp/webhook/event"
)

// Vonage is how Vonage signs. Most of its products send a JSON Web Token that has the hash of the
// body (developer.vonage.com/en/getting-started/concepts/webhooks). Its SMS product sends the
// parameters sig and timestamp among the others, as a query, a form or flat JSON
// (developer.vonage.com/en/getting-started/concepts/signing-messages); of its algorithms those of
// HMAC with SHA are taken, and the hash MD5 is not. Neither passes as the other: what is signed
// here begins with "&", and a token's text with "eyJ".
var Vonage Scheme = vonage{&secretToken{Token{Label: "vonage", Header: "Authorization", Issuers: []string{"Vonage"}, BodyHash: "payload_hash"}}}

type vonage struct{ token *secretToken }

func (vonage) Name() string { return "vonage" }

func (s vonage) Headers() []string { return s.token.Headers() }

func (vonage) elsewhere() []place {
	path, _ := event.ParsePath("sig") // A name is a path.
	return []place{{member: "sig", path: path}, {query: "sig"}}
}

func (vonage) Timed() bool { return true }

// Claim reads the token. By GET there is none that covers the query, and a token counts for nothing.
func (s vonage) Claim(r *http.Request) (Claim, error) {
	switch {
	case r.Method == http.MethodGet && len(r.URL.Query()["sig"]) == 0:
		return Claim{}, ErrMissing
	case r.Method == http.MethodGet, len(r.Header["Authorization"]) == 0:
		return Claim{}, nil
	}
	return s.token.Claim(r)
}

func (s vonage) Key(secret string) (Key, error) {
	k, err := s.token.Key(secret)
	return vonageKey{k, secret}, err
}

type vonageKey struct {
	Key
	secret string
}

// maxSMS is how long what is signed by sig may be: it is a message of a few hundred letters.
const maxSMS = 16 << 10

// smsHashes are those of the signatures' lengths in hexadecimal.
var smsHashes = map[int]func() hash.Hash{40: sha1.New, 64: sha256.New, 128: sha512.New}

func (k vonageKey) check(c *Claim, body []byte) error {
	if c.token != "" {
		return k.Key.check(c, body)
	}
	params, err := smsParameters(c.request, body)
	if err != nil {
		return err
	}
	sig := params["sig"]
	if sig == "" {
		return ErrMissing
	}
	given, err := hex.DecodeString(sig)
	of := smsHashes[len(sig)]
	if err != nil || of == nil {
		return ErrMalformed
	}
	if c.At, err = readTime(params["timestamp"], "s"); err != nil {
		return err
	}
	mac := hmac.New(of, []byte(k.secret))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if strings.ContainsAny(name, "&=") {
			return ErrMalformed // It could be read as another name, or as two.
		}
		if name != "sig" {
			mac.Write([]byte("&" + name + "=" + strings.NewReplacer("&", "_", "=", "_").Replace(params[name])))
		}
	}
	if !hmac.Equal(given, mac.Sum(nil)) {
		return ErrMismatch
	}
	return nil
}

// smsParameters reads the parameters that are signed, each of which may stand once.
func smsParameters(r *http.Request, body []byte) (map[string]string, error) {
	enc := event.Form
	if r.Method == http.MethodGet {
		body = []byte(r.URL.RawQuery)
	}
	if len(body) > maxSMS { // Nobody has signed it yet: no more of it is read.
		return nil, ErrMalformed
	}
	if r.Method != http.MethodGet {
		var err error
		if enc, err = event.EncodingOf(body); err != nil {
			return nil, ErrMalformed
		}
	}
	if enc == event.JSON {
		params, err := event.Texts(body)
		if err != nil {
			return nil, ErrMalformed
		}
		return params, nil
	}
	params := map[string]string{}
	for name, value := range event.Pairs(body) {
		if _, twice := params[string(name)]; twice {
			return nil, ErrMalformed
		}
		params[string(name)] = string(value)
	}
	return params, nil
}
