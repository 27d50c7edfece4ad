// Package processor hands the events of a group to another program, as lines of JSON.
package processor

import (
	"context"
	"sync"

	"slackmcp/store/queue"
	"slackmcp/webhook/operator"
)

// An attempt is an event on its way to a program.
type attempt struct {
	operator.Event

	Group   string `json:"group"`
	Attempt int    `json:"attempt"`
}

// Print makes a handler that hands each event to write, one at a time. An event is done
// once it was written. When it cannot be, stop is called with the reason.
func Print(write func(v any) error, stop func(error)) queue.Handler {
	var mu sync.Mutex
	return func(ctx context.Context, d queue.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		err := write(attempt{operator.View(&d.Event), d.Group, d.Attempt})
		if err != nil {
			stop(err)
		}
		return err
	}
}
