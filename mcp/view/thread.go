package view

import (
	"cmp"
	"context"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/mcp/sight"
	"slackmcp/webhook/event"
)

// ThreadOf returns the ts of the first message of the thread in which a log has the message of a ts, of a
// conversation or, where channel is "", of any. It is the ts itself where the log has no such message: one
// page is looked at, of what was received up to 90 minutes after the message was written.
func ThreadOf(ctx context.Context, log sight.Log, channel, ts string) (root string, err error) {
	at, ok := names.TimeOf(ts)
	if !ok {
		return ts, nil
	}
	q := event.Query{Order: event.OldestFirst, Limit: event.MaxLimit, NoBodies: true, Filter: event.Filter{
		Source: event.SourceSlack, Channel: channel, Since: at.Add(-time.Minute), Until: at.Add(pairPatience), // clocks differ
	}}
	err = log.Query(ctx, q, func(page event.Page) error {
		for i := range page.Events {
			if e := &page.Events[i]; isMessage(e) && event.TS(e.At) == ts {
				root = cmp.Or(root, e.Thread)
			}
		}
		return nil
	})
	return cmp.Or(root, ts), err
}
