package journal

import (
	"context"
	"iter"

	"slackmcp/webhook/event"
)

// Query reads one page of the window. A page that ends at the window's oldest event
// has no Next and says no More; what is older is in the store, from Floor on. A cursor
// that the window does not reach back to, or of another epoch, is an
// *event.CursorExpiredError.
func (j *Journal) Query(_ context.Context, q event.Query) (event.Page, error) {
	if q.Limit <= 0 {
		q.Limit = event.DefaultLimit
	}
	q.Limit = min(q.Limit, event.MaxLimit)
	if q.ScanBudget <= 0 {
		q.ScanBudget = event.DefaultScanBudget
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.ring.n == 0 {
		if q.After != "" {
			return event.Page{}, &event.CursorExpiredError{}
		}
		return event.Page{}, nil
	}
	from, to, err := j.bounds(&q)
	if err != nil {
		return event.Page{}, err
	}
	page := j.scan(&q, j.candidates(&q, from, to))
	if page.Next == "" && q.Order == event.OldestFirst {
		page.Next = j.newest()
	}
	return page, nil
}

// bounds returns the range of numbers [from, to) that the page may come from.
func (j *Journal) bounds(q *event.Query) (from, to uint64, err error) {
	from, to = j.ring.first, j.ring.end()
	if q.After != "" {
		floor := j.ring.at(j.ring.first).Position
		if q.After.Epoch() != floor.Epoch() || (q.Order == event.OldestFirst && q.After < floor) {
			return 0, 0, &event.CursorExpiredError{Oldest: floor}
		}
		if q.Order == event.OldestFirst {
			from = j.ring.search(func(r *record) bool { return r.Position > q.After })
		} else {
			to = j.ring.search(func(r *record) bool { return r.Position >= q.After })
		}
	}
	if !q.Filter.Since.IsZero() {
		// No event before this one was received at or after Since.
		from = max(from, j.ring.search(func(r *record) bool { return !r.latest.Before(q.Filter.Since) }))
	}
	return from, max(from, to), nil
}

// candidates iterates over the numbers in [from, to) that the filter may select, in
// the query's order; with each comes whether it is the last one.
func (j *Journal) candidates(q *event.Query, from, to uint64) iter.Seq2[uint64, bool] {
	seqs, narrowed := j.index.narrow(&q.Filter)
	if narrowed {
		seqs = cut(seqs, from, to)
	}
	n := len(seqs)
	if !narrowed {
		n = int(to - from) //nolint:gosec // at most MaxEvents
	}
	return func(yield func(uint64, bool) bool) {
		for i := range n {
			k := i
			if q.Order == event.NewestFirst {
				k = n - 1 - i
			}
			seq := from + uint64(k) //nolint:gosec // not negative
			if narrowed {
				seq = seqs[k]
			}
			if !yield(seq, i == n-1) {
				return
			}
		}
	}
}

// scan collects the page. Next is left empty when every candidate was looked at.
func (j *Journal) scan(q *event.Query, candidates iter.Seq2[uint64, bool]) event.Page {
	var page event.Page
	budget := q.ScanBudget
	for seq, last := range candidates {
		r := j.ring.at(seq)
		if q.Filter.Match(&r.Event) {
			page.Events = append(page.Events, r.Event)
		}
		budget--
		if full := len(page.Events) == q.Limit; full || (budget == 0 && !last) {
			page.Next, page.More = r.Position, !last
			break
		}
	}
	return page
}
