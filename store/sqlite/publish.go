package sqlite

import (
	"fmt"
	"math"
	"time"

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
		p, ok, err := w.seen.find(e.key, w.readChunk)
		if err != nil {
			return err
		}
		if e.dup = ok && p.at > since; e.dup {
			e.known = p
		} else {
			wanted++
		}
	}
	if err := w.makeRoom(wanted); err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		// The batch may hold several copies of one event.
		if p, ok := w.seen.fresh[e.key]; ok && !e.dup && p.at > since {
			e.dup, e.known = true, p
		}
		if e.dup {
			e.receipt = queue.Receipt{Position: w.position(e.known.seq), Duplicate: true}
			continue
		}
		if err := w.store(e, now); err != nil {
			return err
		}
	}
	return nil
}

// store writes one event, or answers that there is no room.
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
	bindEvent(w.stmt.insert, seq, at, w.mark, &e.event)
	if err := w.write(w.stmt.insert); err != nil {
		return err
	}
	w.last = seq
	w.seen.add(e.key, place{seq: seq, at: at})
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
