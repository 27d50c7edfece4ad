package webhook_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/webhook"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// ask sends what a sender asks before it delivers.
func (r *rig) ask(method, path string, change ...func(*http.Request)) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.srv.URL+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range change {
		c(req)
	}
	return r.do(req)
}

func TestHandshakesWithoutSignature(t *testing.T) {
	r := newRig(t, func(o *webhook.Options) {
		for _, name := range []string{"meta", "dropbox", "msgraph", "cloudevents", "trello"} {
			o.Sources = append(o.Sources, webhook.Source{Name: name, Provider: name, Secrets: []string{"a secret"}, VerifyToken: "verify-canary", URL: "https://x.example"})
		}
		o.Sources = append(o.Sources, webhook.Source{Name: "shopify", Provider: "shopify", Secrets: []string{"a secret"}})
	})
	page := url.QueryEscape("<script>alert(1)</script>")
	graph := "Validation: Testing client application reachability for subscription Request-Id: 5c6f-11"
	for _, tc := range []struct {
		name, method, path string
		change             func(*http.Request)
		status             int
		body               string
	}{
		{"Meta", "GET", "/events/meta?hub.mode=subscribe&hub.verify_token=verify-canary&hub.challenge=1158201444", nil, 200, "1158201444"},
		{"Meta with another token", "GET", "/events/meta?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1158201444", nil, 401, ""},
		{"Meta without a token", "GET", "/events/meta?hub.mode=subscribe&hub.challenge=1158201444", nil, 401, ""},
		{"Meta with a page", "GET", "/events/meta?hub.mode=subscribe&hub.verify_token=verify-canary&hub.challenge=" + page, nil, 422, ""},
		{"Dropbox", "GET", "/events/dropbox?challenge=abc-123_X", nil, 200, "abc-123_X"},
		{"Dropbox with a page", "GET", "/events/dropbox?challenge=" + page, nil, 422, ""},
		{"Dropbox with too much", "GET", "/events/dropbox?challenge=" + strings.Repeat("a", 1025), nil, 422, ""},
		{"Graph", "POST", "/events/msgraph?validationToken=" + url.QueryEscape(graph), nil, 200, graph},
		{"Graph with a page", "POST", "/events/msgraph?validationToken=" + page, nil, 422, ""},
		{"CloudEvents", "OPTIONS", "/events/cloudevents", with("WebHook-Request-Origin", "events.example.net"), 200, ""},
		{"CloudEvents without origin", "OPTIONS", "/events/cloudevents", nil, 422, ""},
		{"CloudEvents with a header", "OPTIONS", "/events/cloudevents", with("WebHook-Request-Origin", "a b"), 422, ""},
		{"Trello", "HEAD", "/events/trello", nil, 200, ""},
		{"GET where nobody asks", "GET", "/events/shopify?challenge=abc", nil, 405, ""},
		{"OPTIONS where nobody asks", "OPTIONS", "/events/shopify", nil, 405, ""},
	} {
		change := tc.change
		if change == nil {
			change = func(*http.Request) {}
		}
		got := r.ask(tc.method, tc.path, change)
		if got.status != tc.status || tc.body != "" && got.body != tc.body {
			t.Errorf("%s: %d %q, want %d %q", tc.name, got.status, got.body, tc.status, tc.body)
		}
		if tc.body != "" && (!strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") || got.header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s is answered as %v", tc.name, got.header)
		}
		if strings.Contains(got.body, "<") || strings.Contains(got.body, "canary") {
			t.Errorf("%s: the answer is %q", tc.name, got.body)
		}
		if tc.name == "CloudEvents" && (got.header.Get("WebHook-Allowed-Origin") != "events.example.net" || got.header.Get("WebHook-Allowed-Rate") != "*") {
			t.Errorf("CloudEvents: %v", got.header)
		}
	}
	if n := len(r.stored()); n != 0 {
		t.Errorf("%d events of handshakes are stored", n)
	}
}

// postAs posts a body that a provider's sender signs.
func (r *rig) postAs(name, secret string, body string, change ...func(*http.Request)) answer {
	r.t.Helper()
	p, err := provider.Find(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.post("/events/"+name, []byte(body), append(change, func(req *http.Request) {
		if err := signature.Sign(p.Scheme, secret, signature.Posting{Request: req, Body: []byte(body), ID: "id-1", At: time.Now()}); err != nil {
			r.t.Fatal(err)
		}
	})...)
}

func TestHandshakesWithSignature(t *testing.T) {
	const secret = "a secret of these senders"
	r := newRig(t, func(o *webhook.Options) {
		for _, name := range []string{"zoom", "slack", "twitch", "eventgrid"} {
			n := name
			if n == "slack" {
				n = "slack2"
			}
			o.Sources = append(o.Sources, webhook.Source{Name: n, Provider: name, Secrets: []string{secret}})
		}
	})
	const zoom = `{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1}`
	got := r.postAs("zoom", secret, zoom)
	got.want(t, 200, `{"encryptedToken":"`+hexMAC(secret, "qgg8vlvZRS6UYooatFL8Aw")+`","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`)
	if got := r.postAs("zoom", "another secret", zoom); got.status != 401 || strings.Contains(got.body, "plainToken") {
		t.Errorf("an unsigned validation: %+v", got)
	}
	if got := r.postAs("zoom", secret, `{"event":"endpoint.url_validation","payload":{}}`); got.status != 422 {
		t.Errorf("a validation without a token: %+v", got)
	}
	challenge := `{"challenge":"pogchamp-kappa-360noscope","subscription":{"type":"stream.online"}}`
	got = r.postAs("twitch", secret, challenge, with("Twitch-Eventsub-Message-Type", "webhook_callback_verification"))
	got.want(t, 200, "pogchamp-kappa-360noscope")
	if !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Errorf("Twitch reads plain text: %v", got.header)
	}
	grid := `[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6"}}]`
	r.postAs("eventgrid", secret, grid).want(t, 200, `{"validationResponse":"512d38b6"}`)
	body := []byte(`{"type":"url_verification","challenge":"3eZbrw1a"}`)
	r.post("/events/slack2", body, signed(secret, time.Now(), body)).want(t, 200, `{"challenge":"3eZbrw1a"}`)
	if n := len(r.stored()); n != 0 {
		t.Errorf("%d events of handshakes are stored", n)
	}
}

// An amazon plays Amazon SNS: it has a certificate, and notes what is got from it.
type amazon struct {
	t    *testing.T
	key  *rsa.PrivateKey
	cert []byte
	got  atomic.Pointer[string]
	down atomic.Bool
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &amazon{t: t, key: key, cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *amazon) fetch(_ context.Context, address string) ([]byte, error) {
	a.got.Store(&address)
	if a.down.Load() {
		return nil, errors.New("down")
	}
	return a.cert, nil
}

// message is a signed message, with what change makes of its members before.
func (a *amazon) message(kind string, change map[string]string) []byte {
	a.t.Helper()
	m := map[string]string{
		"Type": kind, "MessageId": "m-" + kind, "TopicArn": topic, "Message": "hello", "Timestamp": time.Now().UTC().Format(time.RFC3339),
		"SignatureVersion": "2", "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem",
	}
	names := []string{"Message", "MessageId", "Timestamp", "TopicArn", "Type"}
	if kind != "Notification" {
		m["SubscribeURL"], m["Token"] = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t", "t"
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	maps.Copy(m, change)
	var text strings.Builder
	for _, name := range names {
		text.WriteString(name + "\n" + m[name] + "\n")
	}
	sum := sha256.Sum256([]byte(text.String()))
	sig, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, sum[:])
	if err != nil {
		a.t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(sig)
	body, err := json.Marshal(m)
	if err != nil {
		a.t.Fatal(err)
	}
	return body
}

const topic = "arn:aws:sns:eu-central-1:123456789012:orders"

func TestSNS(t *testing.T) {
	a := newAmazon(t)
	r := newRig(t, func(o *webhook.Options) {
		o.Sources, o.Fetch = []webhook.Source{{Name: "aws", Provider: "sns", Secrets: []string{topic}}}, a.fetch
	})
	typed := with("X-Amz-Sns-Message-Type", "Notification")
	for name, tc := range map[string]struct {
		body []byte
		want int
	}{
		"a certificate from elsewhere":    {a.message("Notification", map[string]string{"SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem"}), 401},
		"a certificate of another region": {a.message("Notification", map[string]string{"SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem"}), 401},
		"another file of the same host":   {a.message("Notification", map[string]string{"SigningCertURL": "https://sns.eu-central-1.amazonaws.com/x.pem"}), 401},
		"another topic":                   {a.message("Notification", map[string]string{"TopicArn": topic + "2"}), 401},
		"a message that is old":           {a.message("Notification", map[string]string{"Timestamp": "2020-01-01T00:00:00Z"}), 401},
		"a member twice":                  {[]byte(strings.Replace(string(a.message("Notification", nil)), `"Message":`, `"Message":"x","Message":`, 1)), 401},
		"another text":                    {[]byte(strings.Replace(string(a.message("Notification", nil)), "hello", "hallo", 1)), 401},
		"an unsigned version":             {a.message("Notification", map[string]string{"SignatureVersion": "3"}), 401},
		"no JSON":                         {[]byte("a=1"), 401},
		"genuine":                         {a.message("Notification", nil), 200},
	} {
		if got := r.post("/events/aws", tc.body, typed); got.status != tc.want {
			t.Errorf("%s: %+v, want %d", name, got, tc.want)
		}
	}
	if got := r.post("/events/aws", a.message("SubscriptionConfirmation", nil), typed); got.status != 200 {
		t.Errorf("a confirmation: %+v", got)
	}
	if at := *a.got.Load(); at != "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t" {
		t.Errorf("the confirmation is at %s", at)
	}
	before := *a.got.Load()
	r.post("/events/aws", a.message("SubscriptionConfirmation", map[string]string{"SubscribeURL": "https://evil.example/"}), typed)
	if *a.got.Load() != before {
		t.Error("a confirmation is got from elsewhere")
	}
	a.down.Store(true)
	if got := r.post("/events/aws", a.message("SubscriptionConfirmation", map[string]string{"MessageId": "2"}), typed); got.status != 503 {
		t.Errorf("a confirmation that fails: %+v", got)
	}
	events := r.stored()
	if len(events) != 2 || events[0].ID != "m-Notification" || events[0].Kind.String() != "Notification" {
		t.Errorf("stored %d events: %+v", len(events), events)
	}
	down := newAmazon(t)
	down.down.Store(true)
	r = newRig(t, func(o *webhook.Options) {
		o.Sources, o.Fetch = []webhook.Source{{Name: "aws", Provider: "sns", Secrets: []string{topic}}}, down.fetch
	})
	if got := r.post("/events/aws", down.message("Notification", nil), typed); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("a certificate that cannot be fetched: %+v", got)
	}
}
