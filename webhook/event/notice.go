package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// SourceGaps is the Source of the events by which this server reports gaps that it noticed
// itself: times in which Slack's events may have been missed. No sender posts them, and no
// other source may have the name. Events that Slack withheld are reported by Slack, in an
// app_rate_limited of [SourceSlack].
const SourceGaps = "gaps"

// KindGap is the Kind's type of the events of [SourceGaps].
const KindGap = "gap_detected"

// A GapNotice is the body of an event of [SourceGaps]. The event's ID is the gap's, so
// that each gap is one event, however often and by how many replicas it is reported.
type GapNotice struct {
	Type string      `json:"type"` // KindGap
	Gap  DetectedGap `json:"gap"`
}

// A DetectedGap is a gap as it was when it was noticed: From <= t < To. It may have grown
// since.
type DetectedGap struct {
	ID string `json:"id"`
	// Kind is how it was noticed: downtime, unavailable, unreachable or
	// disconnected.
	Kind      string    `json:"kind"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	NoticedAt time.Time `json:"noticed_at"`
}

// Gap returns the gap that an event of [SourceGaps] reports; ok is false for every other event.
func (e *Event) Gap() (g DetectedGap, ok bool) {
	if e.Source != SourceGaps || e.Kind.Type != KindGap {
		return g, false
	}
	n, err := Inner[GapNotice](e)
	return n.Gap, err == nil && n.Gap.ID != ""
}

// filledPrefix begins the ids of events that no delivery brought. Slack's begin with "Ev".
const filledPrefix = "filled-"

// FilledID is the id of an event that was made of a message in a channel's history,
// because its delivery was missed: typ is message or app_mention.
func FilledID(typ, channel, ts string) string {
	return filledPrefix + typ + "-" + channel + "-" + ts
}

// Filled reports whether the event was made of a channel's history, and not delivered.
func (e *Event) Filled() bool {
	return e.Source == SourceSlack && strings.HasPrefix(e.ID, filledPrefix)
}

// TS is an instant as Slack writes it, which for the delivery of a message is the
// message's ts.
func TS(t time.Time) string {
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// SourceReceipts is the Source of delivery receipts, posted to /webhooks.
const SourceReceipts = "receipts"

// Receipt is the body of a delivery receipt: what became of a message that was
// sent through a messaging service.
type Receipt struct {
	// ID is the message's id, not the receipt's: each change of status has the same.
	ID string `json:"id"`
	// Status is queued, sent, delivered, undelivered, failed or read, or another word of the sender's.
	Status string `json:"status"`
	// DeliveredAt is when, as the sender wrote it; empty unless delivered.
	DeliveredAt string `json:"deliveredAt,omitempty"`
}

// UnmarshalJSON reads what the documented sender writes (id, status, deliveredAt), and what Twilio
// (MessageSid, MessageStatus), Vonage (message_uuid or messageId, status) and MessageBird (message.id,
// message.status) do. Values that are no texts count as absent.
func (r *Receipt) UnmarshalJSON(b []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	*r = Receipt{
		ID:          firstText(members, "id", "MessageSid", "SmsSid", "message_uuid", "messageId"),
		Status:      firstText(members, "status", "MessageStatus", "SmsStatus"),
		DeliveredAt: firstText(members, "deliveredAt"),
	}
	var message map[string]json.RawMessage
	if json.Unmarshal(members["message"], &message) == nil {
		r.ID, r.Status = cmp.Or(r.ID, firstText(message, "id")), cmp.Or(r.Status, firstText(message, "status"))
	}
	return nil
}

func firstText(members map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		var text string
		if json.Unmarshal(members[name], &text) == nil && text != "" {
			return text
		}
	}
	return ""
}

// progress is how far a message with a status has come; one that is not here has only begun.
var progress = map[string]int{"sent": 1, "delivered": 2, "undelivered": 2, "failed": 2, "read": 3}

// A MessageStatus is the last that is known of one message.
type MessageStatus struct {
	Receipt
	// Event is the receipt that reported it.
	Event Event
}

// LastStatuses returns the last known status of each message that the receipts among some
// events report, the message with the newest receipt first. The events may be in any order.
// A status that comes after one of further progress, such as queued after delivered, is late and
// changes nothing.
func LastStatuses(events []Event) []MessageStatus {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	last := map[string]int{} // message id -> the receipt with its status
	receipts := make([]Receipt, len(sorted))
	for i := range sorted {
		r, err := Inner[Receipt](&sorted[i])
		if sorted[i].Source != SourceReceipts || err != nil || r.ID == "" {
			continue // It is no receipt, or one that the receiver would have refused.
		}
		if k, ok := last[r.ID]; ok && progress[r.Status] < progress[receipts[k].Status] {
			continue
		}
		receipts[i], last[r.ID] = r, i
	}
	var all []MessageStatus
	for _, i := range slices.Backward(slices.Sorted(maps.Values(last))) {
		all = append(all, MessageStatus{Receipt: receipts[i], Event: sorted[i]})
	}
	return all
}
