package sqlite

import (
	"errors"
	"fmt"

	"slackmcp/store/internal/engine"
)

// checkpointPages is how long the write-ahead log may grow before a commit copies it
// into the database: 8 MB.
const checkpointPages = 1000

// pageSize of a file that is made now, in bytes; one that is there keeps its own. A page
// of 8 KiB holds a handful of Slack's events, where one of 4 KiB holds two or three and
// the rest of it is written for nothing; each page is two writes to the log.
const pageSize = 8192

// open opens the file and reads the writer's state. start says that the process
// begins: attempts that were running then were cut short by a crash.
func (w *writer) open(start bool) (err error) {
	w.conn, err = engine.Open(w.q.files.db, engine.ReadWrite, busyMillis)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.discard())
		}
	}()
	if err := w.configure(); err != nil {
		return err
	}
	if err := migrate(w.conn, w.q.files.db); err != nil {
		return err
	}
	w.stmt = statements{}
	if err := w.stmt.prepare(w.conn); err != nil {
		return err
	}
	w.chunk.stmt = w.stmt.readChunk
	if err := w.load(); err != nil {
		return err
	}
	return w.resume(start)
}

// configure sets what the promise of durability stands on.
func (w *writer) configure() error {
	if err := w.conn.Exec(fmt.Sprintf("PRAGMA page_size = %d", pageSize)); err != nil {
		return err
	}
	mode, err := w.text("PRAGMA journal_mode = WAL")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%s: this file system cannot hold a write-ahead log (journal_mode is %q): choose a data directory on a local disk", w.q.files.db, mode)
	}
	if err := w.conn.Exec(fmt.Sprintf("PRAGMA synchronous = %s; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = %d", w.q.o.Synchronous, walLimit)); err != nil {
		return err
	}
	return w.conn.AutoCheckpoint(checkpointPages)
}

// walLimit is to what size the write-ahead log is cut back after it had to grow.
const walLimit = 64 << 20

// text reads the one text that a query answers.
func (w *writer) text(sql string) (string, error) {
	s, err := w.conn.Prepare(sql)
	if err != nil {
		return "", err
	}
	defer s.Reset()
	if ok, err := s.Step(); err != nil || !ok {
		return "", err
	}
	return s.Text(0), nil
}

// discard closes the connection without touching the files further.
func (w *writer) discard() error {
	w.tx = false
	if w.conn == nil {
		return nil
	}
	err := errors.Join(w.conn.KeepLogOnClose(), w.conn.Close())
	w.conn = nil
	return err
}

// close gives the store back.
func (w *writer) close() error {
	w.q.pool.shut(errClosedPool)
	defer w.q.files.release()
	if w.conn == nil {
		return nil
	}
	err := w.conn.Close()
	w.conn = nil
	return err
}
