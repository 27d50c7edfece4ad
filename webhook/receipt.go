package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

// ReceiptPath is where delivery receipts are posted.
const ReceiptPath = "/webhooks"

// KindReceipt is the Kind's type of a delivery receipt; its subtype is the status.
const KindReceipt = "delivery_receipt"

// receiptEndpoint serves delivery receipts. A receipt's id is its message's: one
// message has several receipts, and each is an event of its own.
// from is the provider that sends them, and empty for the documented sender.
func receiptEndpoint(v *signature.Verifier, out io.Writer, from provider.Provider) *endpoint {
	p := &printer{out: out}
	if from.Name != "" {
		ep := receiptEndpoint(v, out, provider.Provider{})
		ep.decode, ep.byGet = func(v *delivery) (Outcome, string) { return decodeForeign(v, p) }, from.ByGet
		if from.ReplyType != "" {
			ep.accepted, ep.replyType = []byte(from.Reply), []string{from.ReplyType}
		}
		return ep
	}
	return &endpoint{
		source: event.SourceReceipts, verifier: v, lookBack: true,
		decode: func(v *delivery) (Outcome, string) { return decodeReceipt(v, p) },
		// "Unauthorized" is the detail that the sender's documentation shows.
		unauthorized: []byte(`{"error":"invalid signature","detail":"Unauthorized"}`),
		accepted:     []byte(`{"message":"Webhook processed successfully."}`),
	}
}

func decodeReceipt(v *delivery, p *printer) (o Outcome, reason string) {
	switch enc, err := event.EncodingOf(v.body); {
	case err != nil:
		return v.illFormed(err)
	case enc != event.JSON:
		return v.illFormed(event.ErrNotJSON)
	}
	r, field, err := parseReceipt(v.body)
	if err != nil {
		v.reply = problem("invalid body", err.Error())
		return Invalid, field
	}
	v.receipt(r, event.JSON, p)
	v.event.At, _ = receiptTime(r.DeliveredAt)
	return "", ""
}

// receipt makes the event of a receipt.
func (v *delivery) receipt(r event.Receipt, enc event.Encoding, p *printer) {
	v.event = event.Event{
		Source: event.SourceReceipts, ID: event.DerivedID(event.SourceReceipts, v.body),
		Kind: event.Kind{Type: KindReceipt, Subtype: r.Status}, Raw: v.body, Encoding: enc,
	}
	v.onStored = func() { p.write(r) }
	v.attrs = []slog.Attr{slog.String("message_id", r.ID), slog.String("message_status", r.Status)}
}

// decodeForeign reads a receipt in the shape of its provider. Its statuses are the provider's.
func decodeForeign(v *delivery, p *printer) (o Outcome, reason string) {
	enc, err := event.EncodingOf(v.body)
	if err != nil {
		return v.illFormed(err)
	}
	r, err := event.Inner[event.Receipt](&event.Event{Raw: v.body, Encoding: enc})
	for field, text := range map[string]string{"id": r.ID, "status": r.Status} {
		if err != nil || text == "" || len(text) > maxSelected {
			v.reply = problem("invalid body", field+": want the message's, in the provider's shape of receipts")
			return Invalid, field
		}
	}
	v.receipt(r, enc, p)
	return "", ""
}

// parseReceipt reads a receipt, or names the field that is wrong.
func parseReceipt(body []byte) (r event.Receipt, field string, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return r, "body", fmt.Errorf("body: want an object with id and status")
	}
	str := func(name string) string {
		var s string
		if json.Unmarshal(members[name], &s) != nil || len(s) > maxSelected {
			return ""
		}
		return s
	}
	r = event.Receipt{ID: str("id"), Status: str("status"), DeliveredAt: str("deliveredAt")}
	_, timely := receiptTime(r.DeliveredAt)
	given := len(members["deliveredAt"]) > 0 && string(members["deliveredAt"]) != "null"
	switch {
	case strings.TrimSpace(r.ID) == "":
		return r, "id", fmt.Errorf("id: want the message's id, a string that is not empty")
	case !slices.Contains(statuses, r.Status):
		return r, "status", fmt.Errorf("status: want queued, delivered or failed")
	case !given && r.Status == "delivered":
		return r, "deliveredAt", fmt.Errorf("deliveredAt: want the time of delivery, required when status is delivered")
	case given && !timely:
		return r, "deliveredAt", fmt.Errorf("deliveredAt: want a time such as 2024-12-01T12:00:00Z")
	}
	return r, "", nil
}

// statuses are those of the documented shape: three that its document names, and those that other
// senders report in it.
var statuses = []string{"queued", "delivered", "failed", "sent", "read", "undelivered"}

// receiptTime reads a time of RFC 3339; without an offset it is UTC.
func receiptTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// A printer prints receipts, one line each.
type printer struct {
	mu  sync.Mutex
	out io.Writer
}

func (p *printer) write(r event.Receipt) {
	if p.out == nil {
		return
	}
	line, err := json.Marshal(r)
	if err != nil {
		return // three strings can always be written
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "Processed webhook payload: %s\n", line) // A failed write is ignored: the receipt is stored.
}
