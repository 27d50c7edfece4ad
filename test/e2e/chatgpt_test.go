package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A delivery is one request that a callback saw, byte for byte.
type delivery struct {
	header http.Header
	raw    []byte
	body   map[string]any
}

// A recorder is a callback that keeps every request, and answers with a status of the
// test's choosing.
type recorder struct {
	url string

	mu     sync.Mutex
	all    []delivery
	status int
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	c := &recorder{status: http.StatusOK}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		d := delivery{header: r.Header.Clone(), raw: raw}
		if err := json.Unmarshal(raw, &d.body); err != nil {
			t.Errorf("%v in %s", err, raw)
		}
		c.mu.Lock()
		c.all = append(c.all, d)
		status := c.status
		c.mu.Unlock()
		if d.body["type"] == "verification" {
			_ = json.NewEncoder(w).Encode(map[string]any{"challenge": d.body["challenge"]})
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	c.url = srv.URL + "/callback?token=s3cret"
	return c
}

func (c *recorder) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// events are the deliveries that are no control messages.
func (c *recorder) events() []delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []delivery
	for _, d := range c.all {
		if d.body["type"] == nil {
			list = append(list, d)
		}
	}
	return list
}

func (c *recorder) await(t *testing.T, n int) []delivery {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if len(c.events()) < n {
			return missing("deliveries")
		}
		return nil
	})
	return c.events()
}

// signedBy reports whether a delivery carries a signature of Standard Webhooks by a secret.
func (d delivery) signedBy(secret string) bool {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	h := hmac.New(sha256.New, key)
	h.Write([]byte(d.header.Get("webhook-id") + "." + d.header.Get("webhook-timestamp") + "." + string(d.raw)))
	want := "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	for one := range strings.FieldsSeq(d.header.Get("webhook-signature")) {
		if one == want {
			return true
		}
	}
	return false
}

// TestChatGPTProfile holds the raw exchanges against what that client's page asks for,
// point by point.
func TestChatGPTProfile(t *testing.T) {
	o := options{data: t.TempDir(), port: freePort(t)}
	p := pushing(t, o)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
	callback := newRecorder(t)
	subscription := map[string]any{
		"name": "message.created", "arguments": map[string]any{"channel": pushChannel},
		"delivery": map[string]any{"mode": "webhook", "url": callback.url, "secret": secret},
	}
	say := func(id, channel string) {
		t.Helper()
		if status, answer := p.post(message(id, channel, "hello")); status != http.StatusOK {
			t.Fatal(status, answer)
		}
	}

	// 1. The capability stands at the top, in discover and in initialize.
	if got := string(p.must("server/discover", nil)); !strings.Contains(got, `"events":{}`) {
		t.Errorf("server/discover: %s", got)
	}
	legacy := &session{t: t, url: p.url + "/mcp", token: authToken}
	if got := string(legacy.call("initialize", map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "e2e", "version": "1"}})); !strings.Contains(got, `"events":{}`) {
		t.Errorf("initialize: %s", got)
	}

	// 2 and 3. Types with webhook delivery, closed input schemas and payload schemas.
	var list struct {
		Events []struct {
			Name          string          `json:"name"`
			Delivery      []string        `json:"delivery"`
			InputSchema   json.RawMessage `json:"inputSchema"`
			PayloadSchema json.RawMessage `json:"payloadSchema"`
		} `json:"events"`
	}
	if err := json.Unmarshal(p.must("events/list", nil), &list); err != nil || len(list.Events) != 18 {
		t.Fatalf("events/list: %v, %d types", err, len(list.Events))
	}
	var schema json.RawMessage
	for _, e := range list.Events {
		if e.Delivery[0] != "webhook" || !strings.Contains(string(e.InputSchema), `"additionalProperties":false`) || !strings.Contains(string(e.PayloadSchema), `"required":[`) {
			t.Errorf("%s: %v %s %s", e.Name, e.Delivery, e.InputSchema, e.PayloadSchema)
		}
		if e.Name == "message.created" {
			schema = e.PayloadSchema
		}
	}

	// 5. The challenge comes within the subscription, signed; a failure has code and reason.
	var granted struct {
		ID, RefreshBefore string
		Truncated         *bool
	}
	if err := json.Unmarshal(p.must("events/subscribe", subscription), &granted); err != nil {
		t.Fatal(err)
	}
	until, err := time.Parse(time.RFC3339, granted.RefreshBefore)
	if err != nil || time.Until(until) < time.Hour || granted.ID == "" || granted.Truncated == nil {
		t.Errorf("granted %+v, %v", granted, err)
	}
	challenge := callback.all[0]
	if len(callback.all) != 1 || challenge.body["type"] != "verification" || !challenge.signedBy(secret) || challenge.header.Get("X-MCP-Subscription-Id") != granted.ID {
		t.Errorf("challenged %+v", challenge)
	}
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }))
	defer deaf.Close()
	bad := map[string]any{"name": "message.created", "delivery": map[string]any{"mode": "webhook", "url": deaf.URL, "secret": secret}}
	if a, err := p.modern("events/subscribe", bad); err != nil || a.Status != http.StatusOK || a.Error == nil || a.Error.Code != -32015 || a.Error.Data["reason"] != "challenge_failed" {
		t.Errorf("without an echo: %v, %+v", err, a)
	}

	// 3 and 6. What matches arrives, what does not match does not; the shape of a delivery.
	say("EvGPT1", "C0OTHER0001")
	say("EvGPT2", pushChannel)
	first := callback.await(t, 1)[0]
	checkDelivery(t, first, "EvGPT2", secret, schema)

	// 6. A retry has the same id and a signature of its own.
	callback.answer(http.StatusServiceUnavailable)
	say("EvGPT3", pushChannel)
	callback.await(t, 2)
	callback.answer(http.StatusOK)
	tries := callback.await(t, 3)
	if a, b := tries[1], tries[2]; a.header.Get("webhook-id") != "EvGPT3" || b.header.Get("webhook-id") != "EvGPT3" || !b.signedBy(secret) || !bytes.Equal(a.raw, b.raw) {
		t.Errorf("retried %+v, %+v", a, b)
	}

	// 6. 410 and 413 are not tried again, and the subscription lives on.
	for i, status := range []int{http.StatusGone, http.StatusRequestEntityTooLarge} {
		callback.answer(status)
		say("EvGPT4"+string(rune('a'+i)), pushChannel)
		callback.await(t, 4+i)
	}
	callback.answer(http.StatusOK)
	say("EvGPT5", pushChannel)
	if got := callback.await(t, 6); got[5].header.Get("webhook-id") != "EvGPT5" {
		t.Errorf("after 410 and 413: %+v", got[5].header)
	}

	// 4 and 8. It survives a restart; a refresh with a new secret signs with both.
	p.stop()
	p = pushing(t, o)
	say("EvGPT6", pushChannel)
	callback.await(t, 7)
	rotated := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("n"), 32))
	subscription["delivery"].(map[string]any)["secret"] = rotated
	var again struct{ ID, RefreshBefore string }
	if err := json.Unmarshal(p.must("events/subscribe", subscription), &again); err != nil || again.ID != granted.ID {
		t.Errorf("refreshed %+v, %v", again, err)
	}
	say("EvGPT7", pushChannel)
	if d := callback.await(t, 8)[7]; !d.signedBy(secret) || !d.signedBy(rotated) || d.header.Get("webhook-id") != "EvGPT7" {
		t.Errorf("rotated: %+v", d.header)
	}

	// 4. The end is idempotent, needs no secret, and ends only the caller's own.
	end := map[string]any{"name": "message.created", "arguments": subscription["arguments"], "delivery": map[string]any{"mode": "webhook", "url": callback.url}}
	p.must("events/unsubscribe", end)
	p.must("events/unsubscribe", end)
	say("EvGPT8", pushChannel)
	p.stop()
	if got := callback.events(); len(got) != 8 {
		t.Errorf("delivered after the end: %+v", got[8:])
	}
}

// checkDelivery holds one delivery against what the page says of it.
func checkDelivery(t *testing.T, d delivery, id, secret string, schema json.RawMessage) {
	t.Helper()
	if d.header.Get("webhook-id") != id || d.body["eventId"] != id || d.body["name"] != "message.created" || !d.signedBy(secret) {
		t.Errorf("delivered %v %s", d.header, d.raw)
	}
	at, _ := d.body["timestamp"].(string)
	if _, err := time.Parse(time.RFC3339, at); err != nil || len(d.raw) > 262_144 || d.body["type"] != nil || d.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v in %s", err, d.raw)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("payload.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("payload.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(d.body["data"]); err != nil {
		t.Error(err)
	}
}
