package redis

import (
	"context"
	"fmt"
	"iter"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/queue"
	"slackmcp/webhook/queue/internal/idkey"
	"slackmcp/webhook/queue/internal/page"
)

// piece is how many events are read at a time; Redis stops earlier at a megabyte.
const piece = 256

// History reads one page; see queue.Queue. Between the pieces of a long page others may
// write.
func (q *Queue) History(ctx context.Context, query event.Query) (event.Page, error) {
	if err := q.check(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	b, floor, err := q.start(ctx, queue.Start{Since: query.Filter.Since})
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	b.Floor = floor
	p, err := page.Read(query, b, func(from int64, back bool) iter.Seq2[page.Item, error] {
		return q.scan(ctx, query, b, from, back)
	})
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// scan reads the log piece by piece, from one end of a query's range to the other.
func (q *Queue) scan(ctx context.Context, query event.Query, b page.Bounds, from int64, back bool) iter.Seq2[page.Item, error] {
	bound, step := b.Last, int64(1)
	if back {
		bound, step = max(b.Trimmed, b.Floor)+1, -1
	}
	n := pieceFor(query)
	return func(yield func(page.Item, error) bool) {
		for (bound-from)*step >= 0 {
			events, err := q.piece(ctx, b, from, bound, back, n)
			if err != nil {
				yield(page.Item{}, err)
			}
			if len(events) == 0 || !yieldAll(events, yield) {
				return
			}
			from = seqOf(&events[len(events)-1]) + step
		}
	}
}

func yieldAll(events []event.Event, yield func(page.Item, error) bool) bool {
	for i := range events {
		if !yield(page.Item{Seq: seqOf(&events[i]), Event: &events[i]}, nil) {
			return false
		}
	}
	return true
}

// piece reads a part of a query's range, which has to be there still.
func (q *Queue) piece(ctx context.Context, b page.Bounds, from, bound int64, back bool, n int) ([]event.Event, error) {
	now, events, err := q.read(ctx, from, bound, back, n)
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

// seqOf returns the sequence number of an event that was read from the store.
func seqOf(e *event.Event) int64 {
	seq, _ := e.Position.Seq()
	return int64(seq) //nolint:gosec // Redis's numbers are below 2^53
}

// read returns at most n events from one sequence number to another, and the bounds of
// the log at that moment.
func (q *Queue) read(ctx context.Context, from, to int64, back bool, n int) (page.Bounds, []event.Event, error) {
	up := 1
	if back {
		up = 0
	}
	v, err := q.eval(ctx, readScript, []string{q.keys.meta, q.keys.log}, from, to, up, n)
	if err != nil {
		return page.Bounds{}, nil, err
	}
	r := reply{list: v}
	b := r.bounds()
	list := r.sub()
	events := make([]event.Event, 0, len(list.list)/2)
	for len(list.list) > 0 && list.err == nil {
		seq := list.number()
		events = append(events, list.event(b.Epoch, seq))
	}
	if err := firstError(r.err, list.err); err != nil {
		return page.Bounds{}, nil, fmt.Errorf("redis: %w", err)
	}
	q.noticed(b.Epoch, b.Last)
	return b, events, nil
}

// start finds behind which sequence number a reader begins, and the bounds of the log. A
// start that is not kept is an expiry error.
func (q *Queue) start(ctx context.Context, s queue.Start) (page.Bounds, int64, error) {
	kind, value, epoch, ok := startArgs(s)
	if !ok {
		value = -1
	}
	v, err := q.eval(ctx, startScript, []string{q.keys.meta, q.keys.log}, kind, value, epoch)
	if err != nil {
		return page.Bounds{}, 0, err
	}
	r := reply{list: v}
	b := r.bounds()
	at := r.number()
	if r.err != nil {
		return page.Bounds{}, 0, fmt.Errorf("redis: %w", r.err)
	}
	if at < 0 {
		return b, 0, b.Expired()
	}
	return b, at, nil
}

// startArgs says a start in the scripts' words; false is an ill-formed position.
func startArgs(s queue.Start) (kind string, value int64, epoch string, ok bool) {
	switch {
	case s.After != "":
		seq, ok := s.After.Seq()
		const most = 1 << 53
		if !ok || seq >= most {
			return "after", -1, s.After.Epoch(), false
		}
		return "after", int64(seq), s.After.Epoch(), true
	case !s.Since.IsZero():
		return "since", s.Since.UnixMicro(), "", true
	case s.Now:
		return "now", 0, "", true
	}
	return "oldest", 0, "", true
}

// Get returns the stored event; see queue.Queue.
func (q *Queue) Get(ctx context.Context, source, id string) (event.Event, error) {
	if err := q.check(ctx, "get"); err != nil {
		return event.Event{}, err
	}
	digest := idkey.Of(source, id)
	v, err := q.eval(ctx, getScript, []string{q.keys.meta, q.keys.log, q.keys.ids}, digest[:])
	if err != nil {
		return event.Event{}, fmt.Errorf("get: %w", err)
	}
	if len(v) == 0 {
		return event.Event{}, fmt.Errorf("get: %w", event.ErrNotFound)
	}
	r := reply{list: v}
	epoch := r.text()
	e := r.event(epoch, r.number())
	if r.err != nil {
		return event.Event{}, fmt.Errorf("get: redis: %w", r.err)
	}
	return e, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// idle is how long a reader or a consumer believes that nothing happened without asking.
const idle = 2 * time.Second
