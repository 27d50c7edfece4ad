package webhook_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/webhook"
)

// A badInput is a request that must not get in.
type badInput struct {
	name   string
	body   []byte
	change []func(*http.Request)
	status int
	want   string // the answer's body, or "" for any
	out    webhook.Outcome
	reason string
}

// refused is the answer to every signature that is not right.
const refused = `{"error":"invalid signature","detail":"Invalid request signature"}`

// TestBadInput sends what must not get in, over HTTP, and looks that nothing did.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, tt := range append(badSignatures(), badBodies()...) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

func (tt badInput) check(t *testing.T) {
	r := newRig(t)
	got := r.slack(tt.body, tt.change...)
	if got.status != tt.status || (tt.want != "" && got.body != tt.want) {
		t.Errorf("answered %d %s, want %d %s", got.status, got.body, tt.status, tt.want)
	}
	if !strings.HasPrefix(got.body, `{"error":"`) {
		t.Errorf("answered %s, want an error in JSON", got.body)
	}
	if ob := r.observed(1); ob.Outcome != tt.out || ob.Reason != tt.reason || ob.Status != tt.status {
		t.Errorf("observed %s %q %d, want %s %q %d", ob.Outcome, ob.Reason, ob.Status, tt.out, tt.reason, tt.status)
	}
	if events := r.stored(); len(events) != 0 {
		t.Errorf("stored %d events, want none", len(events))
	}
}

func badSignatures() []badInput {
	type change = func(*http.Request)
	good := []byte(`{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}`)
	now := time.Now()
	ts := strconv.FormatInt(now.Unix(), 10)
	mac := func(ts string, body []byte) string { return "v0=" + hexMAC(secret, "v0:", ts, ":", string(body)) }
	// stamped signs with a timestamp as it is written, so that nothing else is wrong.
	stamped := func(ts string) []change {
		return []change{with("X-Slack-Request-Timestamp", ts), with("X-Slack-Signature", mac(ts, good))}
	}
	return []badInput{
		{"another secret", good, []change{signed("another", now, good)}, 401, refused, webhook.BadSignature, "mismatch"},
		{"no signature headers", good, []change{without("X-Slack-Signature"), without("X-Slack-Request-Timestamp")}, 401, refused, webhook.BadSignature, "missing"},
		{"no signature", good, []change{without("X-Slack-Signature")}, 401, refused, webhook.BadSignature, "missing"},
		{"no timestamp", good, []change{without("X-Slack-Request-Timestamp")}, 401, refused, webhook.BadSignature, "missing"},
		{"empty signature", good, []change{with("X-Slack-Signature", "")}, 401, refused, webhook.BadSignature, "missing"},
		{"signature without version", good, []change{with("X-Slack-Signature", mac(ts, good)[3:])}, 401, refused, webhook.BadSignature, "malformed"},
		{"another version", good, []change{with("X-Slack-Signature", "v1="+mac(ts, good)[3:])}, 401, refused, webhook.BadSignature, "malformed"},
		{"upper-case version", good, []change{with("X-Slack-Signature", "V0="+mac(ts, good)[3:])}, 401, refused, webhook.BadSignature, "malformed"},
		{"truncated signature", good, []change{with("X-Slack-Signature", mac(ts, good)[:65])}, 401, refused, webhook.BadSignature, "malformed"},
		{"long signature", good, []change{with("X-Slack-Signature", mac(ts, good)+"00")}, 401, refused, webhook.BadSignature, "malformed"},
		{"not hexadecimal", good, []change{with("X-Slack-Signature", mac(ts, good)[:66]+"g")}, 401, refused, webhook.BadSignature, "malformed"},
		{"two signatures", good, []change{func(r *http.Request) { r.Header.Add("X-Slack-Signature", mac(ts, good)) }}, 401, refused, webhook.BadSignature, "malformed"},
		{"two timestamps", good, []change{func(r *http.Request) { r.Header.Add("X-Slack-Request-Timestamp", ts) }}, 401, refused, webhook.BadSignature, "malformed"},
		{"signed for another time", good, []change{with("X-Slack-Request-Timestamp", strconv.FormatInt(now.Unix()-1, 10))}, 401, refused, webhook.BadSignature, "mismatch"},
		{"one byte changed", bytes.Replace(good, []byte("Ev1"), []byte("Ev2"), 1), []change{signed(secret, now, good)}, 401, refused, webhook.BadSignature, "mismatch"},
		{"stale", good, []change{signed(secret, now.Add(-302*time.Second), good)}, 401, refused, webhook.Stale, ""},
		{"from the future", good, []change{signed(secret, now.Add(400*time.Second), good)}, 401, refused, webhook.Stale, ""},
		{"largest timestamp", good, stamped("9223372036854775807"), 401, refused, webhook.Stale, ""},
		{"overflowing timestamp", good, stamped("18446744073709551616"), 401, refused, webhook.BadSignature, "malformed"},
		{"timestamp that wraps to now", good, stamped("1844674407" + ts), 401, refused, webhook.BadSignature, "malformed"},
		{"timestamp with sign", good, stamped("+" + ts), 401, refused, webhook.BadSignature, "malformed"},
		{"negative timestamp", good, stamped("-" + ts), 401, refused, webhook.BadSignature, "malformed"},
		{"timestamp with exponent", good, stamped("1e9"), 401, refused, webhook.BadSignature, "malformed"},
		{"timestamp with fraction", good, stamped(ts + ".0"), 401, refused, webhook.BadSignature, "malformed"},
		{"timestamp zero", good, stamped("0"), 401, refused, webhook.BadSignature, "malformed"},
		{"timestamp in words", good, stamped("now"), 401, refused, webhook.BadSignature, "malformed"},
	}
}

func badBodies() []badInput {
	type change = func(*http.Request)
	good := []byte(`{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}`)
	return []badInput{
		{"empty", nil, nil, 400, `{"error":"ill-formed body","detail":"body is empty"}`, webhook.IllFormed, "empty"},
		{"white space", []byte(" \n"), nil, 400, `{"error":"ill-formed body","detail":"body is empty"}`, webhook.IllFormed, "empty"},
		{"not JSON", []byte(`{"type":`), nil, 400, `{"error":"ill-formed body","detail":"body is not JSON"}`, webhook.IllFormed, "not_json"},
		{"two objects", []byte(`{}{}`), nil, 400, `{"error":"ill-formed body","detail":"body is not JSON"}`, webhook.IllFormed, "not_json"},
		{"text", []byte("hello"), nil, 400, `{"error":"ill-formed body","detail":"body is not JSON"}`, webhook.IllFormed, "not_json"},
		{"array", []byte(`[{"type":"event_callback"}]`), nil, 400, `{"error":"ill-formed body","detail":"body is not a JSON object"}`, webhook.IllFormed, "not_object"},
		{"null", []byte(`null`), nil, 400, `{"error":"ill-formed body","detail":"body is not a JSON object"}`, webhook.IllFormed, "not_object"},
		{"string", []byte(`"type"`), nil, 400, `{"error":"ill-formed body","detail":"body is not a JSON object"}`, webhook.IllFormed, "not_object"},
		{"not UTF-8", []byte("{\"type\":\"\xff\"}"), nil, 400, `{"error":"ill-formed body","detail":"body is not UTF-8"}`, webhook.IllFormed, "not_utf8"},
		{"too deep", deep(10_001), nil, 400, `{"error":"ill-formed body","detail":"body is nested too deep"}`, webhook.IllFormed, "too_deep"},
		{"gzip", []byte("\x1f\x8b\x08\x00"), []change{with("Content-Encoding", "gzip")}, 415, "", webhook.WrongMediaType, ""},
		{"form without a JSON payload", []byte("payload=hello"), []change{asForm}, 400, "", webhook.IllFormed, "not_json"},
		{"form with an array for payload", []byte("payload=%5B%5D"), []change{asForm}, 400, "", webhook.IllFormed, "not_object"},
		{"form with a payload that is not UTF-8", []byte("payload=%7B%22a%22:%22%FF%22%7D"), []change{asForm}, 400, "", webhook.IllFormed, "not_utf8"},
		{"form with an empty payload", []byte("payload="), []change{asForm}, 400, "", webhook.IllFormed, "empty"},
		{"empty form", nil, []change{asForm}, 400, "", webhook.IllFormed, "empty"},
		{"challenge without text", []byte(`{"type":"url_verification"}`), nil, 400, "", webhook.IllFormed, "challenge"},

		{"plain text", good, []change{with("Content-Type", "text/plain")}, 415, "", webhook.WrongMediaType, ""},
		{"multipart", good, []change{with("Content-Type", "multipart/form-data; boundary=x")}, 415, "", webhook.WrongMediaType, ""},
		{"no media type", good, []change{without("Content-Type")}, 415, "", webhook.WrongMediaType, ""},
		{"two media types", good, []change{func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }}, 415, "", webhook.WrongMediaType, ""},
		{"JSON by another name", good, []change{with("Content-Type", "application/jsonp")}, 415, "", webhook.WrongMediaType, ""},

		{"huge", large(1<<20 + 1), nil, 413, `{"error":"body too large"}`, webhook.TooLarge, ""},
		{"huge and chunked", large(1<<20 + 1), []change{chunked}, 413, `{"error":"body too large"}`, webhook.TooLarge, ""},
		{"huge and unsigned", large(1<<20 + 1), []change{without("X-Slack-Signature")}, 401, refused, webhook.BadSignature, "missing"},

		{"GET", good, []change{method(http.MethodGet)}, 405, `{"error":"method not allowed","detail":"use POST"}`, webhook.WrongMethod, ""},
		{"PUT", good, []change{method(http.MethodPut)}, 405, `{"error":"method not allowed","detail":"use POST"}`, webhook.WrongMethod, ""},
	}
}

// TestOddInput sends what looks wrong and is not.
func TestOddInput(t *testing.T) {
	t.Parallel()
	good := []byte(`{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}`)
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	tests := []struct {
		name   string
		body   []byte
		change []func(*http.Request)
	}{
		{"upper-case digits in the signature", good, []func(*http.Request){func(r *http.Request) {
			sig := r.Header.Get("X-Slack-Signature")
			r.Header.Set("X-Slack-Signature", "v0="+strings.ToUpper(sig[3:]))
		}}},
		{"timestamp with leading zeros", good, []func(*http.Request){
			with("X-Slack-Request-Timestamp", "000"+ts), with("X-Slack-Signature", "v0="+hexMAC(secret, "v0:000"+ts+":", string(good))),
		}},
		{"almost stale", good, []func(*http.Request){signed(secret, time.Now().Add(-290*time.Second), good)}},
		{"a clock that is ahead", good, []func(*http.Request){signed(secret, time.Now().Add(290*time.Second), good)}},
		{"an empty object", []byte(`{}`), nil},
		{"white space around", []byte(" {} \n"), nil},
		{"as deep as can be", deep(10_000), nil},
		{"parameters of the media type", good, []func(*http.Request){with("Content-Type", `Application/JSON ; charset="utf-8"`)}},
		{"as large as can be", large(1 << 20), nil},
		{"as large as can be and chunked", large(1 << 20), []func(*http.Request){chunked}},
		{"small and chunked", good, []func(*http.Request){chunked}},
		{"a form that is JSON", good, []func(*http.Request){asForm}},
		{"identity encoding", good, []func(*http.Request){with("Content-Encoding", "identity")}},
		{"payload in the query", good, []func(*http.Request){func(r *http.Request) { r.URL.RawQuery = "payload=%7B%22type%22%3A%22view_submission%22%7D" }}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.slack(tt.body, tt.change...).want(t, 200, `{"status":"ok"}`)
			events := r.stored()
			if len(events) != 1 || !bytes.Equal(events[0].Raw, tt.body) {
				t.Fatalf("stored %d events, want the body once, byte for byte", len(events))
			}
		})
	}
}

func method(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }

// chunked hides the body's length.
func chunked(r *http.Request) {
	r.ContentLength = -1
	r.Body = io.NopCloser(io.MultiReader(r.Body))
}

// deep returns an object with n levels.
func deep(n int) []byte {
	return []byte(`{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}")
}

// large returns an object of n bytes.
func large(n int) []byte {
	const frame = `{"text":""}`
	return []byte(`{"text":"` + strings.Repeat("x", n-len(frame)) + `"}`)
}
