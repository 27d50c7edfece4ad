package event_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/webhook/event"
)

func TestLastStatuses(t *testing.T) {
	at := time.Unix(1763791200, 0)
	receipt := func(second int, body string) event.Event {
		return event.Event{Source: event.SourceReceipts, ReceivedAt: at.Add(time.Duration(second) * time.Second), Raw: []byte(body)}
	}
	events := []event.Event{
		receipt(9, `{"id":"a","status":"queued"}`), // late
		receipt(1, `{"id":"a","status":"queued"}`),
		receipt(5, `{"id":"a","status":"delivered","deliveredAt":"2024-12-01T12:00:00Z"}`),
		receipt(2, `{"id":"b","status":"queued"}`),
		receipt(3, `{"id":"c","status":"delivered","deliveredAt":"2024-12-01T12:00:00Z"}`),
		receipt(7, `{"id":"c","status":"failed"}`),
		receipt(8, `{"status":"queued"}`),
		receipt(8, `[]`),
		{Source: "slack", ReceivedAt: at.Add(time.Hour), Raw: []byte(`{"id":"d","status":"queued"}`)},
	}
	var got []event.Receipt
	for _, s := range event.LastStatuses(events) {
		got = append(got, s.Receipt)
	}
	want := []event.Receipt{{ID: "c", Status: "failed"}, {ID: "a", Status: "delivered", DeliveredAt: "2024-12-01T12:00:00Z"}, {ID: "b", Status: "queued"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
