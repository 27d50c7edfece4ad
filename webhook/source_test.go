package webhook_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
)

// contacts registers the two endpoints of the mission's text.
func contacts(o *webhook.Options) {
	o.Sources = []webhook.Source{
		{Name: "contact_created", Secrets: []string{"contact-secret"}},
		{Name: "payment_succeeded", Secrets: []string{"stripe-secret"}},
	}
}

// xSignature signs as the seed's senders do.
func xSignature(secret string, body string) func(*http.Request) {
	return with("X-Signature", hexMAC(secret, body))
}

func TestSource(t *testing.T) {
	const contact = `{"email":"ada@example.com","name":"Ada","type":"lead","id":"c-1"}`
	const queued, refused = `{"status":"queued"}`, `{"error":"invalid signature"}`
	tests := []struct {
		name   string
		path   string
		body   string
		change []func(*http.Request)
		status int
		want   string
		stored bool
		enc    event.Encoding
	}{
		{"JSON", "/events/contact_created", contact, []func(*http.Request){xSignature("contact-secret", contact)}, 200, queued, true, event.JSON},
		{"JSON that says to be a form", "/events/contact_created", contact, []func(*http.Request){xSignature("contact-secret", contact), asForm}, 200, queued, true, event.JSON},
		{"JSON that says nothing", "/events/contact_created", contact, []func(*http.Request){xSignature("contact-secret", contact), without("Content-Type")}, 200, queued, true, event.JSON},
		{"a list", "/events/contact_created", "[1]", []func(*http.Request){xSignature("contact-secret", "[1]")}, 200, queued, true, event.JSON},
		{"a form", "/events/contact_created", "a=1", []func(*http.Request){xSignature("contact-secret", "a=1"), asForm}, 200, queued, true, event.Form},
		{"a form that says to be JSON", "/events/contact_created", "a=1", []func(*http.Request){xSignature("contact-secret", "a=1")}, 200, queued, true, event.Form},
		{"the other endpoint's secret", "/events/payment_succeeded", contact, []func(*http.Request){xSignature("contact-secret", contact)}, 401, refused, false, 0},
		{"no signature", "/events/contact_created", contact, nil, 401, refused, false, 0},
		{"another body's signature", "/events/contact_created", contact, []func(*http.Request){xSignature("contact-secret", "{}")}, 401, refused, false, 0},
		{"an endpoint without a source", "/events/unknown", contact, []func(*http.Request){xSignature("contact-secret", contact)}, 404, `{"error":"unregistered endpoint"}`, false, 0},
		{"no endpoint", "/events/", contact, nil, 404, `{"error":"unregistered endpoint"}`, false, 0},
		{"a path below", "/events/contact_created/x", contact, nil, 404, `{"error":"unregistered endpoint"}`, false, 0},
		{"slack's name as a source", "/events/slack", contact, nil, 404, `{"error":"unregistered endpoint"}`, false, 0},
		{"receipts that are not configured", "/webhooks", contact, nil, 404, `{"error":"unregistered endpoint"}`, false, 0},
		{"empty", "/events/contact_created", "", []func(*http.Request){xSignature("contact-secret", "")}, 400, `{"error":"ill-formed body","detail":"body is empty"}`, false, 0},
		{"not UTF-8", "/events/contact_created", "\xff", []func(*http.Request){xSignature("contact-secret", "\xff")}, 400, `{"error":"ill-formed body","detail":"body is not UTF-8"}`, false, 0},
		{"GET", "/events/contact_created", "", []func(*http.Request){method(http.MethodGet)}, 405, `{"error":"method not allowed","detail":"use POST"}`, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, contacts)
			r.post(tt.path, []byte(tt.body), tt.change...).want(t, tt.status, tt.want)
			events := r.stored()
			if (len(events) == 1) != tt.stored {
				t.Fatalf("stored %d events, want one: %v", len(events), tt.stored)
			}
			if !tt.stored {
				return
			}
			want := event.DerivedID("contact_created", []byte(tt.body))
			if e := events[0]; e.Source != "contact_created" || e.Kind.String() != "contact_created" || e.ID != want || e.Encoding != tt.enc || string(e.Raw) != tt.body {
				t.Errorf("stored %+v, want the contact with an id of its body: a member named id never counts", e)
			}
		})
	}
}

func TestUnregisteredIsAnsweredBeforeTheBody(t *testing.T) {
	r := newRig(t, contacts)
	got := r.post("/events/unknown", large(2<<20))
	got.want(t, 404, `{"error":"unregistered endpoint"}`)
	if ob := r.observed(1); ob.Bytes != 0 || ob.Source != "" {
		t.Errorf("observed %d bytes of %q, want none without a source", ob.Bytes, ob.Source)
	}
}

func TestNamedSchemes(t *testing.T) {
	const standardSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
	sources := func(o *webhook.Options) {
		o.Sources = []webhook.Source{
			{Name: "github", Scheme: signature.GitHub, Secrets: []string{"gh"}},
			{Name: "stripe", Scheme: signature.Stripe, Secrets: []string{"st"}},
			{Name: "clerk", Scheme: signature.StandardWebhooks, Secrets: []string{standardSecret}},
			{Name: "shop", Scheme: signature.HexHeader("X-Shop"), Secrets: []string{"sh"}, ID: "order.id", Kind: "header:X-Topic", Subtype: "state"},
		}
	}
	now := time.Now().Unix()
	ts := strconv.FormatInt(now, 10)
	standard := func(body string) func(*http.Request) {
		return func(r *http.Request) {
			if err := signature.SignStandard(r.Header, []string{standardSecret}, "msg_7", time.Unix(now, 0), []byte(body)); err != nil {
				t.Error(err)
			}
		}
	}
	tests := []struct {
		name, source, body string
		change             []func(*http.Request)
		id, kind           string
		timed              bool
	}{
		{"github", "github", `{"action":"opened","id":"no"}`, []func(*http.Request){
			with("X-Hub-Signature-256", "sha256="+hexMAC("gh", `{"action":"opened","id":"no"}`)), with("X-GitHub-Delivery", "d-1"), with("X-GitHub-Event", "pull_request"),
		}, "d-1", "pull_request/opened", false},
		{"github as a form", "github", "payload=%7B%22action%22%3A%22closed%22%7D", []func(*http.Request){
			asForm, with("X-Hub-Signature-256", "sha256="+hexMAC("gh", "payload=%7B%22action%22%3A%22closed%22%7D")), with("X-GitHub-Delivery", "d-2"), with("X-GitHub-Event", "issues"),
		}, "d-2", "issues/closed", false},
		{"stripe", "stripe", `{"id":"evt_1","type":"charge.succeeded"}`, []func(*http.Request){
			with("Stripe-Signature", "t="+ts+",v1="+hexMAC("st", ts+".", `{"id":"evt_1","type":"charge.succeeded"}`)),
		}, "evt_1", "charge.succeeded", true},
		{"standard webhooks", "clerk", `{"type":"user.created"}`, []func(*http.Request){standard(`{"type":"user.created"}`)}, "msg_7", "user.created", true},
		{"paths of one's own", "shop", `{"order":{"id":77},"state":"paid"}`, []func(*http.Request){
			with("X-Shop", hexMAC("sh", `{"order":{"id":77},"state":"paid"}`)), with("X-Topic", "orders"),
		}, "77", "orders/paid", false},
		{"a field of a form", "shop", `order.id=78&state=open`, []func(*http.Request){
			with("X-Shop", hexMAC("sh", `order.id=78&state=open`)),
		}, "78", "shop/open", false},
		{"nothing at the paths", "shop", `{"a":1}`, []func(*http.Request){with("X-Shop", hexMAC("sh", `{"a":1}`))}, event.DerivedID("shop", []byte(`{"a":1}`)), "shop", false},
		{"an id that is far too long", "shop", `{"order":{"id":"` + strings.Repeat("x", 600) + `"}}`, []func(*http.Request){
			with("X-Shop", hexMAC("sh", `{"order":{"id":"`+strings.Repeat("x", 600)+`"}}`)),
		}, event.DerivedID("shop", []byte(`{"order":{"id":"`+strings.Repeat("x", 600)+`"}}`)), "shop", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, sources)
			for range 2 {
				r.post("/events/"+tt.source, []byte(tt.body), tt.change...).want(t, 200, `{"status":"queued"}`)
			}
			events := r.stored()
			if len(events) != 1 {
				t.Fatalf("stored %d events, want one of two copies", len(events))
			}
			e := events[0]
			if e.Source != tt.source || e.ID != tt.id || e.Kind.String() != tt.kind || (e.At.Unix() == now) != tt.timed {
				t.Errorf("stored %s %s %s at %v, want %s %s %s", e.Source, e.ID, e.Kind, e.At, tt.source, tt.id, tt.kind)
			}
		})
	}
}

// TestACopyWithoutTimestampIsADuplicateWhileItsEventIsKept sends a copy after the store has
// forgotten the id: the signature has no timestamp and is as good as ever.
func TestACopyWithoutTimestampIsADuplicateWhileItsEventIsKept(t *testing.T) {
	now := time.Now()
	q, err := memory.New(memory.Options{RetentionAge: -1, DedupeTTL: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, contacts, receipts, func(o *webhook.Options) { o.Publisher = q })
	const contact, receipt = `{"email":"ada@example.com"}`, `{"id":"m","status":"queued"}`
	for i, want := range []webhook.Outcome{webhook.Accepted, webhook.Duplicate} {
		r.post("/events/contact_created", []byte(contact), xSignature("contact-secret", contact)).want(t, 200, `{"status":"queued"}`)
		r.post("/webhooks", []byte(receipt), bearer(receipt)).want(t, 200, `{"message":"Webhook processed successfully."}`)
		if a, b := r.observed(2*i+1).Outcome, r.observed(2*i+2).Outcome; a != want || b != want {
			t.Errorf("copy %d was %s and %s, want %s", i+1, a, b, want)
		}
		now = now.Add(30 * 24 * time.Hour)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	store := storeFunc(nil)
	source := func(s webhook.Source) webhook.Options {
		return webhook.Options{Publisher: store, Sources: []webhook.Source{s}}
	}
	one := []string{"canary"}
	for name, tt := range map[string]struct {
		o    webhook.Options
		want string
	}{
		"no publisher":             {webhook.Options{SlackSecrets: one}, "Publisher"},
		"no secret at all":         {webhook.Options{Publisher: store}, "no secret"},
		"an empty secret":          {webhook.Options{Publisher: store, SlackSecrets: []string{""}}, "SlackSecrets"},
		"an empty receipt secret":  {webhook.Options{Publisher: store, ReceiptSecrets: []string{" "}}, "ReceiptSecrets"},
		"a negative limit":         {webhook.Options{Publisher: store, SlackSecrets: one, MaxBodyBytes: -1}, "MaxBodyBytes"},
		"a budget below the limit": {webhook.Options{Publisher: store, SlackSecrets: one, BodyBudget: 10}, "BodyBudget"},
		"a source without secret":  {source(webhook.Source{Name: "x"}), "(x)"},
		"a source without name":    {source(webhook.Source{Secrets: one}), "name"},
		"a source in upper case":   {source(webhook.Source{Name: "X", Secrets: one}), "name"},
		"a source with a slash":    {source(webhook.Source{Name: "a/b", Secrets: one}), "name"},
		"a source of dots":         {source(webhook.Source{Name: "..", Secrets: one}), "name"},
		"a source named none":      {source(webhook.Source{Name: "none", Secrets: one}), "choose another"},
		"a source named other":     {source(webhook.Source{Name: "other", Secrets: one}), "choose another"},
		"a source named slack":     {source(webhook.Source{Name: "slack", Secrets: one}), "taken"},
		"an ill path":              {source(webhook.Source{Name: "x", Secrets: one, ID: "a..b"}), "ID"},
		"an ill header":            {source(webhook.Source{Name: "x", Secrets: one, Kind: "header:"}), "Kind"},
		"the same source twice": {webhook.Options{Publisher: store, Sources: []webhook.Source{
			{Name: "x", Secrets: one}, {Name: "x", Secrets: one},
		}}, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("New: %v, want an error with %q and without the secret", err, tt.want)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	r := newRig(t, contacts, func(o *webhook.Options) { o.ReceiptSecrets = []string{"x"} })
	want := "/events/contact_created /events/payment_succeeded /slack/events /webhooks"
	if got := strings.Join(r.rc.Paths(), " "); got != want {
		t.Errorf("Paths() = %s, want %s", got, want)
	}
}
