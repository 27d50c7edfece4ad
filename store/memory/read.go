package memory

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// History reads one page; see queue.Queue. It holds the lock for a moment only.
func (q *Store) History(ctx context.Context, query event.Query) (event.Page, error) {
	if err := q.enter(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	b := q.bounds()
	if !query.Filter.Since.IsZero() {
		b.Floor = q.log.before(query.Filter.Since)
	}
	snapshot := q.log.from(b.Trimmed + 1)
	q.mu.Unlock()
	p, err := eventlog.Read(query, b, func(from int64, back bool) iter.Seq2[eventlog.Item, error] {
		return walk(ctx, snapshot, b, from, back)
	})
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// walk reads a snapshot of the log, in which list[0] has seq b.Trimmed+1.
func walk(ctx context.Context, list []*record, b eventlog.Bounds, from int64, back bool) iter.Seq2[eventlog.Item, error] {
	step, last := int64(1), b.Last
	if back {
		step, last = -1, max(b.Trimmed, b.Floor)+1
	}
	return func(yield func(eventlog.Item, error) bool) {
		for seq := from; (last-seq)*step >= 0; seq += step {
			if err := ctx.Err(); err != nil {
				yield(eventlog.Item{}, err)
				return
			}
			if !yield(eventlog.Item{Seq: seq, Event: &list[seq-b.Trimmed-1].event}, nil) {
				return
			}
		}
	}
}

// Get returns the stored event; see queue.Queue.
func (q *Store) Get(ctx context.Context, source, id string) (event.Event, error) {
	if err := q.enter(ctx, "get"); err != nil {
		return event.Event{}, err
	}
	defer q.mu.Unlock()
	if p, ok := q.seen.place(eventlog.KeyOf(source, id)); ok {
		if r := q.log.at(p.seq); r != nil {
			return r.event, nil
		}
	}
	return event.Event{}, fmt.Errorf("get: %w", event.ErrNotFound)
}

// locate returns the sequence number behind which a start begins. Requires q.mu.
func (q *Store) locate(s queue.Start) (int64, error) {
	switch {
	case s.After != "":
		return q.bounds().After(s.After)
	case !s.Since.IsZero():
		return q.log.before(s.Since), nil
	case s.Now:
		return q.log.last(), nil
	}
	return q.log.trimmed, nil
}

// maxTail bounds how many events a Tail takes at a time.
const maxTail = 256

// Tail follows the log; see queue.Queue.
func (q *Store) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	at, err := q.begin(from)
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	for {
		list, changed, err := q.tail(at)
		if err != nil {
			return fmt.Errorf("tail: %w", err)
		}
		for _, r := range list {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the end of ctx is no error
			}
			if err := fn(r.event); err != nil {
				return err
			}
		}
		at += int64(len(list))
		q.await(ctx, changed)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// await returns when the log has grown, unless changed is nil, or a call has to end.
func (q *Store) await(ctx context.Context, changed <-chan struct{}) {
	if changed == nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-q.life.Done():
	case <-changed:
	}
}

// begin finds where a Tail begins.
func (q *Store) begin(from queue.Start) (int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return 0, queue.ErrClosed
	}
	q.expire(q.o.Now())
	return q.locate(from)
}

// tail returns the next events behind a sequence number, or a channel to wait on.
func (q *Store) tail(at int64) ([]*record, <-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return nil, nil, queue.ErrClosed
	}
	if at < q.log.trimmed {
		return nil, nil, errors.Join(errOvertaken, q.bounds().Expired())
	}
	list := q.log.from(at + 1)
	if len(list) == 0 {
		return nil, q.next(), nil
	}
	return list[:min(len(list), maxTail)], nil, nil
}

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")
