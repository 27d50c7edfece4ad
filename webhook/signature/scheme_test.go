package signature_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"slackmcp/webhook/signature"
)

// at is the clock of these tests.
var at = time.Unix(1700000000, 0)

// TestSchemes verifies requests whose signatures were computed with openssl, and the
// same with one thing wrong.
func TestSchemes(t *testing.T) {
	const (
		body = `{"id":"evt_1","type":"ping"}`
		// printf '%s' "$body" | openssl dgst -sha256 -hmac 'mySecret'
		bodySum = "1766d9799f3f9d38a425954dae816d17aabadbe0b8057ae636e29ce7e674beb7"
		// printf '%s' "1700000000.$body" | openssl dgst -sha256 -hmac 'mySecret'
		timedSum = "b01de17600eea3194dc48a42806e540946d76dd83fd6b41c71e6c3d5fe2bcbca"
		// printf '%s' "msg_1.1700000000.$body" | openssl dgst -sha256 -mac HMAC -macopt "key:0123456789abcdefghijklmn" -binary | base64
		standardSum = "XYPFzc4YaqJJFpzUGmfe07DRVRq0nrTdOiB2W3MHNnc="
		// printf '0123456789abcdefghijklmn' | base64
		standardSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
	)
	zeros := strings.Repeat("0", 64)
	standard := func(sig ...string) http.Header {
		return headers("webhook-id", "msg_1", "webhook-timestamp", "1700000000", "webhook-signature", strings.Join(sig, " "))
	}
	tests := []struct {
		name   string
		scheme string
		secret string
		h      http.Header
		want   error
	}{
		{"hex", "hex", "mySecret", headers("X-Signature", bodySum), nil},
		{"hex with prefix", "hex", "mySecret", headers("X-Signature", "sha256="+bodySum), nil},
		{"hex in upper case", "hex", "mySecret", headers("X-Signature", strings.ToUpper(bodySum)), nil},
		{"hex in another header", "hex:x-shop-sig", "mySecret", headers("X-Shop-Sig", bodySum), nil},
		{"hex by another secret", "hex", "other", headers("X-Signature", bodySum), signature.ErrMismatch},
		{"hex missing", "hex", "mySecret", headers(), signature.ErrMissing},
		{"hex twice", "hex", "mySecret", headers("X-Signature", bodySum, "X-Signature", bodySum), signature.ErrMalformed},
		{"hex of another hash", "hex", "mySecret", headers("X-Signature", "sha1="+bodySum[:40]), signature.ErrMalformed},

		{"bearer", "bearer", "mySecret", headers("Authorization", "Bearer "+bodySum), nil},
		{"bearer in lower case", "bearer", "mySecret", headers("Authorization", "bearer "+bodySum), nil},
		{"bearer with wrong sum", "bearer", "mySecret", headers("Authorization", "Bearer "+zeros), signature.ErrMismatch},
		{"bearer with a token", "bearer", "mySecret", headers("Authorization", "Bearer abc"), signature.ErrMalformed},
		{"basic", "bearer", "mySecret", headers("Authorization", "Basic "+bodySum), signature.ErrMalformed},
		{"no scheme", "bearer", "mySecret", headers("Authorization", bodySum), signature.ErrMalformed},
		{"two authorizations", "bearer", "mySecret", headers("Authorization", "Bearer "+bodySum, "Authorization", "Bearer "+bodySum), signature.ErrMalformed},

		{"github", "github", "mySecret", headers("X-Hub-Signature-256", "sha256="+bodySum, "X-GitHub-Delivery", "d-1"), nil},
		{"github without prefix", "github", "mySecret", headers("X-Hub-Signature-256", bodySum), signature.ErrMalformed},
		{"github with the old header only", "github", "mySecret", headers("X-Hub-Signature", "sha1="+zeros[:40]), signature.ErrMissing},
		{"github with two ids", "github", "mySecret", headers("X-Hub-Signature-256", "sha256="+bodySum, "X-GitHub-Delivery", "a", "X-GitHub-Delivery", "b"), signature.ErrMalformed},

		{"stripe", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,v1="+timedSum+",v0="+zeros), nil},
		{"stripe while rotating", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,v1="+zeros+",v1="+timedSum), nil},
		{"stripe with a malformed one before", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,v1=,v1=xyz,v1="+timedSum[:40]+",v1="+timedSum), nil},
		{"stripe with a malformed one behind", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,v1="+timedSum+",v1="+timedSum+"00,v1="), nil},
		{"stripe with malformed ones only", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,v1=,v1="+timedSum[:40]), signature.ErrMalformed},
		{"stripe with spaces", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000, v1="+timedSum), nil},
		{"stripe v0 only", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,v0="+timedSum), signature.ErrMalformed},
		{"stripe without time", "stripe", "mySecret", headers("Stripe-Signature", "v1="+timedSum), signature.ErrMalformed},
		{"stripe with two times", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000,t=1700000001,v1="+timedSum), signature.ErrMalformed},
		{"stripe with another time", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000001,v1="+timedSum), signature.ErrMismatch},
		{"stripe stale", "stripe", "mySecret", headers("Stripe-Signature", "t=1600000000,v1="+timedSum), signature.ErrStale},
		{"stripe with too many", "stripe", "mySecret", headers("Stripe-Signature", "t=1700000000"+strings.Repeat(",v1="+timedSum, 9)), signature.ErrMalformed},

		{"standard", "standard", standardSecret, standard("v1," + standardSum), nil},
		{"standard without prefix of the secret", "standard", standardSecret[6:], standard("v1," + standardSum), nil},
		{"standard while rotating", "standard", standardSecret, standard("v1,"+strings.Repeat("A", 43)+"=", "v1,"+standardSum), nil},
		{"standard with a malformed one before", "standard", standardSecret, standard("v1,", "v1,"+standardSum[:40], "v1,"+strings.Repeat("!", 44), "v1,"+standardSum), nil},
		{"standard with a malformed one behind", "standard", standardSecret, standard("v1,"+standardSum, "v1,abc", "v2,abc"), nil},
		{"standard with a public key", "standard", standardSecret, standard("v1a,"+strings.Repeat("A", 86)+"==", "v1,"+standardSum), nil},
		{"standard with a public key only", "standard", standardSecret, standard("v1a," + standardSum), signature.ErrMalformed},
		{"standard cut", "standard", standardSecret, standard("v1," + standardSum[:40]), signature.ErrMalformed},
		{"standard not base64", "standard", standardSecret, standard("v1," + strings.Repeat("!", 44)), signature.ErrMalformed},
		{"standard with a dot in the id", "standard", standardSecret, headers("webhook-id", "msg.1", "webhook-timestamp", "1700000000", "webhook-signature", "v1,"+standardSum), signature.ErrMalformed},
		{"standard with another id", "standard", standardSecret, headers("webhook-id", "msg_2", "webhook-timestamp", "1700000000", "webhook-signature", "v1,"+standardSum), signature.ErrMismatch},
		{"standard without id", "standard", standardSecret, headers("webhook-timestamp", "1700000000", "webhook-signature", "v1,"+standardSum), signature.ErrMissing},
		{"standard stale", "standard", standardSecret, headers("webhook-id", "msg_1", "webhook-timestamp", "1699999000", "webhook-signature", "v1,"+standardSum), signature.ErrStale},
		{"svix", "svix", standardSecret, headers("svix-id", "msg_1", "svix-timestamp", "1700000000", "svix-signature", "v1,"+standardSum), nil},
		{"svix by the other headers", "svix", standardSecret, standard("v1," + standardSum), signature.ErrMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := signature.ByName(tt.scheme)
			if err != nil {
				t.Fatal(err)
			}
			v := verifier(t, signature.Options{Scheme: s, Secrets: []string{"bm90IHRoaXMgb25lLCBub3QgdGhpcyBvbmUu", tt.secret}})
			if err := acceptedAt(v, at, tt.h, []byte(body)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				if err := acceptedAt(v, at, tt.h, []byte(body+" ")); !errors.Is(err, signature.ErrMismatch) {
					t.Errorf("with another body: got %v, want ErrMismatch", err)
				}
			}
		})
	}
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestDeliveryIDs(t *testing.T) {
	zeros := strings.Repeat("0", 64)
	for _, tt := range []struct {
		scheme signature.Scheme
		h      http.Header
		want   string
	}{
		{signature.GitHub, headers("X-Hub-Signature-256", "sha256="+zeros, "X-GitHub-Delivery", "d-1"), "d-1"},
		{signature.StandardWebhooks, headers("webhook-id", "msg_1", "webhook-timestamp", "1", "webhook-signature", "v1,"+strings.Repeat("A", 43)+"="), "msg_1"},
		{signature.HexHeader(""), headers("X-Signature", zeros), ""},
	} {
		if c, err := tt.scheme.Claim(&http.Request{Header: tt.h}); err != nil || c.ID != tt.want {
			t.Errorf("%s: got id %q, %v, want %q", tt.scheme.Name(), c.ID, err, tt.want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		o    signature.Options
		want string
	}{
		"no scheme":                    {signature.Options{Secrets: []string{"x"}}, "Scheme"},
		"no secret":                    {signature.Options{Scheme: signature.GitHub}, "Secrets of github"},
		"an empty secret":              {signature.Options{Scheme: signature.GitHub, Secrets: []string{"x", ""}}, "number 2 is empty"},
		"a negative tolerance":         {signature.Options{Scheme: signature.SlackV0, Secrets: []string{"x"}, Tolerance: -1}, "Tolerance"},
		"a short standard secret":      {signature.Options{Scheme: signature.StandardWebhooks, Secrets: []string{"whsec_c2hvcnQtY2FuYXJ5"}}, "24 to 64 bytes"},
		"a standard secret not base64": {signature.Options{Scheme: signature.StandardWebhooks, Secrets: []string{"canary canary canary canary"}}, "base64"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signature.New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("New: %v, want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "c2hvcnQ") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestByName(t *testing.T) {
	for _, name := range signature.Names() {
		if s, err := signature.ByName(name); err != nil || s.Name() != name {
			t.Errorf("ByName(%q) = %v, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "Slack", "md5", "slack:X", "hex:"} {
		if s, err := signature.ByName(name); err == nil {
			t.Errorf("ByName(%q) = %v, want an error", name, s)
		}
	}
}

func TestSignStandard(t *testing.T) {
	const first, second = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u", "whsec_bm90IHRoaXMgb25lLCBub3QgdGhpcyBvbmUu"
	h := http.Header{}
	if err := signature.SignStandard(h, []string{first, second}, "msg_1", at, []byte("body")); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{first, second} {
		v := verifier(t, signature.Options{Scheme: signature.StandardWebhooks, Secrets: []string{s}})
		if err := acceptedAt(v, at, h, []byte("body")); err != nil {
			t.Errorf("a receiver with one of two secrets: %v", err)
		}
	}
	if err := signature.SignStandardID(h, []string{first}, "a.b", at, []byte("body")); err != nil || h.Get("Webhook-Id") != "a.b" {
		t.Errorf("SignStandardID with a dotted id: %v, headers %v", err, h)
	}
	for name, err := range map[string]error{
		"no secret":    signature.SignStandard(h, nil, "msg_1", at, nil),
		"no id":        signature.SignStandard(h, []string{first}, "", at, nil),
		"a dotted id":  signature.SignStandard(h, []string{first}, "a.b", at, nil),
		"a bad secret": signature.SignStandard(h, []string{"x"}, "a", at, nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzClaim feeds every scheme any header: it must not panic, and must not accept.
func FuzzClaim(f *testing.F) {
	for _, s := range []string{"v0=00", "sha256=00", "Bearer 00", "t=1,v1=00,v1=", "v1,AAAA v1,", "1700000000", ""} {
		f.Add(s, s, s)
	}
	names := [][3]string{
		{"X-Slack-Signature", "X-Slack-Request-Timestamp", ""},
		{"X-Signature", "", ""},
		{"Authorization", "", ""},
		{"Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"},
		{"Svix-Signature", "Svix-Timestamp", "Svix-Id"},
		{"X-Hub-Signature-256", "X-Github-Delivery", ""},
		{"Stripe-Signature", "", ""},
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for i, name := range signature.Names() {
			s, err := signature.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			for j, v := range []string{a, b, c} {
				if names[i][j] != "" {
					h[names[i][j]] = []string{v}
				}
			}
			v := verifier(t, signature.Options{Scheme: s, Secrets: []string{"whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"}})
			if accepted(v, h, []byte("body")) == nil {
				t.Errorf("%s accepted %q", name, h)
			}
		}
	})
}
