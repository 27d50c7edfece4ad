package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// readers are the connections that only read. While the store is being repaired there are
// none.
type readers struct {
	path  string
	slots chan struct{} // holds a token for each read that runs

	inUse sync.RWMutex    // read-locked by each read that runs
	db    *sql.DB         // nil while there are none
	down  error           // why there are none
	life  context.Context //nolint:containedctx // It ends the reads that run when the readers are closed.
	end   context.CancelFunc

	mu   sync.Mutex
	idle []*connection // guarded by mu
}

// maxReaders bounds the readers' connections, about 2 MiB of memory each when used.
const maxReaders = 4

func newReaders(path string) *readers {
	return &readers{path: path, slots: make(chan struct{}, maxReaders), down: queue.ErrUnavailable}
}

// open lets reads begin, unless they may already.
func (r *readers) open() error {
	r.inUse.RLock()
	opened := r.db != nil
	r.inUse.RUnlock()
	if opened {
		return nil
	}
	db, err := connect(r.path, "ro")
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(-1) // Those that are not lent are in idle.
	r.inUse.Lock()
	defer r.inUse.Unlock()
	r.db = db
	r.life, r.end = context.WithCancel(context.Background())
	return nil
}

// shut interrupts the reads that run, waits for their end, closes the connections and
// refuses with err from then on.
func (r *readers) shut(err error) {
	if r.end != nil {
		r.end()
	}
	r.inUse.Lock()
	defer r.inUse.Unlock()
	r.down = err
	for _, c := range r.idle {
		_ = c.close() // Nothing was written.
	}
	r.idle = nil
	if r.db != nil {
		_ = r.db.Close()
		r.db = nil
	}
}

// use calls fn with a session whose reads see one state of the store. The store's errors
// are ErrUnavailable.
func (r *readers) use(ctx context.Context, fn func(session) error) error {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.slots }()
	r.inUse.RLock()
	defer r.inUse.RUnlock()
	if r.db == nil {
		return r.down
	}
	read, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)() //nolint:contextcheck // Closing the readers ends a read, besides its own context.
	err := r.read(read, fn)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case broken(err):
		return unavailable(err)
	}
	return err
}

// read lends a connection to fn for one transaction. One on which something failed is not
// used again.
func (r *readers) read(ctx context.Context, fn func(session) error) error {
	r.mu.Lock()
	var c *connection
	if n := len(r.idle); n > 0 {
		c, r.idle = r.idle[n-1], r.idle[:n-1]
	}
	r.mu.Unlock()
	if c == nil {
		var err error
		if c, err = take(ctx, r.db); err != nil {
			return err
		}
	}
	s := session{ctx: ctx, prepare: c.statement}
	_, err := s.exec("BEGIN")
	if err == nil {
		err = fn(s)
	}
	s.ctx = context.WithoutCancel(ctx)
	_, end := s.exec("ROLLBACK") // Nothing was written. COMMIT fails after a page that cannot be read.
	if end != nil || broken(err) || ctx.Err() != nil {
		_ = c.close() // Nothing was written.
		return errors.Join(err, end)
	}
	r.mu.Lock()
	r.idle = append(r.idle, c)
	r.mu.Unlock()
	return err
}

// History reads one page; see queue.Queue.
func (q *Store) History(ctx context.Context, query event.Query) (event.Page, error) {
	if err := q.ready(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	epoch := q.bounds().Epoch
	var p event.Page
	err := q.readers.use(ctx, func(s session) error {
		b, err := bounds(s, epoch)
		if err != nil {
			return err
		}
		if !query.Filter.Since.IsZero() {
			if b.Floor, err = before(s, query.Filter.Since, b); err != nil {
				return err
			}
		}
		p, err = q.page(s, query, b)
		return err
	})
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// page reads one page in a session.
func (q *Store) page(s session, query event.Query, b eventlog.Bounds) (event.Page, error) {
	var failed error
	var without []event.Position // those whose bodies cannot be read
	body := func(e *event.Event, seq int64) {
		_, err := s.one([]any{&e.Raw}, "SELECT raw FROM events WHERE seq = ?", seq)
		if unreadable(err) {
			q.found(extent(s, seq, b.Trimmed+1, b.Last))
			without, err = append(without, e.Position), nil
		}
		failed = errors.Join(failed, err)
	}
	bodiless := query.NoBodies && query.Filter.Text == nil
	p, err := eventlog.Read(query, b, func(from int64, back bool) iter.Seq2[eventlog.Item, error] {
		switch {
		case !query.Filter.IsZero() && bodiless:
			return q.find(s, &query, b, from, back, nil)
		case bodiless:
			return q.scan(s, b, from, back, nil)
		case query.Filter.IsZero():
			return q.scanWhole(s, b, from, back)
		}
		return q.find(s, &query, b, from, back, body)
	})
	p.Events = slices.DeleteFunc(p.Events, func(e event.Event) bool { return slices.Contains(without, e.Position) })
	return p, errors.Join(err, failed)
}

// bounds are the log's as a session sees them.
func bounds(s session, epoch string) (eventlog.Bounds, error) {
	trimmed, err := s.number("SELECT trimmed FROM log")
	if err != nil {
		return eventlog.Bounds{}, err
	}
	last, err := s.number("SELECT max(seq) FROM events")
	return eventlog.Bounds{Epoch: epoch, Trimmed: trimmed, Last: max(last, trimmed)}, err
}

// scan yields the log's events without their bodies. Body reads one when the event turns
// out to be wanted, unless it is nil.
func (q *Store) scan(s session, b eventlog.Bounds, from int64, back bool, body func(e *event.Event, seq int64)) iter.Seq2[eventlog.Item, error] {
	return q.walk(s, b, from, back, columns, func(scan func(...any) error) (eventlog.Item, error) {
		seq, e, err := scanEvent(scan)
		return eventlog.Item{Seq: seq, Event: &e, Load: func(e *event.Event) {
			e.Position = b.Position(seq)
			if body != nil {
				body(e, seq)
			}
		}}, err
	})
}

// scanWhole yields the log's events with their bodies, for a reader that wants every event.
func (q *Store) scanWhole(s session, b eventlog.Bounds, from int64, back bool) iter.Seq2[eventlog.Item, error] {
	return q.walk(s, b, from, back, columns+", raw", func(scan func(...any) error) (eventlog.Item, error) {
		var raw []byte
		seq, e, err := scanEvent(scan, &raw)
		e.Raw, e.Position = raw, b.Position(seq)
		return eventlog.Item{Seq: seq, Event: &e}, err
	})
}

// walk yields what read makes of each row of the log, from an event on. It passes over the
// events that cannot be read.
func (q *Store) walk(s session, b eventlog.Bounds, from int64, back bool, selected string, read func(scan func(...any) error) (eventlog.Item, error)) iter.Seq2[eventlog.Item, error] {
	query, to, step := direction(b, back, selected)
	return func(yield func(eventlog.Item, error) bool) {
		row := func(scan func(...any) error) error {
			item, err := read(scan)
			if err != nil {
				return err
			}
			if from = item.Seq + step; !yield(item, nil) {
				return errStop
			}
			return nil
		}
		for step*from <= step*to {
			err := s.each(row, query, from, to)
			if err == nil {
				return
			}
			if from, err = q.pass(s, from, to, err); err != nil {
				yield(eventlog.Item{}, err)
				return
			}
		}
	}
}

// direction is the query of a walk, up to which event it goes, and in which steps.
func direction(b eventlog.Bounds, back bool, selected string) (query string, to, step int64) {
	if back {
		return "SELECT " + selected + " FROM events WHERE seq BETWEEN ?2 AND ?1 ORDER BY seq DESC", max(b.Trimmed, b.Floor) + 1, -1
	}
	return "SELECT " + selected + " FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq", b.Last, 1
}

// pass returns where a reader goes on that met something unreadable at an event, or behind it
// on its way to another one. It returns because when it finds nothing of that kind there.
func (q *Store) pass(s session, from, to int64, because error) (int64, error) {
	if !unreadable(because) {
		return from, because
	}
	step := int64(1)
	if to < from {
		step = -1
	}
	for n := range int64(mostProbes) {
		seq := from + n*step
		if step*seq > step*to {
			break
		}
		if unreadable(probe(s, seq)) {
			d := extent(s, seq, min(from, to), max(from, to))
			q.found(d)
			if step > 0 {
				return d.To + 1, nil
			}
			return d.From - 1, nil
		}
	}
	return from, because
}

// Get returns the stored event; see queue.Queue.
func (q *Store) Get(ctx context.Context, source, id string) (e event.Event, err error) {
	if err := q.ready(ctx, "get"); err != nil {
		return event.Event{}, err
	}
	q.mu.Lock()
	seen, b := q.view.seen, q.view.bounds()
	q.mu.Unlock()
	key := eventlog.KeyOf(source, id)
	err = q.readers.use(ctx, func(s session) error {
		for _, seq := range seen.candidates(nil, &key) {
			if seq <= b.Trimmed {
				continue
			}
			e, err = readEvent(s, b, seq, true)
			if err != nil || e.Source == source && e.ID == id {
				return err
			}
		}
		return event.ErrNotFound
	})
	if err != nil {
		return event.Event{}, fmt.Errorf("get: %w", err)
	}
	return e, nil
}

// read returns one stored event, in the log or outside.
func (q *Store) read(ctx context.Context, seq int64) (e event.Event, err error) {
	b := q.bounds()
	err = q.readers.use(ctx, func(s session) error {
		e, err = readEvent(s, b, seq, true)
		return err
	})
	return e, err
}

// readEvent reads one event, with or without its body.
func readEvent(s session, b eventlog.Bounds, seq int64, whole bool) (e event.Event, err error) {
	e, err = event.Event{}, event.ErrNotFound
	selected := columns + ", NULL"
	if whole {
		selected = columns + ", raw"
	}
	if bad := s.each(func(scan func(...any) error) error {
		var raw []byte
		_, e, err = scanEvent(scan, &raw)
		e.Raw, e.Position = raw, b.Position(seq)
		return err
	}, "SELECT "+selected+" FROM events WHERE seq = ?", seq); bad != nil {
		return event.Event{}, bad
	}
	return e, err
}

// letters reads dead letters with their events.
func letters(s session, b eventlog.Bounds, group int64, name string, after int64, q queue.LetterQuery) ([]queue.DeadLetter, error) {
	var list []queue.DeadLetter
	var seqs []int64
	err := s.each(func(scan func(...any) error) error {
		l := queue.DeadLetter{Group: name}
		var seq, at int64
		err := scan(&seq, &l.Attempts, &at, &l.Reason)
		l.DiedAt = time.Unix(0, at).UTC()
		list, seqs = append(list, l), append(seqs, seq)
		return err
	}, "SELECT seq, attempts, at, ifnull(reason, '') FROM work WHERE grp = ? AND seq > ? AND state = 2 ORDER BY seq LIMIT ?", group, after, q.Limit)
	size, read := 0, 0
	for err == nil && read < len(list) && size < q.MaxBytes {
		list[read].Event, err = readEvent(s, b, seqs[read], !q.NoBodies)
		if unreadable(err) {
			list[read].Event, err = event.Event{Position: b.Position(seqs[read])}, nil
		}
		size += len(list[read].Event.Raw)
		read++
	}
	return list[:read], err
}

// locate returns the sequence number behind which a start begins.
func locate(s session, from queue.Start, b eventlog.Bounds) (int64, error) {
	switch {
	case from.After != "":
		return b.After(from.After)
	case !from.Since.IsZero():
		return before(s, from.Since, b)
	case from.Now:
		return b.Last, nil
	}
	return b.Trimmed, nil
}

// before returns the last event such that it and all before it were received before t.
// The marks ascend, so it halves the log some twenty times.
func before(s session, t time.Time, b eventlog.Bounds) (int64, error) {
	since := nanos(t)
	var failed error
	n := sort.Search(int(b.Last-b.Trimmed), func(i int) bool {
		mark, err := markOf(s, b.Trimmed+int64(i)+1, b)
		if err != nil {
			failed = err
		}
		return err != nil || mark >= since
	})
	return b.Trimmed + int64(n), failed
}

// markOf is the mark of the first event from one on that can be read. A repaired store has
// gaps among its numbers.
func markOf(s session, seq int64, b eventlog.Bounds) (int64, error) {
	for {
		mark := int64(math.MaxInt64)
		_, err := s.one([]any{&mark}, "SELECT mark FROM events WHERE seq >= ? ORDER BY seq LIMIT 1", seq)
		if !unreadable(err) {
			return mark, err
		}
		if seq = edge(s, seq, b.Last, +1) + 1; seq > b.Last {
			return math.MaxInt64, nil
		}
	}
}

// What a Tail takes at a time.
const (
	tailEvents = 128
	tailBytes  = 1 << 20
)

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")

// Tail follows the log; see queue.Queue. A reader that keeps up is fed from memory.
func (q *Store) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if ctx.Err() != nil {
		return nil
	}
	leave, err := q.enter("tail")
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(q.life, func() { cancel(queue.ErrClosed) })() //nolint:contextcheck // Close ends the call, besides its own context

	at, err := q.start(ctx, from)
	if err == nil {
		err = q.follow(ctx, at, fn)
	}
	h, failed := errors.AsType[*handlerError](err)
	switch {
	case failed:
		return h.err
	case errors.Is(context.Cause(ctx), queue.ErrClosed):
		return fmt.Errorf("tail: %w", queue.ErrClosed)
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("tail: %w", err)
}

// A handlerError is what the function of a Tail returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// start finds where a Tail begins.
func (q *Store) start(ctx context.Context, from queue.Start) (at int64, err error) {
	if from.After != "" || from.Since.IsZero() {
		return locate(session{}, from, q.bounds()) // It reads nothing.
	}
	epoch := q.bounds().Epoch
	err = q.readers.use(ctx, func(s session) error {
		b, err := bounds(s, epoch)
		if err == nil {
			at, err = locate(s, from, b)
		}
		return err
	})
	return at, err
}

// follow calls fn with all events behind at. It returns an error always.
func (q *Store) follow(ctx context.Context, at int64, fn func(event.Event) error) error {
	buf := make([]event.Event, 0, tailEvents)
	for {
		list, next, changed, err := q.following(ctx, at, buf)
		if err != nil {
			return err
		}
		for i := range list {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(list[i]); err != nil {
				return &handlerError{err}
			}
		}
		at = next
		clear(buf[:cap(buf)])
		if changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// following returns the next events, from memory or from the file, and behind which one to go
// on, or a channel to wait on.
func (q *Store) following(ctx context.Context, at int64, buf []event.Event) ([]event.Event, int64, <-chan struct{}, error) {
	list, held, changed := q.feed.after(at, buf)
	if held {
		return list, at + int64(len(list)), changed, nil
	}
	list, next, err := q.readAfter(ctx, at, buf)
	if errors.Is(err, queue.ErrUnavailable) {
		// It is being repaired.
		return nil, at, nil, wait.Sleep(ctx, time.Second)
	}
	return list, next, nil, err
}

// readAfter reads the next events from the file, and returns behind which one to go on. It
// passes over those that cannot be read.
func (q *Store) readAfter(ctx context.Context, at int64, buf []event.Event) (list []event.Event, next int64, err error) {
	epoch := q.bounds().Epoch
	list, next = buf[:0], at
	err = q.readers.use(ctx, func(s session) error {
		b, err := bounds(s, epoch)
		if err != nil {
			return err
		}
		if at < b.Trimmed {
			return errors.Join(errOvertaken, b.Expired())
		}
		size := 0
		err = s.each(func(scan func(...any) error) error {
			var raw []byte
			seq, e, err := scanEvent(scan, &raw)
			if err != nil {
				return err
			}
			e.Raw, e.Position = raw, b.Position(seq)
			list, next = append(list, e), seq
			if size += len(raw); size >= tailBytes {
				return errStop
			}
			return nil
		}, "SELECT "+columns+", raw FROM events WHERE seq >= ? ORDER BY seq LIMIT ?", at+1, cap(list)) // Not seq > at, which goes to the page of at.
		switch {
		case unreadable(err) && len(list) == 0:
			next, err = q.pass(s, at+1, b.Last, err)
			next--
		case unreadable(err):
			err = nil // Those before it come first.
		case err == nil && len(list) == 0:
			next = max(at, b.Last)
		}
		return err
	})
	return list, next, err
}

// A feed keeps the newest committed events in memory for the readers that follow them, so that
// one that keeps up never touches the file.
type feed struct {
	mu      sync.Mutex
	slots   []event.Event // the event seq is in slots[seq%feedEvents]
	low     int64         // the events low..last are held
	last    int64         // the newest committed event
	bytes   int
	changed chan struct{} // closed at the next commit; nil when no reader waits
}

// Bounds of a feed.
const (
	feedEvents = 1024
	feedBytes  = 4 << 20
)

func newFeed() *feed { return &feed{slots: make([]event.Event, feedEvents), low: 1} }

// restart forgets what is held; the log ends with last.
func (f *feed) restart(last int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.slots)
	f.low, f.last, f.bytes = last+1, last, 0
	f.announce()
}

// add takes in committed events, in order.
func (f *feed) add(list []event.Event) {
	if len(list) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range list {
		f.last++
		slot := &f.slots[f.last%feedEvents]
		if f.last-f.low >= feedEvents {
			f.drop()
		}
		*slot = list[i]
		f.bytes += len(list[i].Raw)
		for f.bytes > feedBytes && f.low < f.last {
			f.drop()
		}
	}
	f.announce()
}

// drop removes the oldest event. It requires f.mu.
func (f *feed) drop() {
	slot := &f.slots[f.low%feedEvents]
	f.bytes -= len(slot.Raw)
	*slot = event.Event{}
	f.low++
}

// announce wakes the readers that wait. It requires f.mu.
func (f *feed) announce() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// get returns one event if it is held.
func (f *feed) get(seq int64) (event.Event, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq < f.low || seq > f.last {
		return event.Event{}, false
	}
	return f.slots[seq%feedEvents], true
}

// after appends up to cap(buf) events behind a sequence number. held is false when
// they have to be read from the file; without any there is a channel to wait on.
func (f *feed) after(seq int64, buf []event.Event) (list []event.Event, held bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq >= f.last {
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		return buf[:0], true, f.changed
	}
	if seq+1 < f.low {
		return buf[:0], false, nil
	}
	list = buf[:0]
	for seq++; seq <= f.last && len(list) < cap(buf); seq++ {
		list = append(list, f.slots[seq%feedEvents])
	}
	return list, true, nil
}
