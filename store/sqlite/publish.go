package sqlite

import (
	"fmt"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
)

// publish stores the events of a batch whose ids were not seen within the TTL.
func (w *writer) publish(entries []entry, now time.Time) error {
	if len(entries) == 0 && w.shrinking {
		return w.cannotWork(w.makeRoom(0))
	}
	if len(entries) == 0 {
		return nil
	}
	wanted, err := w.findCopies(entries, now)
	if err != nil {
		return err
	}
	if err := w.makeRoom(wanted); err != nil {
		return w.cannotWork(err)
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.known != 0:
			e.receipt = queue.Receipt{Position: w.position(e.known), Duplicate: true}
		case e.first != nil:
			e.receipt, e.err = queue.Receipt{Position: e.first.receipt.Position, Duplicate: true}, e.first.err
		default:
			if err := w.store(e, now); err != nil {
				return err
			}
		}
	}
	return w.writeIDs()
}

// findCopies marks the entries whose event was stored within the TTL, and those whose event
// stands in the batch before them. It returns how many are left to be stored.
func (w *writer) findCopies(entries []entry, now time.Time) (wanted int, err error) {
	since := w.q.o.Aging(now).Add(-w.q.o.DedupeTTL).UnixNano()
	batch := make(map[eventlog.Key]*entry, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.first = batch[e.key]; e.first != nil {
			continue
		}
		p, ok, err := w.place(&e.key)
		if err != nil {
			return 0, err
		}
		if ok && p.at > since {
			e.known = p.seq
			continue
		}
		batch[e.key] = e
		wanted++
	}
	return wanted, nil
}

// store writes one event, or answers that the store is full.
func (w *writer) store(e *entry, now time.Time) error {
	if w.kept() >= int64(w.q.o.RetentionCount) && !w.shrinking {
		e.err = fmt.Errorf("%w: %d events are kept and none is finished", queue.ErrFull, w.kept())
		return nil
	}
	if e.event.ReceivedAt.IsZero() {
		e.event.ReceivedAt = now
	}
	seq, at := w.last+1, w.q.o.Believed(now).UnixNano()
	w.mark = max(w.mark, nanos(e.event.ReceivedAt))
	w.args = bindEvent(w.args[:0], seq, at, w.mark, &e.event)
	if _, err := w.write(insertEvent, w.args...); err != nil {
		return err
	}
	w.last = seq
	w.lastIDs.add(&e.key, seq, at)
	w.newIDs = true
	w.seen.add(&e.key, seq)
	e.event.Position = w.position(seq)
	e.receipt = queue.Receipt{Position: e.event.Position}
	w.fresh = append(w.fresh, e.event)
	return w.addToBlock(seq, at, &e.event, e.words)
}
