package signature_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"slackmcp/webhook/signature"
)

func scheme(t testing.TB, r signature.Recipe) signature.Scheme {
	t.Helper()
	s, err := signature.NewScheme(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// recipes are schemes of every form, each under a secret that all of them can have.
func recipes(t testing.TB) []signature.Scheme {
	t.Helper()
	token := func(o signature.Token) signature.Scheme {
		s, err := signature.NewToken(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return []signature.Scheme{
		signature.SlackV0, signature.HexHeader(""), signature.Bearer, signature.GitHub, signature.Stripe,
		signature.StandardWebhooks, signature.Svix, signature.HexOrStripe,
		scheme(t, signature.Recipe{Label: "sha1", Algorithm: "hmac-sha1", Signature: []string{"header:X-Sha1"}}),
		scheme(t, signature.Recipe{Label: "sha512", Algorithm: "hmac-sha512", Signature: []string{"header:X-Sha512"}, Encoding: "base64"}),
		scheme(t, signature.Recipe{Label: "base64", Signature: []string{"header:X-Base64"}, Encoding: "base64"}),
		scheme(t, signature.Recipe{Label: "milliseconds", Signature: []string{"header:X-Ms"}, Signed: "{method}{url}{body}{timestamp}", Time: "header:X-Time-Ms", Unit: "ms"}),
		scheme(t, signature.Recipe{Label: "date", Signature: []string{"header:X-Dated"}, Signed: "{timestamp}{body}", Time: "header:X-Date", Unit: "rfc3339"}),
		scheme(t, signature.Recipe{Label: "named header", Signature: []string{"header:X-Named"}, Signed: "{header:X-Shop}:{body}"}),
		scheme(t, signature.Recipe{Label: "form", Algorithm: "hmac-sha1", Signature: []string{"header:X-Form"}, Encoding: "base64", Signed: "{url}{form}"}),
		scheme(t, signature.Recipe{Label: "secret in base64", Signature: []string{"header:X-Encoded"}, Secret: "base64"}),
		scheme(t, signature.Recipe{Label: "token", Algorithm: "token", Signature: []string{"header:X-Token"}}),
		scheme(t, signature.Recipe{Label: "basic", Algorithm: "token", Signature: []string{"header:Authorization"}, Prefix: "Basic ", Encoding: "base64"}),
		token(signature.Token{Label: "jwt", Issuers: []string{"Sender"}, BodyHash: "payload_hash", URLHash: "url_hash"}),
		signature.Vonage,
	}
}

const (
	shared   = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
	shared64 = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
	address  = "https://events.example.com/events/x"
	formBody = "b=2&a=1"
)

// signed is a request of a scheme's sender.
func signed(t testing.TB, s signature.Scheme, secret string, body []byte) *http.Request {
	t.Helper()
	r := &http.Request{Method: http.MethodPost, Header: http.Header{}, URL: &url.URL{Path: "/events/x"}}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Shop", "shop")
	if err := signature.Sign(s, secret, signature.Posting{Request: r, Body: body, ID: "msg_1", At: at, URL: address}); err != nil {
		t.Fatalf("%s: %v", s.Name(), err)
	}
	return r
}

func judge(t testing.TB, s signature.Scheme, secret string, r *http.Request, body []byte, now time.Time) error {
	t.Helper()
	v := verifier(t, signature.Options{Scheme: s, Secrets: []string{"bm90IHRoaXMgb25lLCBub3QgdGhpcyBvbmUu", secret}, URL: address})
	c, err := v.Open(r, now)
	if err == nil {
		_, err = v.Verify(&c, body)
	}
	return err
}

func secretOf(s signature.Scheme) string {
	if s.Name() == "secret in base64" {
		return shared64
	}
	return shared
}

func TestEverySchemeAcceptsItsSendersAndNothingElse(t *testing.T) {
	for _, s := range recipes(t) {
		t.Run(s.Name(), func(t *testing.T) {
			secret, body := secretOf(s), []byte(formBody)
			r := signed(t, s, secret, body)
			if err := judge(t, s, secret, r, body, at); err != nil {
				t.Errorf("a genuine one: %v", err)
			}
			if err := judge(t, s, "b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldCEh", r, body, at); !errors.Is(err, signature.ErrMismatch) {
				t.Errorf("under another secret: %v", err)
			}
			isToken := s.Name() == "token" || s.Name() == "basic"
			if err := judge(t, s, secret, r, []byte("b=2&a=3"), at); !isToken && !errors.Is(err, signature.ErrMismatch) {
				t.Errorf("another body: %v", err)
			}
			if err := judge(t, s, secret, r, body, at.Add(time.Hour)); s.Timed() && !errors.Is(err, signature.ErrStale) || !s.Timed() && err != nil {
				t.Errorf("an hour later: %v, and the scheme is timed: %v", err, s.Timed())
			}
			if err := judge(t, s, secret, &http.Request{Header: http.Header{}, URL: r.URL}, body, at); !errors.Is(err, signature.ErrMissing) {
				t.Errorf("no header: %v", err)
			}
			for name := range r.Header {
				twice := &http.Request{Method: r.Method, Header: r.Header.Clone(), URL: r.URL}
				twice.Header[name] = append(twice.Header[name], twice.Header[name][0])
				if err := judge(t, s, secret, twice, body, at); err == nil && name != "Content-Type" && (name != "X-Shop" || s.Name() == "named header") {
					t.Errorf("%s twice is accepted", name)
				}
			}
		})
	}
}

// TestNoSchemeTakesAnothers replays what each scheme's sender signs under each other scheme with
// the same secret: as it came, and with its values under the other's headers, as a forger writes
// them. What is accepted is named here. The server does not start with such secrets.
func TestNoSchemeTakesAnothers(t *testing.T) {
	// Those of one group sign the same words with the same key.
	alike := map[string]int{"hex": 1, "bearer": 1, "github": 1, "hex or stripe": 1, "base64": 1, "standard": 2, "svix": 2}
	for _, from := range recipes(t) {
		body := []byte(formBody)
		r := signed(t, from, secretOf(from), body)
		for _, to := range recipes(t) {
			if from.Name() == to.Name() {
				continue
			}
			same := alike[from.Name()] > 0 && alike[from.Name()] == alike[to.Name()] ||
				from.Name() == "stripe" && to.Name() == "hex or stripe" // That is what it is for.
			if err := judge(t, to, secretOf(to), r, body, at); err == nil && !same {
				t.Errorf("what %s signed passes as %s", from.Name(), to.Name())
			}
			if moved := relabelled(t, r, to, body); moved != "" && !same && from.Name() != "token" {
				t.Errorf("what %s signed passes as %s when its %s is renamed", from.Name(), to.Name(), moved)
			}
		}
	}
}

// relabelled tries every value of a request under the headers of another scheme. It names one
// that was accepted.
func relabelled(t *testing.T, r *http.Request, to signature.Scheme, body []byte) string {
	t.Helper()
	own := signed(t, to, "b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldCEh", body)
	for name := range own.Header {
		for from, values := range r.Header {
			forged := &http.Request{Method: r.Method, Header: own.Header.Clone(), URL: r.URL}
			bare := values[0][strings.LastIndexAny(values[0], "=, ")+1:]
			sum, _ := hex.DecodeString(bare) // What is no sum is tried as an empty one.
			coded := base64.StdEncoding.EncodeToString(sum)
			for _, v := range []string{values[0], bare, "Bearer " + bare, "sha256=" + bare, coded, "v1," + coded, "Basic " + coded} {
				forged.Header.Set(name, v)
				if judge(t, to, secretOf(to), forged, body, at) == nil {
					return from
				}
			}
		}
	}
	return ""
}

// TestStripeIsNotReplayedAsHex guards the one endpoint that takes two schemes under one secret.
func TestStripeIsNotReplayedAsHex(t *testing.T) {
	body := []byte(`{"id":"evt_1"}`)
	r := signed(t, signature.Stripe, shared, body)
	if err := judge(t, signature.HexOrStripe, shared, r, body, at); err != nil {
		t.Errorf("Stripe's own: %v", err)
	}
	if err := judge(t, signature.HexOrStripe, shared, r, body, at.Add(time.Hour)); !errors.Is(err, signature.ErrStale) {
		t.Errorf("Stripe's own, an hour later: %v", err)
	}
	_, sum, _ := strings.Cut(r.Header.Get("Stripe-Signature"), "v1=")
	replayed := &http.Request{Header: http.Header{"X-Signature": {sum}}}
	old := append([]byte(fmt.Sprintf("%d.", at.Unix())), body...)
	if err := judge(t, signature.HexHeader(""), shared, replayed, old, at.Add(time.Hour)); err != nil {
		t.Fatalf("the replay is no test: %v", err)
	}
	if err := judge(t, signature.HexOrStripe, shared, replayed, old, at.Add(time.Hour)); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("a captured delivery of Stripe under X-Signature: %v", err)
	}
	both := &http.Request{Header: http.Header{"X-Signature": {signature.SignHex(shared, body)}, "Stripe-Signature": {"t=1,v1=" + sum}}}
	if err := judge(t, signature.HexOrStripe, shared, both, body, at); err == nil {
		t.Error("X-Signature counts beside a stale Stripe-Signature")
	}
	for _, plain := range []string{`{"amount":1}`, `7`, `1`, `a.b`} {
		hexed := &http.Request{Header: http.Header{"X-Signature": {signature.SignHex(shared, []byte(plain))}}}
		if err := judge(t, signature.HexOrStripe, shared, hexed, []byte(plain), at); err != nil {
			t.Errorf("%s under X-Signature: %v", plain, err)
		}
	}
}

// TestSignaturesInTheBody reads members of the body before it is verified: once each, and as the
// decoder reads them.
func TestSignaturesInTheBody(t *testing.T) {
	s := scheme(t, signature.Recipe{
		Label: "members", Signature: []string{"signature.signature"}, Signed: "{member:signature.timestamp}{member:signature.token}", Time: "signature.timestamp",
	})
	sum := signature.SignHex(shared, []byte("1700000000abc"))
	good := `{"signature":{"timestamp":"1700000000","token":"abc","signature":"` + sum + `"},"event-data":{"event":"opened"}}`
	request := &http.Request{Header: http.Header{}, URL: &url.URL{}}
	for name, tc := range map[string]struct {
		body string
		now  time.Time
		want error
	}{
		"genuine":             {good, at, nil},
		"stale":               {good, at.Add(time.Hour), signature.ErrStale},
		"forged":              {strings.Replace(good, "abc", "abd", 1), at, signature.ErrMismatch},
		"no signature":        {`{"a":1}`, at, signature.ErrMissing},
		"a form":              {"a=1", at, signature.ErrMissing},
		"no JSON":             {`{`, at, signature.ErrMissing},
		"empty":               {``, at, signature.ErrMalformed},
		"twice":               {strings.Replace(good, `"token":"abc"`, `"token":"abc","token":"abc"`, 1), at, signature.ErrMalformed},
		"twice, outside":      {strings.Replace(good, `{"signature":{`, `{"signature":{},"signature":{`, 1), at, signature.ErrMalformed},
		"twice, by an escape": {strings.Replace(good, `"token":"abc"`, `"token":"abc","t\u006fken":"x"`, 1), at, signature.ErrMalformed},
	} {
		if err := judge(t, s, shared, request, []byte(tc.body), tc.now); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	all := scheme(t, signature.Recipe{Label: "state", Algorithm: "token", Signature: []string{"value.*.clientState"}})
	for body, want := range map[string]error{
		`{"value":[{"clientState":"` + shared + `"}]}`:                                  nil,
		`{"value":[{"clientState":"` + shared + `"},{"clientState":"` + shared + `"}]}`: nil,
		`{"value":[{"clientState":"` + shared + `"},{"clientState":"x"}]}`:              signature.ErrMismatch,
		`{"value":[{"clientState":"` + shared + `"},{}]}`:                               signature.ErrMalformed,
		`{"value":[]}`: signature.ErrMissing,
		`{"value":{"clientState":"` + shared + `"}}`: signature.ErrMissing,
	} {
		if err := judge(t, all, shared, request, []byte(body), at); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
}

func TestForms(t *testing.T) {
	s := scheme(t, signature.Recipe{Label: "form", Algorithm: "hmac-sha1", Signature: []string{"header:X-Form"}, Encoding: "base64", Signed: "{url}{form}"})
	sum := sha256.Sum256([]byte(`{"a":1}`))
	query := "bodySHA256=" + hex.EncodeToString(sum[:])
	asJSON := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, URL: &url.URL{RawQuery: query}}
	if err := signature.Sign(s, shared, signature.Posting{Request: asJSON, Body: []byte(`{"a":1}`), At: at, URL: address}); err != nil {
		t.Fatal(err)
	}
	if err := judge(t, s, shared, asJSON, []byte(`{"a":1}`), at); err != nil {
		t.Errorf("JSON, for which the address vouches: %v", err)
	}
	if err := judge(t, s, shared, asJSON, []byte(`{"a":2}`), at); err == nil {
		t.Error("another JSON passes")
	}
	asForm := &http.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Form": asJSON.Header["X-Form"]}, URL: asJSON.URL}
	if err := judge(t, s, shared, asForm, nil, at); err == nil {
		t.Error("a form passes beside the hash of another body")
	}
	unsigned := signed(t, s, shared, nil)
	unsigned.Header.Set("Content-Type", "application/json")
	if err := judge(t, s, shared, unsigned, []byte(`{"a":1}`), at); err == nil {
		t.Error("JSON passes under the signature of an empty form")
	}
	if err := signature.Sign(s, shared, signature.Posting{Request: signed(t, s, shared, nil), Body: []byte("a=1&a=2"), At: at, URL: address}); err == nil {
		t.Error("a parameter that is there twice is signed")
	}
}

func TestPublicKeys(t *testing.T) {
	body := []byte(`{"type":1}`)
	message := append([]byte("1700000000"), body...)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := scheme(t, signature.Recipe{Label: "ed", Algorithm: "ed25519", Signature: []string{"header:X-Ed"}, Signed: "{timestamp}{body}", Time: "header:X-Time"})
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, ec, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	edc := scheme(t, signature.Recipe{Label: "ec", Algorithm: "ecdsa", Signature: []string{"header:X-Ec"}, Encoding: "base64", Signed: "{timestamp}{body}", Time: "header:X-Time"})
	for _, tc := range []struct {
		s      signature.Scheme
		key    string
		header http.Header
	}{
		{ed, hex.EncodeToString(public), headers("X-Ed", hex.EncodeToString(ed25519.Sign(private, message)), "X-Time", "1700000000")},
		{ed, "whpk_" + base64.StdEncoding.EncodeToString(public), headers("X-Ed", hex.EncodeToString(ed25519.Sign(private, message)), "X-Time", "1700000000")},
		{edc, base64.StdEncoding.EncodeToString(der), headers("X-Ec", base64.StdEncoding.EncodeToString(sig), "X-Time", "1700000000")},
	} {
		v := verifier(t, signature.Options{Scheme: tc.s, Secrets: []string{tc.key}})
		if err := acceptedAt(v, at, tc.header, body); err != nil {
			t.Errorf("%s: %v", tc.s.Name(), err)
		}
		if err := acceptedAt(v, at, tc.header, []byte(`{"type":2}`)); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%s, another body: %v", tc.s.Name(), err)
		}
		if err := acceptedAt(v, at.Add(time.Hour), tc.header, body); !errors.Is(err, signature.ErrStale) {
			t.Errorf("%s, an hour later: %v", tc.s.Name(), err)
		}
		if err := signature.Sign(tc.s, tc.key, signature.Posting{Request: &http.Request{Header: http.Header{}}, Body: body, At: at}); err == nil {
			t.Errorf("%s signs with a public key", tc.s.Name())
		}
		if _, err := signature.New(signature.Options{Scheme: tc.s, Secrets: []string{"canary"}}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s takes a key that is none: %v", tc.s.Name(), err)
		}
	}
}

func TestRecipesAreChecked(t *testing.T) {
	place := []string{"header:X"}
	for want, r := range map[string]signature.Recipe{
		"algorithm":               {Algorithm: "md5", Signature: place},
		"encoding":                {Encoding: "base32", Signature: place},
		"unit":                    {Unit: "us", Signature: place},
		"secret":                  {Secret: "rot13", Signature: place},
		"place of the signature":  {},
		"in hex or base64":        {Encoding: "text", Signature: place},
		"{what}":                  {Signed: "{what}{body}", Signature: place},
		"{body":                   {Signed: "{body", Signature: place},
		"{timestamp} has to be":   {Signed: "{body}", Time: "header:T", Signature: place},
		"time named where":        {Signed: "{timestamp}{body}", Signature: place},
		"place of the id":         {Signed: "{id}{body}", Signature: place},
		"the id of a signature":   {Signed: "{id}{body}", ID: "a.b", Signature: place},
		"path":                    {Signature: []string{"a..b"}},
		"a signature in the body": {Signature: []string{"a", "b"}, Algorithm: "token"},
	} {
		if _, err := signature.NewScheme(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", r, err, want)
		}
	}
	if _, err := signature.New(signature.Options{Scheme: scheme(t, signature.Recipe{Signed: "{url}{body}", Signature: place}), Secrets: []string{"x"}}); err == nil {
		t.Error("an address is signed, and New asks for none")
	}
	for name, o := range map[string]signature.Token{
		"no audience": {Keys: "https://k.example/jwks", Issuers: []string{"i"}},
		"no issuer":   {Keys: "https://k.example/jwks", Audiences: []string{"a"}},
		"no https":    {Keys: "http://k.example/jwks", Issuers: []string{"i"}, Audiences: []string{"a"}},
	} {
		if _, err := signature.NewToken(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSpellingsOfStandardSecrets(t *testing.T) {
	key := []byte("0123456789abcdefghijklm>??~n")
	std := base64.StdEncoding.EncodeToString(key)
	r := signed(t, signature.StandardWebhooks, "whsec_"+std, []byte("x"))
	for _, spelling := range []string{
		std, "whsec_" + std, "v1,whsec_" + std, strings.TrimRight(std, "="), base64.URLEncoding.EncodeToString(key), " whsec_" + std + "\n",
	} {
		if err := judge(t, signature.StandardWebhooks, spelling, r, []byte("x"), at); err != nil {
			t.Errorf("%q: %v", spelling, err)
		}
	}
}

// TestKeySet verifies tokens by a published key set.
func TestKeySet(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := signature.NewToken(signature.Token{
		Label: "push", Keys: "https://keys.example/certs", Issuers: []string{"https://issuer.example"}, Audiences: []string{"aud"}, Subjects: []string{"robot@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if signature.NeedsSecret(s) || !signature.NeedsSecret(signature.GitHub) {
		t.Error("NeedsSecret")
	}
	signer := func(kid string, algorithm jose.SignatureAlgorithm, with any) jose.Signer {
		j, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: with, KeyID: kid}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	own := map[string]any{"iss": "https://issuer.example", "aud": "aud", "email": "robot@example.com", "email_verified": true, "exp": at.Add(time.Hour).Unix(), "sub": "1"}
	with := func(name string, value any) map[string]any {
		m := map[string]any{}
		maps.Copy(m, own)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return m
	}
	good := signer("k1", jose.ES256, key)
	fetches := 0
	v := verifier(t, signature.Options{Scheme: s, Fetch: func(_ context.Context, from string) ([]byte, error) {
		fetches++
		if from != "https://keys.example/certs" {
			t.Errorf("fetched %s", from)
		}
		return set, nil
	}})
	down := verifier(t, signature.Options{Scheme: s})
	for name, tc := range map[string]struct {
		v      *signature.Verifier
		signer jose.Signer
		claims map[string]any
		want   error
	}{
		"genuine":            {v, good, own, nil},
		"another audience":   {v, good, with("aud", "other"), signature.ErrMismatch},
		"another issuer":     {v, good, with("iss", "https://evil.example"), signature.ErrMismatch},
		"another robot":      {v, good, with("email", "evil@example.com"), signature.ErrMismatch},
		"an unverified one":  {v, good, with("email_verified", false), signature.ErrMismatch},
		"expired":            {v, good, with("exp", at.Add(-time.Hour).Unix()), signature.ErrStale},
		"without an end":     {v, good, with("exp", nil), signature.ErrMalformed},
		"an unknown key":     {v, signer("k2", jose.ES256, key), own, signature.ErrMismatch},
		"a key as a secret":  {v, signer("k1", jose.HS256, set), own, signature.ErrMalformed},
		"keys that are away": {down, good, own, signature.ErrUnavailable},
	} {
		token, err := jwt.Signed(tc.signer).Claims(tc.claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		if err := acceptedAt(tc.v, at, headers("Authorization", "Bearer "+token), []byte("{}")); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if fetches != 1 {
		t.Errorf("%d fetches, want one: an unknown key must not cause another within half a minute", fetches)
	}
}

// FuzzRecipe reads any recipe, and feeds what it makes any request: neither panics, and nothing is
// accepted that its secret did not sign.
func FuzzRecipe(f *testing.F) {
	f.Add("header:X", "sha256=", "{timestamp}.{body}", "header:T", ",", "t=", "1", "00", "{}")
	f.Add("a.*.b", "", "{member:x}{header:Y}{form}{url}{id}", "t", "", "", "1", "00", `{"a":[{"b":1}]}`)
	f.Fuzz(func(t *testing.T, place, prefix, signed, clock, separator, item, h, u, body string) {
		for _, algorithm := range []string{"hmac-sha256", "token"} {
			s, err := signature.NewScheme(signature.Recipe{
				Algorithm: algorithm, Signature: []string{place}, Prefix: prefix, Signed: signed, Time: clock, Separator: separator, TimeItem: item, ID: "header:I",
			})
			if err != nil {
				continue
			}
			r := &http.Request{Header: http.Header{"X": {h}, "T": {u}, "I": {h}, "Y": {u}}, URL: &url.URL{RawQuery: u}}
			v, err := signature.New(signature.Options{Scheme: s, Secrets: []string{"a secret that no input has"}, URL: address})
			if err != nil {
				t.Fatal(err)
			}
			c, err := v.Open(r, at)
			if err == nil {
				_, err = v.Verify(&c, []byte(body))
			}
			if err == nil {
				t.Errorf("accepted %q %q", r.Header, body)
			}
		}
	})
}
