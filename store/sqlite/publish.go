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

// readChunk reads a part of a run of seen ids.
func (w *writer) readChunk(chunk int64) ([]byte, error) {
	return w.chunk.read(chunk)
}

// index writes the newest seen ids as a run when there are enough of them, and merges
// runs.
func (w *writer) index() error {
	if len(w.seen.fresh) < flushAt {
		return nil
	}
	return w.flushSeen()
}

// flushSeen writes all fresh ids as a run.
func (w *writer) flushSeen() error {
	if len(w.seen.fresh) == 0 {
		w.seen.flushed = w.last
		return nil
	}
	r, rows := w.seen.plan(w.last)
	if err := w.putRun(r, rows); err != nil {
		return err
	}
	w.seen.flush(r)
	return w.mergeSeen()
}

func (w *writer) mergeSeen() error {
	old := w.seen.mergeable()
	if old == nil {
		return nil
	}
	lists := make([][]idRow, len(old))
	for i, r := range old {
		for c := range r.fences {
			b, err := w.readChunk(r.chunk(c))
			if err != nil {
				return err
			}
			for ; len(b) >= idSize; b = b[idSize:] {
				lists[i] = append(lists[i], decodeID(b))
			}
		}
	}
	rows := mergeIDs(lists)
	merged := w.seen.build(rows, old[len(old)-1].toSeq)
	if err := w.putRun(merged, rows); err != nil {
		return err
	}
	for _, r := range old {
		if err := w.dropRun(r); err != nil {
			return err
		}
	}
	w.seen.replace(old, merged)
	return nil
}

func (w *writer) putRun(r *run, rows []idRow) error {
	s := w.stmt.putRun
	s.BindInt(1, r.number)
	s.BindInt(2, int64(r.ids))
	s.BindInt(3, r.toSeq)
	s.BindInt(4, r.newestAt)
	if err := w.write(s); err != nil {
		return err
	}
	buf := make([]byte, 0, idsPerChunk*idSize)
	for i := range r.fences {
		part := rows[i*idsPerChunk : min(len(rows), (i+1)*idsPerChunk)]
		s := w.stmt.putChunk
		s.BindInt(1, r.chunk(i))
		s.BindBytes(2, encodeIDs(buf, part))
		if err := w.write(s); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) dropRun(r *run) error {
	s := w.stmt.dropChunks
	s.BindInt(1, r.chunk(0))
	s.BindInt(2, (r.number+1)<<chunkBits)
	if err := w.write(s); err != nil {
		return err
	}
	w.stmt.dropRun.BindInt(1, r.number)
	return w.write(w.stmt.dropRun)
}

// dropSeen drops the oldest run when nobody needs it any more, and reports whether it did.
func (w *writer) dropSeen(now time.Time) (bool, error) {
	since := now.Add(-w.q.o.DedupeTTL).UnixNano()
	if len(w.seen.runs) == 0 {
		return false, nil
	}
	r := w.seen.runs[0]
	if r.newestAt > since || r.toSeq > w.trimmed {
		return false, nil
	}
	if err := w.dropRun(r); err != nil {
		return false, err
	}
	w.seen.replace([]*run{r}, nil)
	return true, nil
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
