package webhook_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

//go:generate go test -run ^TestSenders$ . -update

var update = flag.Bool("update", false, "write the table of docs/testing.md anew")

// A delivered is one delivery of a provider, as scripts/senders made it.
type delivered struct {
	Provider string `json:"provider"`
	// How is "signs" or "accepts", of the provider's own Library, or "documented" without one.
	How       string            `json:"how"`
	Library   string            `json:"library"`
	At        int64             `json:"at"`
	Secret    string            `json:"secret"`
	URL       string            `json:"url"`
	Audience  string            `json:"audience"`
	Subject   string            `json:"subject"`
	Documents map[string]string `json:"documents"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
}

func deliveries(t *testing.T) []delivered {
	t.Helper()
	dir := os.DirFS("testdata/senders")
	files, err := fs.Glob(dir, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []delivered
	for _, name := range files {
		content, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		var d delivered
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list = append(list, d)
	}
	return list
}

// receiver is a rig with one source of the fixture's provider, at the fixture's clock and some time later.
func (d delivered) receiver(t *testing.T, later time.Duration) *rig {
	t.Helper()
	s := webhook.Source{Name: d.Provider, Provider: d.Provider, URL: d.URL, VerifyToken: "verify"}
	if d.Provider == "slack" {
		s.Name = "second" // The name is the first app's.
	}
	if d.Secret != "" {
		s.Secrets = []string{d.decoy(), d.Secret} // As while one replaces the other.
	}
	if d.Audience != "" {
		s.Audiences, s.Subjects = []string{d.Audience}, []string{d.Subject}
	}
	return newRig(t, func(o *webhook.Options) {
		o.Sources = []webhook.Source{s}
		o.Now = func() time.Time { return time.Unix(d.At, 0).Add(later) }
		o.Fetch = func(_ context.Context, url string) ([]byte, error) {
			if doc, ok := d.Documents[url]; ok {
				return []byte(doc), nil
			}
			return nil, fs.ErrNotExist
		}
	})
}

// decoy is another secret of the same form.
func (d delivered) decoy() string {
	switch {
	case strings.HasPrefix(d.Secret, "arn:"):
		return d.Secret + "-older"
	case d.Provider == "discord":
		return strings.Repeat("ab", 32)
	case d.Provider == "sendgrid":
		return d.Secret
	case strings.Contains(d.Secret, "whsec_") && d.Provider != "stripe":
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of the same form"))
	}
	return base64.StdEncoding.EncodeToString([]byte("another secret of the same form"))
}

// post delivers the fixture, after change has changed its headers or its body.
func (d delivered) post(r *rig, body string, change func(http.Header)) answer {
	r.t.Helper()
	path := "/events/" + d.Provider
	if d.Provider == "slack" {
		path = "/events/second"
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.srv.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, v := range d.Headers {
		req.Header.Set(name, v)
	}
	if change != nil {
		change(req.Header)
	}
	return r.do(req)
}

// vouching are the headers and members that say who sent a delivery that does not sign its body.
var vouching = map[string]string{
	"alertmanager": "Authorization", "chargebee": "Authorization", "cloudevents": "Authorization", "datadog": "Authorization", "eventgrid": "Authorization",
	"postmark": "Authorization", "pubsub": "Authorization", "gitlab": "X-Gitlab-Token", "telegram": "X-Telegram-Bot-Api-Secret-Token",
	"figma": "", "mailgun": "", "msgraph": "", // They stand in the body.
}

// forged is the delivery with one thing changed that its sender vouches for.
func (d delivered) forged(r *rig) answer {
	header, inHeader := vouching[d.Provider]
	if inHeader && header != "" {
		return d.post(r, d.Body, func(h http.Header) { h.Set(header, flipped(h.Get(header))) })
	}
	if inHeader {
		at := strings.LastIndex(d.Body, "0123456789abcdef") // the end of a token
		if d.Provider == "mailgun" {
			at = strings.Index(d.Body, `"signature":"`) + len(`"signature":"`)
		}
		return d.post(r, d.Body[:at]+flipped(d.Body[at:at+1])+d.Body[at+1:], nil)
	}
	other := strings.Replace(d.Body, "a", "b", 1)
	if other == d.Body {
		other += " "
	}
	return d.post(r, other, nil)
}

// flipped changes the letter in the middle of a text.
func flipped(s string) string {
	i, letter := len(s)/2, "A"
	if s[i] == 'A' {
		letter = "B"
	}
	return s[:i] + letter + s[i+1:]
}

// TestSenders replays what the providers' own libraries signed or accepted: every provider of the
// table is here, genuine, forged, stale where it signs the time, and sent again.
func TestSenders(t *testing.T) {
	seen := map[string]bool{}
	table := &strings.Builder{}
	table.WriteString("| provider | made by | genuine | forged | stale | sent again | id | type | asks for |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, d := range deliveries(t) {
		seen[d.Provider] = true
		t.Run(d.Provider, func(t *testing.T) {
			p, err := provider.Find(d.Provider)
			if err != nil {
				t.Fatal(err)
			}
			r := d.receiver(t, time.Second)
			if got := d.post(r, d.Body, nil); got.status != http.StatusOK {
				t.Fatalf("genuine: %+v", got)
			}
			if got := d.post(r, d.Body, nil); got.status != http.StatusOK {
				t.Errorf("sent again: %+v", got)
			}
			if got := d.forged(r); got.status != http.StatusUnauthorized {
				t.Errorf("forged: %+v", got)
			}
			if got := d.post(r, d.Body, func(h http.Header) { clear(h) }); got.status != http.StatusUnauthorized && vouching[d.Provider] != "" {
				t.Errorf("without headers: %+v", got)
			}
			events := r.stored()
			if len(events) != 1 {
				t.Fatalf("stored %d events, want 1", len(events))
			}
			e := events[0]
			if string(e.Raw) != d.Body || e.Kind.String() != d.Kind || d.ID != "" && e.ID != d.ID || d.ID == "" && !strings.HasPrefix(e.ID, "sha256-") {
				t.Errorf("stored %s %s, want %s %s, and the body as it came", e.ID, e.Kind, d.ID, d.Kind)
			}
			if pattern, err := event.ParsePattern(d.Kind); err != nil || !pattern.Match(&e) {
				t.Errorf("the pattern %s does not match its own event: %v", d.Kind, err)
			}
			stale := "-"
			if p.Timed() || p.Token != nil {
				late := d.receiver(t, 2*time.Hour)
				if got := d.post(late, d.Body, nil); got.status != http.StatusUnauthorized || late.observed(1).Outcome != webhook.Stale {
					t.Errorf("two hours later: %+v %v", got, late.observed(1).Outcome)
				}
				stale = "401"
			}
			by := "its documentation"
			if d.Library != "" {
				by = "`" + d.Library + "` " + d.How
			}
			id, kind := p.Places()
			asks := cmp.Or(provider.Handshakes[p.Handshake], "-")
			fmt.Fprintf(table, "| `%s` | %s | 200 | 401 | %s | stored once | %s | %s, here `%s` | %s |\n", d.Provider, by, stale, id, cmp.Or(kind, "the source's name"), d.Kind, asks)
		})
	}
	for _, name := range provider.Names() {
		if !seen[name] {
			t.Errorf("no delivery of %s is in testdata/senders", name)
		}
	}
	if !t.Failed() {
		renew(t, "../docs/testing.md", table.String())
	}
}

// renew holds the part of a page that is made here, or writes it anew.
func renew(t *testing.T, page, part string) {
	t.Helper()
	const begin, end = "<!-- Made by `webhook` TestSenders with `make docs`. -->\n", "<!-- The end of what is made. -->\n"
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the lines between which the table stands", page)
	}
	want := before + begin + "\n" + part + "\n" + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(content) != want {
		t.Errorf("%s is stale; renew it with `make docs`", page)
	}
}

// TestReceiptsOfProviders takes receipts as Twilio, Vonage and MessageBird post them.
func TestReceiptsOfProviders(t *testing.T) {
	for from, tc := range map[string]struct{ body, id, status, answer, lacking string }{
		"twilio":      {"MessageSid=SM1&MessageStatus=undelivered&To=%2B1", "SM1", "undelivered", "<Response/>", "MessageStatus=sent"},
		"vonage":      {`{"message_uuid":"u-1","status":"read","timestamp":"2026-01-01T00:00:00Z"}`, "u-1", "read", `{"message":"Webhook processed successfully."}`, `{"message_uuid":"u-1"}`},
		"messagebird": {`{"type":"message.updated","message":{"id":"m-1","status":"sent"}}`, "m-1", "sent", `{"message":"Webhook processed successfully."}`, `[]`},
	} {
		p, err := provider.Find(from)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, func(o *webhook.Options) {
			receipts(o)
			o.ReceiptProvider, o.PublicURL = from, "https://events.example.com/"
		})
		sign := func(body string) func(*http.Request) {
			return func(req *http.Request) {
				if from == "twilio" {
					asForm(req)
				}
				if err := signature.Sign(p.Scheme, receiptSecret, signature.Posting{Request: req, Body: []byte(body), At: time.Now(), URL: "https://events.example.com/webhooks"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.post("/webhooks", []byte(tc.body), sign(tc.body)).want(t, 200, tc.answer)
		r.post("/webhooks", []byte(tc.body), sign(tc.body)).want(t, 200, tc.answer)
		r.post("/webhooks", []byte(tc.body), bearer(tc.body)).want(t, 401, `{"error":"invalid signature","detail":"Unauthorized"}`)
		if got := r.post("/webhooks", []byte(tc.lacking), sign(tc.lacking)); got.status != 422 {
			t.Errorf("%s: a receipt that lacks its id or its status: %+v", from, got)
		}
		last := event.LastStatuses(r.stored())
		if len(last) != 1 || last[0].ID != tc.id || last[0].Status != tc.status || last[0].Event.Kind.Subtype != tc.status {
			t.Errorf("%s: %+v, want %s %s", from, last, tc.id, tc.status)
		}
	}
}

// TestReceiptsByGet takes receipts whose parameters are the query: MessageBird's, whose token covers the address, and those of
// Vonage's SMS product, which are signed by a parameter of their own and also come as a form and as JSON.
func TestReceiptsByGet(t *testing.T) {
	const done = `{"message":"Webhook processed successfully."}`
	at := time.Unix(1700000000, 0)
	from := func(name string) *rig {
		return newRig(t, func(o *webhook.Options) {
			receipts(o)
			o.ReceiptProvider, o.PublicURL, o.Now = name, "https://events.example.com", func() time.Time { return at }
		})
	}
	ask := func(r *rig, method, query, body string, change ...func(*http.Request)) answer {
		req, err := http.NewRequestWithContext(t.Context(), method, r.srv.URL+"/webhooks?"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range change {
			c(req)
		}
		return r.do(req)
	}
	holds := func(r *rig, id, status string, n int) {
		t.Helper()
		last := event.LastStatuses(r.stored())
		if len(r.stored()) != n || len(last) != 1 || last[0].ID != id || last[0].Status != status {
			t.Errorf("%d events are stored, and the last statuses are %+v", len(r.stored()), last)
		}
	}

	bird := from("messagebird")
	const query = "id=m-1&status=delivered&statusDatetime=2019-01-11T09%3A17%3A11%2B00%3A00"
	p, err := provider.Find("messagebird")
	if err != nil {
		t.Fatal(err)
	}
	var token string
	birds := func(req *http.Request) {
		if err := signature.Sign(p.Scheme, receiptSecret, signature.Posting{Request: req, At: at, URL: "https://events.example.com/webhooks"}); err != nil {
			t.Fatal(err)
		}
		token = req.Header.Get("MessageBird-Signature-JWT")
	}
	captured := func(req *http.Request) { req.Header.Set("MessageBird-Signature-JWT", token) }
	ask(bird, http.MethodGet, query, "", birds).want(t, 200, done)
	ask(bird, http.MethodGet, query, "", captured).want(t, 200, done)
	for what, got := range map[string]answer{
		"another query": ask(bird, http.MethodGet, "id=m-2&status=delivered", "", captured),
		"a body":        ask(bird, http.MethodPost, query, `{"message":{"id":"m-2","status":"delivered"}}`, captured),
		"no token":      ask(bird, http.MethodGet, query, ""),
	} {
		if got.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", what, got)
		}
	}
	holds(bird, "m-1", "delivered", 1)

	sms := from("vonage")
	// printf '%s' '&messageId=m-1&msisdn=447700900001&status=delivered&text=a_b_c&timestamp=1700000000' | openssl dgst -sha256 -hmac mySecret
	const sig = "4dcd6662f6b6feb3fb73f3b85f5944f885476a2458e6520e5ef85fc2ee6c9fb0"
	const signed = "msisdn=447700900001&messageId=m-1&status=delivered&text=a%26b%3Dc&timestamp=1700000000&sig=" + sig
	const asJSON = `{"msisdn":"447700900001","messageId":"m-1","status":"delivered","text":"a&b=c","timestamp":"1700000000","sig":"` + sig + `"}`
	ask(sms, http.MethodGet, signed, "").want(t, 200, done)
	ask(sms, http.MethodPost, "", signed, asForm).want(t, 200, done)
	ask(sms, http.MethodPost, "", asJSON, with("Content-Type", "application/json")).want(t, 200, done)
	for what, got := range map[string]answer{
		"another status":     ask(sms, http.MethodGet, strings.Replace(signed, "delivered", "failed", 1), ""),
		"a member twice":     ask(sms, http.MethodGet, signed+"&status=failed", ""),
		"a member in a name": ask(sms, http.MethodGet, strings.Replace(signed, "messageId=m-1&status=delivered", "messageId%3Dm-1%26status=delivered", 1), ""),
		"twice in JSON":      ask(sms, http.MethodPost, "", strings.Replace(asJSON, "{", `{"status":"failed",`, 1)),
		"nested":             ask(sms, http.MethodPost, "", strings.Replace(asJSON, "{", `{"x":{},`, 1)),
		"no time":            ask(sms, http.MethodGet, strings.Replace(signed, "timestamp=1700000000&", "", 1), ""),
		"MD5":                ask(sms, http.MethodGet, strings.Replace(signed, sig, sig[:32], 1), ""),
		"unsigned":           ask(sms, http.MethodGet, "messageId=m-1&status=delivered", ""),
		"a token by GET":     ask(sms, http.MethodGet, "messageId=m-2&status=read", "", with("Authorization", "Bearer a.b.c")),
	} {
		if got.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", what, got)
		}
	}
	holds(sms, "m-1", "delivered", 2) // the query and the form are alike
	at = at.Add(time.Hour)
	if got := ask(from("vonage"), http.MethodGet, signed, ""); got.status != http.StatusUnauthorized {
		t.Errorf("an hour later: %+v", got)
	}
	if got := ask(from("twilio"), http.MethodGet, signed, ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("a sender that posts: %+v", got)
	}
}

// TestARefusalSaysWhatWasExpected names headers in the log, and no value of them.
func TestARefusalSaysWhatWasExpected(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, func(o *webhook.Options) {
		o.Sources = []webhook.Source{{Name: "payment_succeeded", Scheme: signature.HexOrStripe, Secrets: []string{"stripe-secret"}}}
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	r.post("/events/payment_succeeded", []byte(`{}`), with("Stripe-Signature", "t=1,v1=canary")).want(t, 401, `{"error":"invalid signature"}`)
	r.observed(1)
	r.srv.Close()
	if got := log.String(); !strings.Contains(got, `expected="X-Signature, Stripe-Signature" came=Stripe-Signature`) || strings.Contains(got, "canary") {
		t.Errorf("the log is %s", got)
	}
}

// TestARefusalSaysWhereElseItLooked names members of the body, fields of a form and parameters of the query, and which of
// them came.
func TestARefusalSaysWhereElseItLooked(t *testing.T) {
	recipe := func(at ...string) signature.Scheme {
		s, err := signature.NewScheme(signature.Recipe{Algorithm: "token", Signature: at})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var log bytes.Buffer
	r := newRig(t, func(o *webhook.Options) {
		o.Sources = []webhook.Source{
			{Name: "mail", Provider: "mailgun", Secrets: []string{"mail-secret"}},
			{Name: "asked", Scheme: recipe("query:key", "header:X-Key"), Secrets: []string{"a-secret"}},
			{Name: "field", Scheme: recipe("auth.key"), Secrets: []string{"a-secret"}},
			{Name: "topic", Provider: "sns", Secrets: []string{"arn:aws:sns:eu-central-1:123456789012:orders"}},
			{Name: "sms", Provider: "vonage", Secrets: []string{"a-secret"}},
		}
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	refused := func(path, body string, change ...func(*http.Request)) {
		t.Helper()
		if got := r.post(path, []byte(body), change...); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", path, got)
		}
	}
	refused("/events/mail", `{"signature":{"timestamp":"1","signature":"canary"}}`)
	refused("/events/asked?key=canary", `{}`)
	refused("/events/asked", `{}`)
	refused("/events/field", "auth.key=canary", asForm)
	refused("/events/topic", `{"Type":"Notification","TopicArn":"canary"}`, with("X-Amz-Sns-Message-Type", "Notification"))
	refused("/events/sms", `{"sig":"canary"}`)
	r.observed(6)
	r.srv.Close()
	for _, want := range []string{
		`expected="signature.signature in the body, signature.timestamp in the body, signature.token in the body" came="signature.signature in the body, signature.timestamp in the body"`,
		`expected="X-Key, key in the query" came="key in the query"`,
		`expected="X-Key, key in the query" came=""`,
		`expected="auth.key in the body" came="auth.key in the body"`,
		`expected="X-Amz-Sns-Message-Type, TopicArn in the body, Signature in the body, SigningCertURL in the body" came="X-Amz-Sns-Message-Type, TopicArn in the body"`,
		`expected="Authorization, sig in the body, sig in the query" came="sig in the body"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log shows a value:\n%s", log.String())
	}
}
