package webhook_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"slackmcp/internal/requires"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

const receiptSecret = "mySecret"

func receipts(o *webhook.Options) { o.ReceiptSecrets = []string{receiptSecret} }

func bearer(body string) func(*http.Request) {
	return with("Authorization", "Bearer "+hexMAC(receiptSecret, body))
}

func TestReceipt(t *testing.T) {
	const done = `{"message":"Webhook processed successfully."}`
	const refused = `{"error":"invalid signature","detail":"Unauthorized"}`
	field := func(detail string) string { return `{"error":"invalid body","detail":"` + detail + `"}` }
	const status = "status: want queued, delivered or failed"
	const id = "id: want the message's id, a string that is not empty"
	const time = "deliveredAt: want a time such as 2024-12-01T12:00:00Z"
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"delivered", `{"id": "msg123", "status": "delivered", "deliveredAt": "2024-11-30T12:00:00Z"}`, 200, done},
		{"delivered, with an offset", `{"id":"m","status":"delivered","deliveredAt":"2024-11-30T12:00:00.5+02:00"}`, 200, done},
		{"delivered, without an offset", `{"id":"m","status":"delivered","deliveredAt":"2024-11-30T12:00:00"}`, 200, done},
		{"queued", `{"id":"m","status":"queued"}`, 200, done},
		{"failed, without a time", `{"id":"m","status":"failed","deliveredAt":null,"reason":"no such number"}`, 200, done},
		{"delivered when", `{"id":"m","status":"delivered"}`, 422, field("deliveredAt: want the time of delivery, required when status is delivered")},
		{"delivered when, null", `{"id":"m","status":"delivered","deliveredAt":null}`, 422, field("deliveredAt: want the time of delivery, required when status is delivered")},
		{"delivered some day", `{"id":"m","status":"delivered","deliveredAt":"yesterday"}`, 422, field(time)},
		{"delivered at a number", `{"id":"m","status":"queued","deliveredAt":7}`, 422, field(time)},
		{"no id", `{"status":"queued"}`, 422, field(id)},
		{"an empty id", `{"id":" ","status":"queued"}`, 422, field(id)},
		{"an id that is a number", `{"id":1,"status":"queued"}`, 422, field(id)},
		{"no status", `{"id":"m"}`, 422, field(status)},
		{"another status", `{"id":"m","status":"lost"}`, 422, field(status)},
		{"a list", `[]`, 422, field("body: want an object with id and status")},
		{"null", `null`, 422, field("body: want an object with id and status")},
		{"a form", `id=m&status=queued`, 400, `{"error":"ill-formed body","detail":"body is not JSON"}`},
		{"half an object", `{"id":"m"`, 400, `{"error":"ill-formed body","detail":"body is not JSON"}`},
		{"nothing", ``, 400, `{"error":"ill-formed body","detail":"body is empty"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, receipts)
			r.post("/webhooks", []byte(tt.body), bearer(tt.body)).want(t, tt.status, tt.want)
			if got := len(r.stored()); (got == 1) != (tt.status == 200) {
				t.Errorf("stored %d events with status %d", got, tt.status)
			}
			// The signature comes first: who cannot sign learns nothing about the body.
			r.post("/webhooks", []byte(tt.body), bearer(tt.body+" ")).want(t, 401, refused)
			r.post("/webhooks", []byte(tt.body)).want(t, 401, refused)
		})
	}
}

func TestReceiptsOfOneMessageAreEventsOfTheirOwn(t *testing.T) {
	var out, log bytes.Buffer
	r := newRig(t, receipts, func(o *webhook.Options) {
		o.ReceiptOutput, o.Logger = &out, slog.New(slog.NewTextHandler(&log, nil))
	})
	bodies := []string{
		`{"id":"msg1","status":"queued"}`,
		`{"id":"msg1","status":"delivered","deliveredAt":"2024-12-01T12:00:00Z"}`,
		`{"id":"msg1","status":"failed"}`,
	}
	for i, body := range append(bodies, bodies[0]) {
		r.post("/webhooks", []byte(body), bearer(body)).want(t, 200, `{"message":"Webhook processed successfully."}`)
		r.observed(i + 1)
	}
	events := r.find(event.Filter{Source: event.SourceReceipts})
	if len(events) != 3 {
		t.Fatalf("stored %d events, want one for each status", len(events))
	}
	for i, kind := range []string{"delivery_receipt/queued", "delivery_receipt/delivered", "delivery_receipt/failed"} {
		got, err := event.Inner[event.Receipt](&events[i])
		if events[i].Kind.String() != kind || err != nil || got.ID != "msg1" {
			t.Errorf("event %d is %s of %+v (%v), want %s", i, events[i].Kind, got, err, kind)
		}
	}
	want := "Processed webhook payload: {\"id\":\"msg1\",\"status\":\"queued\"}\n" +
		"Processed webhook payload: {\"id\":\"msg1\",\"status\":\"delivered\",\"deliveredAt\":\"2024-12-01T12:00:00Z\"}\n" +
		"Processed webhook payload: {\"id\":\"msg1\",\"status\":\"failed\"}\n"
	if out.String() != want {
		t.Errorf("printed %q, want each receipt once", out.String())
	}
	r.srv.Close() // the log's lines are all written
	if got := strings.Count(log.String(), "message_id=msg1"); got != 4 || !strings.Contains(log.String(), "message_status=delivered") {
		t.Errorf("logged %d receipts, want 4:\n%s", got, log.String())
	}
}

// TestTheSeedsOpensslLine runs the example as the mission's text has it.
func TestTheSeedsOpensslLine(t *testing.T) {
	requires.Program(t, "openssl", "apt-get install openssl")
	requires.Program(t, "curl", "apt-get install curl")
	r := newRig(t, receipts)
	script := `
secret="mySecret"
payload='{"id": "msg123", "status": "delivered", "deliveredAt": "2024-11-30T12:00:00Z"}'
signature=$(echo -n $payload | openssl dgst -sha256 -hmac $secret | awk '{print $2}')
curl -s -X POST ` + r.srv.URL + `/webhooks \
-H "Authorization: Bearer $signature" \
-H "Content-Type: application/json" \
-d "$payload"`
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
	if err != nil || string(out) != `{"message":"Webhook processed successfully."}` {
		t.Errorf("curl: %s, %v", out, err)
	}
}
