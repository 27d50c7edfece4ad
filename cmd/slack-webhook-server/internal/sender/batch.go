package sender

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Batch sends a payload, or several made-up messages, and prints the answers.
type Batch struct {
	Sender *Sender
	// Payload is what to send; nil makes Message up, Count times.
	Payload []byte
	Message Message
	// Count and Repeat begin at 1: Repeat is how often each payload is sent.
	Count, Repeat int
	// JSON prints one object a line instead of a line for people.
	JSON bool
}

// report is one line of output.
type report struct {
	EventID    string `json:"event_id,omitempty"`
	Attempt    int    `json:"attempt"`
	Status     int    `json:"status"`
	Body       string `json:"body"`
	DurationMS int64  `json:"duration_ms"`
}

// Send posts one after the other and writes a line for each answer. It stops at the
// first post that gets no answer; answers that are no success make an error at the end.
func (b Batch) Send(ctx context.Context, w io.Writer) error {
	refused, sent := 0, 0
	for range b.Count {
		body, id, err := b.next()
		if err != nil {
			return err
		}
		for attempt := range b.Repeat {
			answer, err := b.Sender.Send(ctx, body, attempt)
			if err != nil {
				return fmt.Errorf("no answer: %w: start the server, or give its address with --url", err)
			}
			if sent++; !answer.Accepted() {
				refused++
			}
			if err := b.print(w, report{id, attempt, answer.Status, strings.TrimSpace(string(answer.Body)), answer.Took.Milliseconds()}); err != nil {
				return err
			}
		}
	}
	if refused > 0 {
		return fmt.Errorf("the server refused %d of %d", refused, sent)
	}
	return nil
}

func (b Batch) next() (body []byte, id string, err error) {
	if b.Payload == nil {
		return b.Message.Payload(time.Now())
	}
	var envelope struct {
		ID string `json:"event_id"`
	}
	_ = json.Unmarshal(b.Payload, &envelope) // what is no JSON is sent all the same, without an id to show
	return b.Payload, envelope.ID, nil
}

func (b Batch) print(w io.Writer, r report) error {
	if b.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintln(w, r.Status, r.Body, r.EventID)
	return err
}
