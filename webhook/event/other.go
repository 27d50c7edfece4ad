package event

import "errors"

// SourceReceipts is the Source of delivery receipts, posted to /webhooks.
const SourceReceipts = "receipts"

// EncodingOf says how the body of a sender beside Slack is written: as JSON when it is
// JSON, any value, and else as a form, whatever its media type says. Errors: ErrEmpty,
// ErrNotUTF8, ErrTooDeep, ErrTooLong.
func EncodingOf(body []byte) (Encoding, error) {
	if err := check(body); err != nil {
		return JSON, err
	}
	s := scanner{b: body}
	if s.space() == 0 {
		if err := emptyOr(body); !errors.Is(err, ErrNotJSON) {
			return JSON, err
		}
	}
	err := s.skip()
	if err == nil {
		err = s.end()
	}
	if errors.Is(err, ErrNotJSON) {
		return Form, nil
	}
	return JSON, err
}

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
