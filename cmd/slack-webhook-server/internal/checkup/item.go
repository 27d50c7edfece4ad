package checkup

import (
	"context"
	"time"
)

// Limit bounds each thing that is asked.
const Limit = 10 * time.Second

// A Status is how one check ended.
type Status string

// The ways a check ends.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
)

// An Item is one line of an online check.
type Item struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Found says what was seen; Remedy what to do, "" where nothing is to be done.
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// Failures counts the items that failed.
func Failures(items []Item) int {
	n := 0
	for _, i := range items {
		if i.Status == Failed {
			n++
		}
	}
	return n
}

// within gives one check its time.
func within[T any](ctx context.Context, ask func(context.Context) T) T {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	return ask(ctx)
}
