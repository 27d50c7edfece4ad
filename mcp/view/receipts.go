package view

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"slackmcp/mcp/sight"
	"slackmcp/webhook/event"
)

// A MessageStatus is what is known of one message, read from the received delivery
// receipts. Nothing is kept beside the events: a status is as old as the store reaches
// back, and as true as its signed receipts.
type MessageStatus struct {
	Mark
	MessageID   string    `json:"message_id"`
	Status      string    `json:"status" doc:"The last known: queued, delivered or failed"`
	DeliveredAt string    `json:"delivered_at,omitempty"`
	Receipts    []Receipt `json:"receipts" doc:"What told of it, newest first, at most 50"`
	Complete    bool      `json:"complete" doc:"Whether all that is stored was looked at"`
	Flags       Flags     `json:"flags,omitempty"`
}

// A Receipt is one change of a message's status.
type Receipt struct {
	Status      string `json:"status"`
	DeliveredAt string `json:"delivered_at,omitempty"`
	ReceivedAt  string `json:"received_at"`
	EventID     string `json:"event_id"`
	URI         string `json:"uri" doc:"resource with the whole event"`
}

// Bounds of one search: what lies deeper in the store counts as unknown.
const (
	maxReceipts      = 50
	maxFound         = 500
	maxReceiptPages  = 50
	receiptsPatience = 3 * time.Second
)

// FindMessageStatus returns the status of a message by its id, or event.ErrNotFound when
// no receipt reports it. A queued that came after delivered or failed is late and changes nothing.
func FindMessageStatus(ctx context.Context, log sight.Log, id string) (MessageStatus, error) {
	found, complete, err := searchReceipts(ctx, log, id)
	if err != nil {
		return MessageStatus{}, err
	}
	last := event.LastStatuses(found)
	if len(last) == 0 {
		return MessageStatus{}, event.ErrNotFound
	}
	s := MessageStatus{Status: last[0].Status, DeliveredAt: last[0].DeliveredAt, Complete: complete, Receipts: []Receipt{}}
	s.MessageID = s.Flags.Name(id)
	for i := range found {
		e := &found[i]
		if len(s.Receipts) == maxReceipts {
			break
		}
		r, err := event.Inner[event.Receipt](e)
		if err != nil {
			continue // searchReceipts has read it
		}
		s.Receipts = append(s.Receipts, Receipt{
			Status: r.Status, DeliveredAt: r.DeliveredAt, ReceivedAt: Time(e.ReceivedAt),
			EventID: s.Flags.Name(e.ID), URI: EventURI(e.Source, e.ID),
		})
	}
	return s, nil
}

// searchReceipts collects a message's receipts, newest first.
func searchReceipts(ctx context.Context, log sight.Log, id string) (found []event.Event, complete bool, err error) {
	q := event.Query{Filter: event.Filter{Source: event.SourceReceipts}, Limit: event.MaxLimit}
	began := time.Now()
	for range maxReceiptPages {
		err = log.Query(ctx, q, func(page event.Page) (err error) {
			q.After, complete = page.Next, !page.More
			found, err = appendReceipts(found, page.Events, id)
			return err
		})
		if err != nil {
			return nil, false, err
		}
		if complete || len(found) == maxFound || time.Since(began) > receiptsPatience {
			break
		}
	}
	// By the time of receipt, as LastStatuses judges.
	slices.SortStableFunc(found, func(a, b event.Event) int { return b.ReceivedAt.Compare(a.ReceivedAt) })
	return found, complete, nil
}

// appendReceipts adds the receipts of message id that are among events to found, up to maxFound.
func appendReceipts(found, events []event.Event, id string) ([]event.Event, error) {
	for _, e := range events {
		r, err := event.Inner[event.Receipt](&e)
		if err != nil || r.ID != id {
			continue
		}
		if len(found) == maxFound {
			break
		}
		// A body belongs to the log, and may be long; what it says of the message is short.
		if e.Raw, err = json.Marshal(r); err != nil {
			return nil, err
		}
		e.Encoding = event.JSON
		found = append(found, e)
	}
	return found, nil
}
