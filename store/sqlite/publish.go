package sqlite

import (
	"fmt"
	"math"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
)

// publish stores the events of a batch whose ids were not seen within the TTL.
func (w *writer) publish(entries []entry, now time.Time) error {
	if len(entries) == 0 {
		return nil
	}
	since := now.Add(-w.q.o.DedupeTTL).UnixNano()
	wanted := 0
	for i := range entries {
		e := &entries[i]
		p, ok, err := w.place(&e.key)
		if err != nil {
			return err
		}
		if e.dup = ok && p.at > since; e.dup {
			e.known = p.seq
		} else {
			wanted++
		}
	}
	if err := w.makeRoom(wanted); err != nil {
		return err
	}
	stored := make(map[eventlog.Key]int64, wanted)
	for i := range entries {
		e := &entries[i]
		// The batch may hold several copies of one event.
		if first, ok := stored[e.key]; ok && !e.dup {
			e.dup, e.known = true, first
		}
		if e.dup {
			e.receipt = queue.Receipt{Position: w.position(e.known), Duplicate: true}
			continue
		}
		if err := w.store(e, now); err != nil {
			return err
		}
		if e.err == nil && len(entries) > 1 {
			stored[e.key] = w.last
		}
	}
	return w.writeIDs()
}

// store writes one event, or answers that the store is full.
func (w *writer) store(e *entry, now time.Time) error {
	if w.kept() >= int64(w.q.o.RetentionCount) {
		e.err = fmt.Errorf("%w: %d events are kept and none is finished", queue.ErrFull, w.kept())
		return nil
	}
	if e.event.ReceivedAt.IsZero() {
		e.event.ReceivedAt = now
	}
	seq, at := w.last+1, now.UnixNano()
	w.mark = max(w.mark, nanos(e.event.ReceivedAt))
	w.args = bindEvent(w.args[:0], seq, at, w.mark, &e.event)
	if _, err := w.write(insertEvent, w.args...); err != nil {
		return err
	}
	w.last = seq
	w.remember(&e.key, seq, at)
	e.event.Position = w.position(seq)
	e.receipt = queue.Receipt{Position: e.event.Position}
	w.fresh = append(w.fresh, e.event)
	return nil
}

// nanos is Unix nanoseconds, at most what they can express.
func nanos(t time.Time) int64 {
	switch sec := t.Unix(); {
	case sec >= nanoRange:
		return math.MaxInt64
	case sec <= -nanoRange:
		return math.MinInt64
	}
	return t.UnixNano()
}
