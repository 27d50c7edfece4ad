package webhook_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/yamldoc"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

var sourceEnv = yamldoc.Env{Lookup: func(name string) (string, bool) {
	v, ok := map[string]string{
		"SHOP_SECRET": "shop-secret", "OLD_SECRET": "old-secret",
		"WHSEC": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "HUB": "github-secret", "STRIPE": "stripe-secret",
	}[name]
	return v, ok
}}

const sourceFile = `
sources:
  - name: shop
    secret_env: [SHOP_SECRET, OLD_SECRET]
    header: X-Shop-Sig
    id: order.id
    type: topic
  - {name: standard, scheme: standard, secret_env: WHSEC, tolerance: 1m}
  - {name: repo, scheme: github, secret_env: HUB}
  - {name: pay, scheme: stripe, secret_env: STRIPE}
  - {name: plain, secret_env: SHOP_SECRET}
`

func TestSourcesOfAFile(t *testing.T) {
	sources, err := webhook.ParseSources("sources.yaml", []byte(sourceFile), sourceEnv, "")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *webhook.Options) { o.Sources = sources })
	body := `{"order":{"id":"o-1"},"topic":"order.paid"}`
	standard := func(at time.Time) http.Header {
		h := http.Header{}
		if err := signature.SignStandard(h, []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "msg_1", at, []byte(body)); err != nil {
			t.Fatal(err)
		}
		return h
	}
	for name, tc := range map[string]struct {
		path string
		h    http.Header
		want int
	}{
		"the new secret":                   {"/events/shop", http.Header{"X-Shop-Sig": {signature.SignHex("shop-secret", []byte(body))}}, 200},
		"the old secret":                   {"/events/shop", http.Header{"X-Shop-Sig": {signature.SignHex("old-secret", []byte(body))}}, 200},
		"another header":                   {"/events/shop", http.Header{"X-Signature": {signature.SignHex("shop-secret", []byte(body))}}, 401},
		"another source's":                 {"/events/plain", http.Header{"X-Signature": {signature.SignHex("old-secret", []byte(body))}}, 401},
		"Standard Webhooks":                {"/events/standard", standard(time.Now()), 200},
		"beyond its tolerance":             {"/events/standard", standard(time.Now().Add(-2 * time.Minute)), 401},
		"GitHub":                           {"/events/repo", http.Header{"X-Hub-Signature-256": {"sha256=" + signature.SignHex("github-secret", []byte(body))}, "X-Github-Delivery": {"d-1"}, "X-Github-Event": {"push"}}, 200},
		"a source that is not in the file": {"/events/other", nil, 404},
	} {
		got := r.post(tc.path, []byte(body), func(req *http.Request) { maps.Copy(req.Header, tc.h) })
		if got.status != tc.want {
			t.Errorf("%s: %d, want %d", name, got.status, tc.want)
		}
	}
	page, err := r.q.History(t.Context(), event.Query{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, e := range page.Events {
		seen[e.Source] = e.ID + " " + e.Kind.String()
	}
	for source, want := range map[string]string{"shop": "o-1 order.paid", "standard": "msg_1 standard", "repo": "d-1 push"} {
		if seen[source] != want {
			t.Errorf("the event of %s is %q, want %q", source, seen[source], want)
		}
	}
}

func TestSourcesThatCannotBeServed(t *testing.T) {
	_, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: a, secret_env: NOT_SET}
  - {name: b, scheme: standard, secret_env: SHOP_SECRET}
  - {name: slack, secret_env: SHOP_SECRET}
  - {name: c, scheme: sha1, secret_env: SHOP_SECRET}
  - {name: d, secret_env: "hunter2 is my secret"}
  - {name: e, secret_env: SHOP_SECRET, id: "a..b"}
  - {name: e, scheme: github, header: X-Y, secret_env: SHOP_SECRET}
  - {name: UPPER, secret_env: SHOP_SECRET}
  - {name: f}
  - {name: receipts, secret_env: SHOP_SECRET}
  - {name: gaps, secret_env: SHOP_SECRET}
`), sourceEnv, "")
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	for _, want := range []string{
		"line 2: source a has no secret: NOT_SET is not set", "line 3: source b cannot be served: ", "whsec_", `line 4: source slack cannot be served: name "slack" is taken`,
		`line 5: scheme "sha1" does not fit: write one of hex, bearer`, "line 6: secret_env does not fit", "line 7: source e cannot be served: ID: path",
		"line 8: name e is taken", "names a header", "line 9: source UPPER", "line 10: source f has no secret",
		`line 11: source receipts cannot be served: name "receipts" is taken`, `line 12: source gaps cannot be served: name "gaps" is taken`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the error lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") || strings.Contains(text, "shop-secret") {
		t.Errorf("the error holds a secret:\n%s", text)
	}
}

// TestSourcesOfEveryForm reads a source of every way to say how its sender signs.
func TestSourcesOfEveryForm(t *testing.T) {
	sources, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: a, provider: shopify, secret_env: SHOP_SECRET}
  - {name: b, provider: meta, secret_env: SHOP_SECRET, verify_env: OLD_SECRET}
  - {name: c, provider: pubsub, audience: "https://x.example", subject: robot@x.example}
  - {name: d, scheme: token, header: x-own-token, secret_env: SHOP_SECRET}
  - {name: e, scheme: basic, secret_env: SHOP_SECRET}
  - name: f
    secret_env: SHOP_SECRET
    signature: {at: header:X-F, algorithm: hmac-sha512, encoding: base64, signs: "{timestamp}.{body}", time: header:X-T, unit: ms, prefix: v1=}
  - {name: g, jwt: {issuer: me, body_hash: hash}, secret_env: SHOP_SECRET}
  - {name: h, provider: twilio, secret_env: SHOP_SECRET}
  - {name: i, provider: square, secret_env: SHOP_SECRET, url: "https://other.example/hook"}
`), sourceEnv, "https://events.example.com")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *webhook.Options) { o.Sources, o.PublicURL = sources, "https://events.example.com" })
	now := time.Now()
	for _, s := range sources {
		if s.Provider == "pubsub" {
			continue // Only Google can sign.
		}
		scheme, address := s.Scheme, "https://events.example.com/events/"+s.Name
		if s.Provider != "" {
			p, err := provider.Find(s.Provider)
			if err != nil {
				t.Fatal(err)
			}
			scheme = p.Scheme
		}
		if s.URL != "" {
			address = s.URL
		}
		sign := func(secret string) func(*http.Request) {
			return func(req *http.Request) {
				asForm(req)
				if err := signature.Sign(scheme, secret, signature.Posting{Request: req, Body: []byte("a=1"), At: now, URL: address}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := r.post("/events/"+s.Name, []byte("a=1"), sign(s.Secrets[0])); got.status != 200 {
			t.Errorf("%s: %+v", s.Name, got)
		}
		if got := r.post("/events/"+s.Name, []byte("a=1"), sign("another secret")); got.status != 401 {
			t.Errorf("%s with another secret: %+v", s.Name, got)
		}
	}
}

func TestSourcesThatContradictThemselves(t *testing.T) {
	_, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: a, provider: shopify, scheme: hex, secret_env: SHOP_SECRET}
  - {name: b, provider: shopfy, secret_env: SHOP_SECRET}
  - {name: c, provider: pubsub}
  - {name: d, provider: pubsub, audience: x, secret_env: SHOP_SECRET}
  - {name: e, provider: meta, secret_env: SHOP_SECRET}
  - {name: f, provider: twilio, secret_env: SHOP_SECRET}
  - {name: g, scheme: token, secret_env: SHOP_SECRET}
  - {name: h, signature: {at: header:X, signs: "{what}"}, secret_env: SHOP_SECRET}
  - {name: i, provider: github, header: X-Y, secret_env: SHOP_SECRET}
  - {name: j, provider: discord, secret_env: SHOP_SECRET}
  - {name: k, provider: sns, secret_env: SHOP_SECRET}
`), sourceEnv, "")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"line 2: source a cannot be served: name one of provider", `line 3: provider "shopfy" does not fit`, "line 4: source c cannot be served: signature: the audience",
		"line 5: source d names a secret", "line 6: source e has no verify token", "line 7: source f cannot be served: signature: URL is required",
		"line 8: source g cannot be served: the scheme token needs header", "line 9: source h cannot be served: signature: {what}", "line 10: source i cannot be served: it names a header",
		"line 11: source j cannot be served", "public key", "line 12: source k cannot be served", "ARN of the topic",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestSourcesSchema(t *testing.T) {
	b, err := webhook.SourcesSchema()
	if err != nil || !strings.Contains(string(b), `"secret_env"`) {
		t.Errorf("SourcesSchema: %v %s", err, b)
	}
}

// nowhere publishes nothing.
type nowhere struct{ webhook.Publisher }

func FuzzParseSources(f *testing.F) {
	f.Add([]byte(sourceFile))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := webhook.ParseSources("f", content, sourceEnv, "")
		if err == nil && len(list) > 0 {
			if _, err := webhook.New(webhook.Options{Publisher: nowhere{}, Sources: list}); err != nil {
				t.Errorf("what ParseSources took New refuses: %v", err)
			}
		}
	})
}

// A source says which people are shown its events; without it nobody is.
func TestPeopleOfSources(t *testing.T) {
	sources, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: a, secret_env: SHOP_SECRET, people: all}
  - {name: b, secret_env: SHOP_SECRET, people: [T0123456789/U0123456789, W0123456789]}
  - {name: c, secret_env: SHOP_SECRET, people: none}
  - {name: d, secret_env: SHOP_SECRET}
`), sourceEnv, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{webhook.AllPeople}, {"T0123456789/U0123456789", "W0123456789"}, {"none"}, nil} {
		if !slices.Equal(sources[i].People, want) {
			t.Errorf("source %s: %v", sources[i].Name, sources[i].People)
		}
	}
	_, err = webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: a, secret_env: SHOP_SECRET, people: everybody}
  - {name: b, secret_env: SHOP_SECRET, people: [all, U0123456789]}
  - {name: c, secret_env: SHOP_SECRET, people: [ann@example.com]}
`), sourceEnv, "")
	for _, want := range []string{`line 2: people "everybody" does not fit: write all, none, or people`, "line 3: source b names people beside all or none", "line 4: people \"ann@example.com\" does not fit"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}
