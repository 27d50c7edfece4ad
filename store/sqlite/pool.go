package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"slackmcp/store/internal/engine"
	"slackmcp/store/queue"
)

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
