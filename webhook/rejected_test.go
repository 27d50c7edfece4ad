package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"slackmcp/webhook"
)

// TestRejectedDeliveriesCanBeLookedAt refuses requests of sources that keep nothing, headers and bodies.
func TestRejectedDeliveriesCanBeLookedAt(t *testing.T) {
	sources, err := webhook.ParseSources("sources.yaml", []byte(`sources:
  - {name: nothing, secret_env: SHOP_SECRET}
  - {name: names, secret_env: SHOP_SECRET, keep_rejected: headers}
  - {name: body, secret_env: SHOP_SECRET, keep_rejected: body}
  - {name: member, provider: figma, secret_env: SHOP_SECRET, keep_rejected: body}
`), sourceEnv, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	r := newRig(t, func(o *webhook.Options) { o.Sources, o.Now = sources, func() time.Time { return now } })
	body := `{"name":"ada","api_key":"canary-key"}`
	for _, name := range []string{"nothing", "names", "body", "member"} {
		for range 2 { // The second is like the first, and is counted alone.
			if got := r.post("/events/"+name, []byte(body), xSignature("another-secret", body), with("X-Shop", "canary-value")); got.status != http.StatusUnauthorized {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	r.post("/events/body", []byte("{"), xSignature("another-secret", body))
	r.post("/events/names", []byte(body)).want(t, 401, `{"error":"invalid signature"}`)
	r.post("/events/body", []byte(body), xSignature("shop-secret", body)).want(t, 200, `{"status":"queued"}`)
	r.observed(11)
	seen := map[string]webhook.Rejected{}
	for _, one := range r.rc.Rejected() {
		seen[one.Source+" "+one.Reason] = one
		if text := fmt.Sprintf("%+v", one); strings.Contains(text, "canary") || one.ID == "" || one.Status != 401 {
			t.Errorf("kept %s", text)
		}
	}
	if len(seen) != len(r.rc.Rejected()) || len(seen) != 4 {
		t.Errorf("kept %+v, want one of each kind and none of the source that keeps nothing", seen)
	}
	one := seen["body mismatch"]
	if one.Body != `{"name":"ada"}` || one.Bytes != len(body) || one.Headers["X-Shop"] != len("canary-value") || strings.Join(one.Expected, ",") != "X-Signature" || strings.Join(one.Came, ",") != "X-Signature" {
		t.Errorf("with its body is kept %+v", one)
	}
	if one := seen["names missing"]; len(one.Came) > 0 || one.Bytes > 0 || one.Body != "" {
		t.Errorf("without a signature is kept %+v", one)
	}
	if one := seen["member missing"]; strings.Join(one.Expected, ",") != "passcode in the body" {
		t.Errorf("of a sender that signs a member is kept %+v", one)
	}
	if events := r.stored(); len(events) != 1 {
		t.Errorf("%d events are stored, want the one that is signed", len(events))
	}
	now = now.Add(25 * time.Hour)
	if left := r.rc.Rejected(); len(left) > 0 {
		t.Errorf("a day later are kept %+v", left)
	}
}

// TestALongUnsignedBodyIsNotReadAsJSON refuses bodies that have their secret in a member: of one that is long nobody looks
// whether there is something.
func TestALongUnsignedBodyIsNotReadAsJSON(t *testing.T) {
	t.Parallel()
	sources, err := webhook.ParseSources("sources.yaml", []byte("sources: [{name: design, provider: figma, secret_env: SHOP_SECRET, keep_rejected: headers}]\n"), sourceEnv, "")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{60 << 10: "passcode in the body", 65 << 10: ""} {
		r := newRig(t, func(o *webhook.Options) { o.Sources = sources })
		if got := r.post("/events/design", []byte(`{"passcode":"another","x":"`+strings.Repeat("x", n)+`"}`)); got.status != http.StatusUnauthorized {
			t.Errorf("%d bytes: %+v", n, got)
		}
		r.observed(1)
		list := r.rc.Rejected()
		if len(list) != 1 || strings.Join(list[0].Expected, ",") != "passcode in the body" || strings.Join(list[0].Came, ",") != want || list[0].Bytes < n {
			t.Errorf("of %d bytes is kept %+v, want that %q came", n, list, want)
		}
	}
}
