package nats

import (
	"context"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
)

// skew is how far the clocks of senders' times and of the server may differ where a
// place is looked for by time.
const skew = 5 * time.Minute

// Start implements reader.Log. By an instant it finds a place that is early enough; the
// reader leaves out what comes too early.
func (l storeLog) Start(ctx context.Context, st queue.Start) (eventlog.Bounds, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, b, err := l.q.bounds(ctx)
	if err != nil {
		return b, 0, err
	}
	switch {
	case st.After != "":
		at, err := b.After(st.After)
		return b, at, err
	case !st.Since.IsZero():
		at, err := l.q.before(ctx, b, st.Since.Add(-skew))
		return b, at, err
	case st.Now:
		return b, b.Last, nil
	}
	return b, b.Trimmed, nil
}

// before returns the last sequence number that was stored before t, within the bounds.
func (q *Store) before(ctx context.Context, b eventlog.Bounds, t time.Time) (int64, error) {
	list, err := q.direct(ctx, direct{StartTime: &t, Batch: 1})
	if err != nil {
		return 0, q.fault(err)
	}
	if len(list) == 0 {
		return b.Last, nil // everything is older
	}
	return min(max(list[0].seq-1, b.Trimmed), b.Last), nil
}

// locate returns behind which sequence number a group begins: by an instant, exactly.
func (q *Store) locate(ctx context.Context, st queue.Start) (eventlog.Bounds, int64, error) {
	b, at, err := storeLog{q}.Start(ctx, st)
	if err != nil || st.After != "" || st.Since.IsZero() {
		return b, at, err
	}
	for at < b.Last {
		_, events, err := storeLog{q}.Read(ctx, at+1, b.Last, false, 256)
		if err != nil {
			return b, 0, err
		}
		for i := range events {
			if !events[i].ReceivedAt.Before(st.Since) {
				return b, at, nil
			}
			at++
		}
		if len(events) == 0 {
			break
		}
	}
	return b, at, nil
}
