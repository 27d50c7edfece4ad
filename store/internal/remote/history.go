package remote

import (
	"context"
	"iter"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// History reads one page. Between the pieces of a long page others may write.
func History(ctx context.Context, log Log, query event.Query) (event.Page, error) {
	b, floor, err := log.Start(ctx, queue.Start{Since: query.Filter.Since})
	if err != nil {
		return event.Page{}, err
	}
	b.Floor = floor
	return eventlog.Read(query, b, func(from int64, back bool) iter.Seq2[eventlog.Item, error] {
		return scan(ctx, log, query, b, from, back)
	})
}

// scan reads the log piece by piece, from one end of a query's range to the other.
func scan(ctx context.Context, log Log, query event.Query, b eventlog.Bounds, from int64, back bool) iter.Seq2[eventlog.Item, error] {
	bound, step := b.Last, int64(1)
	if back {
		bound, step = max(b.Trimmed, b.Floor)+1, -1
	}
	n := pieceFor(query)
	return func(yield func(eventlog.Item, error) bool) {
		for (bound-from)*step >= 0 {
			events, err := part(ctx, log, b, from, bound, back, n)
			if err != nil {
				yield(eventlog.Item{}, err)
			}
			if len(events) == 0 || !yieldAll(events, yield) {
				return
			}
			from = seqOf(&events[len(events)-1]) + step
		}
	}
}

func yieldAll(events []event.Event, yield func(eventlog.Item, error) bool) bool {
	for i := range events {
		if !yield(eventlog.Item{Seq: seqOf(&events[i]), Event: &events[i]}, nil) {
			return false
		}
	}
	return true
}

// part reads a part of a query's range, which has to be there still.
func part(ctx context.Context, log Log, b eventlog.Bounds, from, bound int64, back bool, n int) ([]event.Event, error) {
	now, events, err := log.Read(ctx, from, bound, back, n)
	if err == nil && (now.Epoch != b.Epoch || !back && now.Trimmed >= from) {
		return nil, now.Expired()
	}
	return events, err
}

// pieceFor is how many events to read at a time: no more than the page has when nearly
// every event is wanted.
func pieceFor(query event.Query) int {
	f := query.Filter
	if len(f.Patterns) > 0 || f.Channel != "" || f.User != "" || f.Thread != "" || query.Limit <= 0 {
		return piece
	}
	return min(piece, query.Limit)
}
