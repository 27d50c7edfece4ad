package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// TestHeadersThatASourceNamesAreKept posts to a source that names headers, and to one that names none.
func TestHeadersThatASourceNamesAreKept(t *testing.T) {
	sources, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: shop, secret_env: SHOP_SECRET, keep_headers: [x-shop-domain, X-Topic, X-Absent, X-Long, X-Twice]}
  - {name: plain, secret_env: SHOP_SECRET}
`), sourceEnv, "")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *webhook.Options) { o.Sources = sources })
	for _, name := range []string{"shop", "plain"} {
		body := `{"of":"` + name + `"}`
		r.post("/events/"+name, []byte(body), xSignature("shop-secret", body), func(req *http.Request) {
			req.Header.Set("X-Shop-Domain", "ada.example")
			req.Header.Set("X-Topic", "orders/paid: now")
			req.Header.Set("X-Other", "not kept")
			req.Header.Set("Authorization", "Bearer not kept")
			req.Header.Set("X-Long", strings.Repeat("x", event.MaxHeaderValue+1))
			req.Header["X-Twice"] = []string{"a", "b"}
		}).want(t, 200, `{"status":"queued"}`)
	}
	for _, e := range r.stored() {
		want := event.Headers("X-Shop-Domain: ada.example\nX-Topic: orders/paid: now\nX-Twice: a, b\n")
		if e.Source == "plain" {
			want = ""
		}
		if e.Headers != want {
			t.Errorf("of %s are kept %q, want %q", e.Source, e.Headers, want)
		}
		if v, ok := e.Headers.Get("x-topic"); ok != (want != "") || ok && v != "orders/paid: now" {
			t.Errorf("Get = %q, %v", v, ok)
		}
	}
}

// TestTheHeaderOfATypeIsKept posts to sources whose type, or subtype, is in a header.
func TestTheHeaderOfATypeIsKept(t *testing.T) {
	sources, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: repo, provider: github, secret_env: SHOP_SECRET}
  - {name: shop, secret_env: SHOP_SECRET, type: "header:X-Topic or topic", subtype: "header:x-part", keep_headers: X-Topic}
`), sourceEnv, "")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *webhook.Options) { o.Sources = sources })
	const body = `{"action":"opened"}`
	r.post("/events/repo", []byte(body), with("X-Hub-Signature-256", "sha256="+hexMAC("shop-secret", body)), with("X-GitHub-Event", "issues")).want(t, 200, `{"status":"queued"}`)
	r.post("/events/shop", []byte(body), xSignature("shop-secret", body), with("X-Topic", "a"), with("X-Part", "b")).want(t, 200, `{"status":"queued"}`)
	for _, e := range r.stored() {
		want := map[string]event.Headers{"repo": "X-Github-Event: issues\n", "shop": "X-Part: b\nX-Topic: a\n"}[e.Source]
		if e.Headers != want {
			t.Errorf("of %s are kept %q, want %q", e.Source, e.Headers, want)
		}
	}
	_, err = webhook.ParseSources("sources.yaml", []byte("sources:\n  - {name: a, secret_env: SHOP_SECRET, type: header:Authorization}\n"), sourceEnv, "")
	if err == nil || !strings.Contains(err.Error(), "the header Authorization") {
		t.Errorf("a type in a credential: %v", err)
	}
}

// TestHeadersThatCannotBeKept names headers that hold a credential or the signature.
func TestHeadersThatCannotBeKept(t *testing.T) {
	_, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: a, secret_env: SHOP_SECRET, keep_headers: authorization}
  - {name: b, secret_env: SHOP_SECRET, keep_headers: [X-A, cookie]}
  - {name: c, secret_env: SHOP_SECRET, keep_headers: x-other-signature}
  - {name: d, secret_env: SHOP_SECRET, header: X-Mine, keep_headers: x-mine}
  - {name: e, provider: gitlab, secret_env: SHOP_SECRET, keep_headers: X-Gitlab-Token}
  - {name: f, secret_env: SHOP_SECRET, keep_headers: "a b"}
  - {name: g, secret_env: SHOP_SECRET, keep_headers: [X-A, x-a]}
  - {name: h, secret_env: SHOP_SECRET, keep_headers: [A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17]}
  - {name: i, secret_env: SHOP_SECRET, keep_headers: X-Api-Key}
`), sourceEnv, "")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"line 2: source a cannot be served: it cannot keep the header Authorization", "line 3: source b cannot be served: it cannot keep the header Cookie",
		"line 4: source c cannot be served: it cannot keep the header X-Other-Signature", "line 5: source d cannot be served: it cannot keep the header X-Mine",
		"line 6: source e", "line 7: source f", "line 8: source g cannot be served: it keeps the header X-A twice", "line 9: source h cannot be served: it keeps 17", "line 10: source i",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
