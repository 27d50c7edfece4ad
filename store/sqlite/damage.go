package sqlite

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"modernc.org/sqlite"

	"slackmcp/store/queue"
)

// unreadable reports whether an error says that a part of the file cannot be read: it is
// malformed, it is cut off, or the disk does not give it back. What else can go wrong with a
// disk may be over in a moment, and is not this.
func unreadable(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	const corrupt, none, read, short, filesystem = 11, 26, 266, 522, 8458 // SQLITE_CORRUPT, _NOTADB, _IOERR_READ, _IOERR_SHORT_READ, _IOERR_CORRUPTFS
	switch code := e.Code(); code {
	case none, read, short, filesystem:
		return true
	default:
		return code&0xff == corrupt
	}
}

// A span is a run of events that cannot be read: From <= seq <= To. Since and Until are when
// events around it were stored, in Unix nanoseconds; 0 is not known.
type span struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Since int64 `json:"since,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// A loss is a number of acknowledged events that a log lacks at its end.
type loss struct {
	Events   int64     `json:"events"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Accepted bool      `json:"accepted"`
}

// damage is what is known to be wrong with the events' file. It is kept in meta, so that it
// is known at the next start and goes with the file. It is safe for concurrent use.
type damage struct {
	mu     sync.Mutex
	Spans  []span `json:"spans,omitempty"`
	Losses []loss `json:"losses,omitempty"`
	// tables are those of the others of which a part cannot be read, with what that means. The
	// next start finds it again.
	tables map[string]string
}

// mostSpans and mostLosses bound what is remembered; further ones are found again.
const (
	mostSpans  = 100
	mostLosses = 10
)

// at returns the span that an event is in.
func (d *damage) at(seq int64) (span, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.Spans {
		if s.From <= seq && seq <= s.To {
			return s, true
		}
	}
	return span{}, false
}

// from returns the first span that ends at or behind an event.
func (d *damage) from(seq int64) (span, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.Spans {
		if s.To >= seq {
			return s, true
		}
	}
	return span{}, false
}

// add takes in a span, with those that it touches. It reports whether that is news.
func (d *damage) add(s span) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest := d.Spans[:0:0]
	for _, old := range d.Spans {
		switch {
		case old.From <= s.From && s.To <= old.To:
			return false
		case old.To+1 < s.From, s.To+1 < old.From:
			rest = append(rest, old)
			continue
		}
		if old.From < s.From {
			s.From, s.Since = old.From, old.Since
		}
		if old.To > s.To {
			s.To, s.Until = old.To, old.Until
		}
	}
	if len(rest) >= mostSpans {
		return false
	}
	d.Spans = append(rest, s)
	slices.SortFunc(d.Spans, func(a, b span) int { return cmp.Compare(a.From, b.From) })
	return true
}

// lose takes in a loss.
func (d *damage) lose(l loss) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Losses = append(d.Losses, l); len(d.Losses) > mostLosses {
		d.Losses = d.Losses[1:]
	}
}

// accept marks the losses as accepted by the operator.
func (d *damage) accept() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.Losses {
		d.Losses[i].Accepted = true
	}
}

// saveDamage writes what is known within the writer's transaction.
func (w *writer) saveDamage() error {
	d := &w.q.damage
	d.mu.Lock()
	text, err := json.Marshal(d)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = w.write("INSERT INTO meta (name, value) VALUES ('damage', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", string(text))
	return err
}

// loadDamage reads what an earlier process knew.
func (w *writer) loadDamage() error {
	var text string
	found, err := w.db.one([]any{&text}, "SELECT value FROM meta WHERE name = 'damage'")
	if err != nil || !found {
		return err
	}
	var known damage
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		return nil // What it says is found again.
	}
	d := &w.q.damage
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Spans, d.Losses = known.Spans, known.Losses
	return nil
}

// The tables of which a part may be missing while events are received, and what that means.
const (
	workTable, workMeans    = "work", "handlers and rules stand still, and events are received and read"
	lettersMean             = "some dead letters and retries cannot be looked at"
	seenTable, seenMeans    = "seen", "copies of some events may be stored once more"
	blocksTable, blocksMean = "blocks", "reads with a filter take longer"
	metaTable, metaMeans    = "meta", "no event can be stored, and each is answered 503"
)

// foundTable remembers that a part of a table cannot be read, and says so the first time, and when
// it means more than before.
func (q *Store) foundTable(name, means string, err error) {
	d := &q.damage
	d.mu.Lock()
	known := d.tables[name] == means || d.tables[name] == workMeans
	if d.tables == nil {
		d.tables = map[string]string{}
	}
	if !known {
		d.tables[name] = means
	}
	d.mu.Unlock()
	if !known {
		q.o.Logger.Error("a table cannot be read: the store is damaged", slog.String("path", q.files.db), slog.String("table", name),
			slog.String("consequence", means), slog.Any("error", err), slog.String("remedy", repairRemedy))
	}
}

// lacks reports whether a part of a table cannot be read.
func (d *damage) lacks(table string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.tables[table]
	return ok
}

// A transaction in which something unreadable was met cannot be committed any more. So what
// retention is about to remove is read before, on a connection that only reads, and what stands
// near to something unreadable is left where it is.
const (
	// surveyStep is how many events are read ahead at a time.
	surveyStep = 512
	// zone is how many events before and behind a span are left: removing an event may move
	// those of the pages beside its own.
	zone = 256
)

// survey reads the events that retention comes to up to one, and those near to it.
func (w *writer) survey(to int64) {
	if w.surveyed = max(w.surveyed, w.trimmed); w.surveyed >= min(to+zone, w.last) {
		return
	}
	c, err := take(w.db.ctx, w.db.guard)
	if err != nil {
		return // Writing will meet it, too.
	}
	defer func() { _ = c.close() }() // Nothing was written.
	s := session{ctx: w.db.ctx, prepare: c.statement}
	for w.surveyed < min(to+zone, w.last) {
		end := min(w.surveyed+surveyStep, w.last)
		for at := w.surveyed + 1; at <= end; {
			err := probeAll(s, at, end)
			if !unreadable(err) {
				break // As above.
			}
			if at, err = w.q.pass(s, at, end, err); err != nil {
				break
			}
		}
		w.surveyed = end
	}
}

// probeAll reads events whole.
func probeAll(s session, from, to int64) error {
	return s.each(func(scan func(...any) error) error {
		var raw sql.RawBytes
		return scan(&raw)
	}, "SELECT raw FROM events WHERE seq BETWEEN ? AND ?", from, to)
}

// leaves returns the first run of events from one on, up to another, which are in no zone, and
// behind which event the next run may begin. An empty run ends before it begins.
func (d *damage) leaves(from, to int64) (first, last, next int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, last = from, to
	for _, s := range d.Spans { // in order
		low, high := s.From-zone, s.To+zone
		switch {
		case high < first:
		case low <= first:
			first = high + 1
		case low <= last:
			return first, low - 1, high
		}
	}
	return first, last, to
}

// near reports whether an event is in a zone.
func (d *damage) near(seq int64) bool {
	first, _, _ := d.leaves(seq, seq)
	return first != seq
}

// found remembers events that cannot be read, and says so the first time.
func (q *Store) found(s span) {
	if !q.damage.add(s) {
		return
	}
	b := q.bounds()
	q.o.Logger.Error("events cannot be read: the store is damaged",
		slog.String("path", q.files.db), slog.String("from", string(b.Position(s.From))), slog.String("to", string(b.Position(s.To))),
		slog.Int64("events", s.To-s.From+1), slog.String("remedy", repairRemedy))
	go q.local(func(w *writer) { w.damaged = true })
}

// Damage says what is known to be wrong with the store. It reads no file.
func (q *Store) Damage() []queue.Damage {
	d := &q.damage
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []queue.Damage
	for _, s := range d.Spans {
		list = append(list, queue.Damage{
			What:   fmt.Sprintf("%d events cannot be read", s.To-s.From+1),
			Remedy: repairRemedy, Events: s.To - s.From + 1, Since: instant(s.Since), Until: instant(s.Until),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		list = append(list, queue.Damage{
			What: fmt.Sprintf("a part of the table %s cannot be read: %s", name, d.tables[name]), Remedy: repairRemedy,
		})
	}
	for _, l := range d.Losses {
		list = append(list, queue.Damage{
			What:   fmt.Sprintf("%d acknowledged events are missing", l.Events),
			Remedy: acceptRemedy, Events: l.Events, Since: l.Since, Until: l.Until, Lost: true, Accepted: l.Accepted,
		})
	}
	return list
}

func instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// prepare looks at the files before they are opened and makes those that there are not.
// With accept, what is damaged is set aside.
func (f *files) prepare(accept bool, log *slog.Logger) (noted, error) {
	n, _, err := readNote(f.note)
	if err == nil {
		err = f.whole()
	}
	if err != nil {
		return n, err
	}
	for err = f.inspect(n); err != nil && accept; err = f.inspect(n) {
		d, ok := errors.AsType[*DamageError](err)
		if !ok {
			return n, err
		}
		moved, err := setAside(d.Path, "damaged")
		if err != nil {
			return n, err
		}
		if len(moved) == 0 {
			break // there is nothing, and that is accepted
		}
		log.Warn("a damaged file of the store was set aside", slog.Any("moved", moved))
	}
	if err != nil && !accept {
		return n, err
	}
	return n, f.make()
}

// setAside gives a file and those that belong to it other names, which say why.
func setAside(path, why string) (moved []string, err error) {
	to := fmt.Sprintf("%s.%s-%s", path, why, time.Now().UTC().Format("20060102T150405.000"))
	for _, end := range []string{"", "-wal", "-shm"} {
		switch err := os.Rename(path+end, to+end); {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return moved, fmt.Errorf("set the damaged file aside: %w", err)
		default:
			moved = append(moved, to+end)
		}
	}
	return moved, syncDir(filepath.Dir(path))
}

// examine looks at a store that is being opened: at what was known of its damage, at the
// position note, and at the events.
func (w *writer) examine() error {
	w.show()
	if err := w.loadDamage(); err != nil {
		return err
	}
	if err := w.compare(); err != nil {
		return err
	}
	if w.accept {
		w.q.damage.accept()
		if err := w.saveDamage(); err != nil {
			return err
		}
	}
	return w.look()
}

// compare looks whether everything is there that the position note says was acknowledged.
func (w *writer) compare() error {
	n := w.before
	what := n.missing(w.bounds())
	if what == "" {
		return nil
	}
	l := loss{Events: n.Events, Until: n.At, Accepted: w.accept}
	if n.Epoch == w.epoch {
		l.Events -= w.last
	}
	stored, err := w.db.number("SELECT max(stored_at) FROM (SELECT stored_at FROM events ORDER BY seq DESC LIMIT 1)")
	if err != nil && !unreadable(err) {
		return err
	}
	l.Since = instant(stored)
	if !w.accept && w.q.o.Synchronous == Full {
		return gone(w.q.files.db, what)
	}
	w.q.o.Logger.Error("acknowledged events are missing from the store", slog.String("path", w.q.files.db),
		slog.Int64("missing", l.Events), slog.Time("since", l.Since), slog.Time("until", l.Until), slog.Bool("accepted", w.accept))
	return w.lose(l)
}

// lose records a loss. The log begins a new epoch with it, so that no position is given out
// twice.
func (w *writer) lose(l loss) error {
	epoch := newEpoch()
	if _, err := w.write("UPDATE meta SET value = ? WHERE name = 'epoch'", epoch); err != nil {
		return err
	}
	if err := w.formerly(w.epoch); err != nil {
		return err
	}
	w.q.damage.lose(l)
	if err := w.saveDamage(); err != nil {
		return err
	}
	w.epoch = epoch
	return nil
}

// Bounds of the look at the events when a store is opened.
const (
	samples    = 64
	sampleTime = 30 * time.Millisecond
)

// look finds out, within a bound of time, whether events from all over the file can be read.
// The other tables were read whole.
func (w *writer) look() error {
	for _, seq := range sampled(w.trimmed, w.last, sampleEnd()) {
		if _, known := w.q.damage.at(seq); known {
			continue
		}
		err := probe(w.db.session, seq)
		if unreadable(err) {
			w.q.found(extent(w.db.session, seq, w.trimmed+1, w.last))
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sampleEnd() time.Time { return time.Now().Add(sampleTime) }

// sampled yields events from all over the log, its ends first, until a deadline.
func sampled(trimmed, last int64, deadline time.Time) func(yield func(int, int64) bool) {
	return func(yield func(int, int64) bool) {
		n := min(samples, last-trimmed)
		for i := range n {
			seq := trimmed + 1 + i*(last-trimmed-1)/max(n-1, 1)
			if i > 1 && time.Now().After(deadline) || !yield(int(i), seq) {
				return
			}
		}
	}
}

// lengthOf compares a database's length with that which its header says. Pages that are in the
// write-ahead log need not be in the database yet.
func lengthOf(s session, path string) error {
	pages, err := s.number("SELECT page_count FROM pragma_page_count")
	if err != nil {
		return err
	}
	size, err := s.number("SELECT page_size FROM pragma_page_size")
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if info.Size() >= pages*size {
		return nil
	}
	logged := map[uint32]struct{}{}
	if _, err := readLog(path+"-wal", func(f frame) error {
		if f.chained && int64(f.page) > info.Size()/size {
			logged[f.page] = struct{}{}
		}
		return nil
	}); err != nil {
		return err
	}
	if lost := pages - info.Size()/size - int64(len(logged)); lost > 0 {
		return cut(path, info.Size(), pages, lost)
	}
	return nil
}

// probe reads an event whole. It names no column that an earlier build did not have, as Check looks at
// its stores too.
func probe(s session, seq int64) error {
	return s.each(func(scan func(...any) error) error {
		var raw sql.RawBytes
		return scan(&raw)
	}, "SELECT raw FROM events WHERE seq = ?", seq)
}

// mostProbes bounds how far the end of a damage is looked for one event at a time. Beyond it
// the steps double: a damage of that extent is in a page that leads to many others.
const mostProbes = 256

// extent finds the events around one that cannot be read which cannot be read either.
func extent(s session, seq, first, last int64) span {
	d := span{From: seq, To: seq}
	d.From = edge(s, seq, first, -1)
	d.To = edge(s, seq, last, +1)
	d.Since, d.Until = storedAt(s, d.From-1), storedAt(s, d.To+1)
	return d
}

// edge returns the last event in a direction that cannot be read, at most bound.
func edge(s session, seq, bound, step int64) int64 {
	for n := 1; seq != bound; n++ {
		next := seq + step
		if step > 0 && next > bound || step < 0 && next < bound {
			next = bound
		}
		if !unreadable(probe(s, next)) {
			return seq
		}
		if seq = next; n >= mostProbes {
			step *= 2
		}
	}
	return seq
}

// storedAt is when an event was stored; 0 when that is not known.
func storedAt(s session, seq int64) int64 {
	n, err := s.number("SELECT stored_at FROM events WHERE seq = ?", seq)
	if err != nil {
		return 0
	}
	return n
}
