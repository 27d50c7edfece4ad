package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A bare is what a database says of its events where its write-ahead log is left out. Nothing in a
// log says of which database it is the log, and SQLite puts the pages of any log into any database.
// The zero value is not known.
type bare struct {
	epoch string
	last  int64
}

// bareOf reads a database without its log; where there is none, or the database alone cannot be read,
// nothing is known. Nobody may have the database open in this process: closing a file lets go of its
// locks.
func bareOf(path string) (o bare) {
	if _, size, err := head(path+"-wal", 0); err != nil || size <= walHeader {
		return bare{}
	}
	db, err := connect(path, "ro&immutable=1")
	if err != nil {
		return bare{}
	}
	defer db.Close() // It was read only.
	err = db.QueryRowContext(context.Background(), "SELECT (SELECT value FROM meta WHERE name = 'epoch'), (SELECT ifnull(max(seq), 0) FROM events)").Scan(&o.epoch, &o.last)
	if err != nil {
		return bare{} // All of it may still be in the log.
	}
	return o
}

// belongs looks whether a database and the log that s reads it with are of one another: the log has
// all that came after what the database has alone, in the same epoch or in one that followed.
func (o bare) belongs(s session, path string) error {
	if o.epoch == "" {
		return nil
	}
	var epoch, former string
	if _, err := s.one([]any{&epoch}, "SELECT value FROM meta WHERE name = 'epoch'"); err != nil {
		return err
	}
	if _, err := s.one([]any{&former}, "SELECT value FROM meta WHERE name = 'former'"); err != nil {
		return err
	}
	if epoch != o.epoch && !slices.Contains(strings.Fields(former), o.epoch) {
		return stale(path, "is the one of another store")
	}
	b, err := bounds(s, epoch)
	if err != nil {
		return err
	}
	after := max(o.last, b.Trimmed)
	if b.Last <= after || epoch != o.epoch {
		return nil
	}
	n, err := s.number("SELECT count(*) FROM events WHERE seq > ?", after)
	switch {
	case unreadable(err):
		// What came after is in the log, whose pages have checksums: it is right, and the database is not.
		return stale(path, fmt.Sprintf("continues a later state of it: the %d events that came after what the database has alone cannot be read", b.Last-after))
	case err != nil:
		return err
	}
	if missing := b.Last - after - n; missing > 0 {
		return stale(path, fmt.Sprintf("continues a later state of it: %d of the %d events that came after what the database has alone are in neither", missing, b.Last-after))
	}
	return nil
}

func stale(path, what string) error {
	return &DamageError{path + "-wal", what, "put the database in place that it belongs to; or, where the database is a backup, move this file and " + path + "-shm away; " + acceptRemedy + ", which takes both as they are (docs/operations.md, A damaged store)"}
}

// formerly notes an epoch that ends, so that a database whose log holds the next one is known as its
// own.
func (w *writer) formerly(epoch string) error {
	_, err := w.write(putFormer, epoch)
	return err
}

const putFormer = "INSERT INTO meta (name, value) VALUES ('former', ?) ON CONFLICT (name) DO UPDATE SET value = substr(excluded.value || ' ' || value, 1, 200)"
