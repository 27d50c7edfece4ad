package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sort"
	"sync"
	"time"

	"slackmcp/store/internal/engine"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// History reads one page; see queue.Queue.
func (q *Queue) History(ctx context.Context, query event.Query) (event.Page, error) {
	if err := q.ready(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	epoch := q.bounds().Epoch
	var p event.Page
	err := q.pool.use(ctx, func(r *reader) error {
		return r.snapshot(func() error {
			b, err := r.bounds(epoch)
			if err != nil {
				return err
			}
			if !query.Filter.Since.IsZero() {
				if b.Floor, err = before(query.Filter.Since, b, r.markOf); err != nil {
					return err
				}
			}
			p, err = eventlog.Read(query, b, func(from int64, back bool) iter.Seq2[eventlog.Item, error] {
				return r.scan(b, from, back)
			})
			return err
		})
	})
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// bounds are the log's in the reader's snapshot.
func (r *reader) bounds(epoch string) (eventlog.Bounds, error) {
	trimmed, err := one(r.trimmed)
	if err != nil {
		return eventlog.Bounds{}, err
	}
	last, err := one(r.last)
	return eventlog.Bounds{Epoch: epoch, Trimmed: trimmed, Last: max(last, trimmed)}, err
}

// one reads one number; 0 for none.
func one(s *engine.Stmt) (int64, error) {
	ok, err := s.Step()
	if err != nil || !ok {
		return 0, err
	}
	n := s.Int(0)
	s.Reset()
	return n, nil
}

// scan yields the log's events. The body is read when the event is wanted.
func (r *reader) scan(b eventlog.Bounds, from int64, back bool) iter.Seq2[eventlog.Item, error] {
	s, stop := r.up, b.Last
	if back {
		s, stop = r.down, max(b.Trimmed, b.Floor)+1
	}
	return func(yield func(eventlog.Item, error) bool) {
		s.BindInt(1, from)
		err := s.Each(func() error {
			seq := s.Int(0)
			if back && seq < stop {
				return engine.ErrStop
			}
			item, err := scanItem(s, b, seq)
			if err == nil && (!yield(item, nil) || seq == stop) {
				return engine.ErrStop
			}
			return err
		})
		if err != nil {
			yield(eventlog.Item{}, err)
		}
	}
}

// scanItem reads a row, and its body when that is asked for.
func scanItem(s *engine.Stmt, b eventlog.Bounds, seq int64) (eventlog.Item, error) {
	e, err := scanEvent(s)
	return eventlog.Item{Seq: seq, Event: &e, Load: func(e *event.Event) {
		e.Position = b.Position(seq)
		e.Raw = s.Bytes(colRaw)
	}}, err
}

// Get returns the stored event; see queue.Queue.
func (q *Queue) Get(ctx context.Context, source, id string) (event.Event, error) {
	if err := q.ready(ctx, "get"); err != nil {
		return event.Event{}, err
	}
	p, ok, err := q.place(ctx, eventlog.KeyOf(source, id))
	if err != nil {
		return event.Event{}, fmt.Errorf("get: %w", err)
	}
	if !ok || p.seq <= q.bounds().Trimmed {
		return event.Event{}, fmt.Errorf("get: %w", event.ErrNotFound)
	}
	e, err := q.read(ctx, p.seq)
	if err != nil {
		return event.Event{}, fmt.Errorf("get: %w", err)
	}
	return e, nil
}

// place looks an id up. A run that is merged meanwhile is looked for again.
func (q *Queue) place(ctx context.Context, key eventlog.Key) (p place, ok bool, err error) {
	for range 100 {
		q.mu.Lock()
		s := q.view.seen
		q.mu.Unlock()
		err = q.pool.use(ctx, func(r *reader) (err error) {
			p, ok, err = s.lookup(key, r.chunk.read)
			return err
		})
		if !errors.Is(err, errDropped) {
			return p, ok, err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return place{}, false, ctx.Err()
		}
	}
	return place{}, false, unavailable(err)
}

// A chunkReader reads parts of runs of seen ids. It leaves no statement open: one that is
// holds a snapshot, and while there is one the write-ahead log cannot begin anew.
type chunkReader struct {
	stmt *engine.Stmt
	buf  []byte
}

// read returns a part, valid until the next call; nil when it is not there.
func (c *chunkReader) read(chunk int64) ([]byte, error) {
	c.stmt.BindInt(1, chunk)
	ok, err := c.stmt.Step()
	if err != nil || !ok {
		return nil, err
	}
	c.buf = append(c.buf[:0], c.stmt.View(0)...)
	c.stmt.Reset()
	return c.buf, nil
}

// read returns one stored event, in the log or outside.
func (q *Queue) read(ctx context.Context, seq int64) (e event.Event, err error) {
	b := q.bounds()
	err = q.pool.use(ctx, func(r *reader) (err error) {
		e, err = r.event(b, seq)
		return err
	})
	return e, err
}

func (r *reader) event(b eventlog.Bounds, seq int64) (event.Event, error) {
	r.one.BindInt(1, seq)
	ok, err := r.one.Step()
	if err != nil {
		return event.Event{}, err
	}
	if !ok {
		return event.Event{}, event.ErrNotFound
	}
	defer r.one.Reset()
	e, err := scanEvent(r.one)
	e.Raw = r.one.Bytes(colRaw)
	e.Position = b.Position(seq)
	return e, err
}

// letters reads dead letters with their events.
func (r *reader) letters(b eventlog.Bounds, group int64, name string, after int64, limit int) ([]queue.DeadLetter, error) {
	var list []queue.DeadLetter
	err := r.snapshot(func() error {
		r.letter.BindInt(1, group)
		r.letter.BindInt(2, after)
		r.letter.BindInt(3, int64(limit))
		return r.letter.Each(func() error {
			e, err := r.event(b, r.letter.Int(0))
			if err != nil {
				return err
			}
			list = append(list, queue.DeadLetter{
				Event: e, Group: name, Attempts: int(r.letter.Int(1)),
				DiedAt: time.Unix(0, r.letter.Int(2)).UTC(), Reason: r.letter.Text(3),
			})
			return nil
		})
	})
	return list, err
}

// locate returns the sequence number behind which a start begins.
func locate(s queue.Start, b eventlog.Bounds, markOf func(int64) (int64, error)) (int64, error) {
	switch {
	case s.After != "":
		return b.After(s.After)
	case !s.Since.IsZero():
		return before(s.Since, b, markOf)
	case s.Now:
		return b.Last, nil
	}
	return b.Trimmed, nil
}

// before returns the last event such that it and all before it were received before t.
// The marks ascend, so it halves the log some twenty times.
func before(t time.Time, b eventlog.Bounds, markOf func(int64) (int64, error)) (int64, error) {
	since := nanos(t)
	var failed error
	n := sort.Search(int(b.Last-b.Trimmed), func(i int) bool {
		mark, err := markOf(b.Trimmed + int64(i) + 1)
		if err != nil {
			failed = err
		}
		return err != nil || mark >= since
	})
	return b.Trimmed + int64(n), failed
}

func (r *reader) markOf(seq int64) (int64, error) { return markOf(r.mark, seq) }

func (w *writer) markOf(seq int64) (int64, error) { return markOf(w.stmt.seqSince, seq) }

func markOf(s *engine.Stmt, seq int64) (int64, error) {
	s.BindInt(1, seq)
	return one(s)
}

// A pool lends connections to readers. While the store is being repaired it has none.
type pool struct {
	path string
	room chan struct{} // a token for each reader that is lent

	mu   sync.Mutex
	idle []*reader
	lent map[*reader]struct{}
	down error // why there are none, or nil
}

// maxReaders bounds the readers' connections, about 2 MiB of memory each when used.
const maxReaders = 4

func newPool(path string) *pool {
	return &pool{path: path, room: make(chan struct{}, maxReaders), lent: map[*reader]struct{}{}}
}

// use calls fn with a reader of its own. The store's errors are ErrUnavailable.
func (p *pool) use(ctx context.Context, fn func(*reader) error) error {
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.room }()
	r, err := p.lend()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, r.conn.Interrupt)
	err = fn(r)
	interrupted := !stop()
	p.giveBack(r, !broken(err) && !interrupted)
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

func (p *pool) lend() (*reader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return nil, p.down
	}
	var r *reader
	if n := len(p.idle); n > 0 {
		r, p.idle = p.idle[n-1], p.idle[:n-1]
	} else {
		var err error
		if r, err = openReader(p.path); err != nil {
			return nil, unavailable(err)
		}
	}
	p.lent[r] = struct{}{}
	return r, nil
}

// giveBack takes a reader back, for the next one if it is still good.
func (p *pool) giveBack(r *reader, good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lent, r)
	if good && p.down == nil {
		p.idle = append(p.idle, r)
		return
	}
	_ = r.conn.Close()
}

// shut closes all readers, waits until those that are lent are back, and refuses with
// err from then on.
func (p *pool) shut(err error) {
	p.mu.Lock()
	p.down = err
	for r := range p.lent {
		r.conn.Interrupt()
	}
	for _, r := range p.idle {
		_ = r.conn.Close()
	}
	p.idle = nil
	p.mu.Unlock()
	for range maxReaders {
		p.room <- struct{}{}
	}
	for range maxReaders {
		<-p.room
	}
}

// open lets the pool lend again.
func (p *pool) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = nil
}

// A reader is a connection that only reads.
type reader struct {
	conn *engine.Conn

	begin, end          *engine.Stmt
	trimmed, last, mark *engine.Stmt
	chunk               chunkReader
	up, down, one       *engine.Stmt
	letter, oldest      *engine.Stmt
}

func openReader(path string) (*reader, error) {
	c, err := engine.Open(path, engine.ReadOnly, busyMillis)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c}
	for _, p := range []struct {
		to  **engine.Stmt
		sql string
	}{
		{&r.begin, "BEGIN"},
		{&r.end, "COMMIT"},
		{&r.trimmed, "SELECT trimmed FROM log"},
		{&r.last, "SELECT max(seq) FROM events"},
		{&r.mark, selectMark},
		{&r.chunk.stmt, selectChunk},
		{&r.up, "SELECT " + columns + " FROM events WHERE seq >= ? ORDER BY seq"},
		{&r.down, "SELECT " + columns + " FROM events WHERE seq <= ? ORDER BY seq DESC"},
		{&r.one, "SELECT " + columns + " FROM events WHERE seq = ?"},
		{&r.letter, "SELECT seq, attempts, at, reason FROM work WHERE grp = ? AND seq > ? AND state = 2 ORDER BY seq LIMIT ?"},
		{&r.oldest, "SELECT min(seq) FROM work WHERE grp = ? AND state IN (0, 1, 3)"},
	} {
		if *p.to, err = c.Prepare(p.sql); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return r, nil
}

// busyMillis is how long a connection waits for a lock. Within one process only the
// checkpoint and recovery hold one, and not for long.
const busyMillis = 5000

// snapshot runs fn within one read transaction.
func (r *reader) snapshot(fn func() error) error {
	if err := r.begin.Run(); err != nil {
		return err
	}
	return errors.Join(fn(), r.end.Run())
}

// errClosedPool is what readers get after Close.
var errClosedPool = fmt.Errorf("read: %w", queue.ErrClosed)
