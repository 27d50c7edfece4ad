package event

import (
	"maps"
	"slices"
)

// SourceReceipts is the Source of delivery receipts, posted to /webhooks.
const SourceReceipts = "receipts"

// Receipt is the body of a delivery receipt: what became of a message that somebody
// sent through a messaging service.
type Receipt struct {
	// ID is the message's id, not the receipt's: each change of status has the same.
	ID string `json:"id"`
	// Status is queued, delivered or failed.
	Status string `json:"status"`
	// DeliveredAt is when, as the sender wrote it; empty unless delivered.
	DeliveredAt string `json:"deliveredAt,omitempty"`
}

// A MessageStatus is the last that is known of one message.
type MessageStatus struct {
	Receipt
	// Event is the receipt that told it.
	Event Event
}

// LastStatuses returns the last known status of each message that the receipts among
// some events tell of, the message that was heard of last first. The events may be in
// any order. A queued that comes after delivered or failed is late, not news.
func LastStatuses(events []Event) []MessageStatus {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	last := map[string]int{} // message id -> its latest receipt that is news
	receipts := make([]Receipt, len(sorted))
	for i := range sorted {
		r, err := Inner[Receipt](&sorted[i])
		if sorted[i].Source != SourceReceipts || err != nil || r.ID == "" {
			continue // no receipt, or nothing that the receiver would have taken
		}
		if k, ok := last[r.ID]; ok && r.Status == "queued" && receipts[k].Status != "queued" {
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
