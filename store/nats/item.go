package nats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// What an event is to a group while it is neither new nor done, nor in its first attempt.
const (
	retrying = "retry"
	leased   = "lease"
	buried   = "dead"
)

// An item is what a group knows of such an event. In the bucket it is a line of JSON
// with the event's record behind it.
type item struct {
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	// At is when it is due, or when it died, by the server's clock, in Unix
	// microseconds.
	At     int64  `json:"at"`
	Reason string `json:"reason,omitempty"`
	// Owner is the consumer that holds the lease.
	Owner string `json:"owner,omitempty"`
	// Received is when the event was received, in Unix microseconds.
	Received int64 `json:"received"`

	rev uint64
	// observed is when this process learnt of the revision. A lease that was not
	// renewed since for its whole length has ended, whatever the clocks say.
	observed time.Time
}

func (i item) encode(rec []byte) ([]byte, error) {
	head, err := json.Marshal(i)
	if err != nil {
		return nil, fmt.Errorf("encode item: %w", err)
	}
	return append(append(head, '\n'), rec...), nil
}

func decodeItem(b []byte) (i item, rec []byte, err error) {
	head, rec, _ := bytes.Cut(b, []byte{'\n'})
	if err := json.Unmarshal(head, &i); err != nil {
		return item{}, nil, fmt.Errorf("decode item: %w", err)
	}
	return i, rec, nil
}

// A groupRecord makes a group durable.
type groupRecord struct {
	Name string `json:"name"`
	// Born tells this registration from another one of the same name.
	Born  string `json:"born"`
	Epoch string `json:"epoch"`
	// Start is behind which sequence number the group began.
	Start   int64 `json:"start"`
	Expired int64 `json:"expired"`
	// Took are the replayed events from before the start, while they are stored.
	Took []int64 `json:"took,omitempty"`
	// Adopted counts them, also those that are not stored any more.
	Adopted int64 `json:"adopted"`
}

// A logRecord is how far retention has removed the log.
type logRecord struct {
	Trimmed int64 `json:"trimmed"`
}
