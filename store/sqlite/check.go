package sqlite

import (
	"context"
	"errors"
	"fmt"

	"slackmcp/store/internal/eventlog"
)

// A CheckReport is what Check has found.
type CheckReport struct {
	// Exists says that there is a store, or that there was one.
	Exists bool
	// Events is how many events are kept.
	Events int64
	// Problems are what is damaged or missing.
	Problems []*DamageError
}

// mostProblems bounds how many things a check names.
const mostProblems = 20

// Check looks at the store of a topic without owning or changing it, also while a server
// does. It compares the files with what the position note says was acknowledged, and reads
// all tables but that of the events, of which it reads a sample within a bound of time; deep
// reads and compares everything. An error is that of a check which could not be made.
func Check(ctx context.Context, dir, topic string, deep bool) (r CheckReport, err error) {
	if topic == "" {
		topic = DefaultTopic
	}
	f := filesOf(dir, topic)
	n, noted, err := readNote(f.note)
	if err != nil {
		return r, err
	}
	r.Exists = noted || Exists(dir, topic)
	c := &checker{ctx: ctx, deep: deep, report: &r}
	c.add(f.whole())
	if c.add(inspect(f.db, n.events())) && Exists(dir, topic) {
		c.open(f.db, queueLayout, n.events(), func(s session) error { return c.events(s, f.db, n) }) //nolint:contextcheck // The checker has it.
	}
	if c.add(inspect(f.values, n.values())) && exists(f.values) {
		c.open(f.values, valuesLayout, n.values(), func(s session) error { return c.values(s, f.values, n) }) //nolint:contextcheck // As above.
	}
	return r, c.err
}

// CheckWithin is a deep Check by the process that owns the store. It opens the files by SQLite alone, whose locks on a
// file end when the process closes it anywhere; what is seen in the files without SQLite the start of the process has looked at.
func CheckWithin(ctx context.Context, dir, topic string) (r CheckReport, err error) {
	if topic == "" {
		topic = DefaultTopic
	}
	f := filesOf(dir, topic)
	n, _, err := readNote(f.note)
	if err != nil {
		return r, err
	}
	r.Exists = true
	c := &checker{ctx: ctx, deep: true, within: true, report: &r}
	c.open(f.db, queueLayout, n.events(), func(s session) error { return c.events(s, f.db, n) })          //nolint:contextcheck // The checker has it.
	c.open(f.values, valuesLayout, n.values(), func(s session) error { return c.values(s, f.values, n) }) //nolint:contextcheck // As above.
	return r, c.err
}

// A checker collects what a check finds.
type checker struct {
	ctx    context.Context //nolint:containedctx // It lives as long as the call of Check.
	deep   bool
	within bool // the process that owns the store checks it
	report *CheckReport
	err    error
}

// add takes in an error, and reports whether there is none.
func (c *checker) add(err error) bool {
	d, ok := errors.AsType[*DamageError](err)
	switch {
	case err == nil:
		return true
	case ok && len(c.report.Problems) < mostProblems:
		c.report.Problems = append(c.report.Problems, d)
	case !ok:
		c.err = errors.Join(c.err, err)
	}
	return false
}

// open calls fn with a connection that reads one state of a file. stored says what was
// acknowledged in it; "" is nothing.
func (c *checker) open(path string, l layout, stored string, fn func(session) error) {
	var alone bare
	if l == queueLayout && !c.within {
		alone = bareOf(path)
	}
	err := c.session(path, l, stored, func(s session) error {
		if !c.within {
			if err := errors.Join(lengthOf(s, path), alone.belongs(s, path)); err != nil {
				return err
			}
		}
		if err := fn(s); err != nil || !c.deep {
			return err
		}
		return c.pages(s, path)
	})
	if unreadable(err) {
		err = &DamageError{path, "cannot be read (" + err.Error() + ")", repairRemedy}
	}
	c.add(err)
}

func (c *checker) session(path string, l layout, stored string, fn func(session) error) (err error) {
	db, err := connect(path, "ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	switch found, err := l.inspect(db, path); {
	case err != nil:
		return err
	case found == 0 && stored != "":
		return gone(path, "is empty, and there were "+stored+" in it")
	case found != l.version:
		return nil // An earlier layout is looked at by the start that brings it to this one.
	}
	conn, err := take(c.ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.close()) }()
	s := session{ctx: c.ctx, prepare: conn.statement}
	if _, err := s.exec("BEGIN"); err != nil {
		return err
	}
	return fn(s)
}

// events looks at the events' file.
func (c *checker) events(s session, path string, n noted) error {
	var epoch string
	if _, err := s.one([]any{&epoch}, "SELECT value FROM meta WHERE name = 'epoch'"); err != nil {
		return err
	}
	b, err := bounds(s, epoch)
	if err != nil {
		return err
	}
	c.report.Events = b.Last - b.Trimmed
	if missing := n.missing(b); missing != "" {
		c.add(gone(path, missing))
	}
	for _, query := range []string{
		"SELECT count(*) FROM (SELECT ids FROM seen WHERE length(hex(ids)) > 0)", "SELECT count(name) FROM groups", "SELECT count(reason) FROM work",
	} {
		if _, err := s.number(query); err != nil {
			return err
		}
	}
	if err := c.bodies(s, path, b); err != nil || !c.deep {
		return err
	}
	return c.index(s, path, b)
}

// bodies reads a sample of the events, or all of them.
func (c *checker) bodies(s session, path string, b eventlog.Bounds) error {
	list := sampled(b.Trimmed, b.Last, sampleEnd())
	if c.deep {
		list = every(b)
	}
	var until int64
	for _, seq := range list {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if seq <= until {
			continue // in a span that is reported
		}
		err := probe(s, seq)
		if unreadable(err) {
			d := extent(s, seq, b.Trimmed+1, b.Last)
			until = d.To
			c.add(&DamageError{path, fmt.Sprintf("has %d events that cannot be read, from %s to %s", d.To-d.From+1, b.Position(d.From), b.Position(d.To)), repairRemedy})
		} else if err != nil {
			return err
		}
	}
	return nil
}

// every yields all events of a log.
func every(b eventlog.Bounds) func(yield func(int, int64) bool) {
	return func(yield func(int, int64) bool) {
		for i, seq := 0, b.Trimmed+1; seq <= b.Last; i, seq = i+1, seq+1 {
			if !yield(i, seq) {
				return
			}
		}
	}
}

// values looks at the file of the small values, which it reads whole.
func (c *checker) values(s session, path string, n noted) error {
	last, err := s.number("SELECT version FROM last")
	if err != nil {
		return err
	}
	if last < n.Values {
		c.add(gone(path, missingValues(last, n.Values)))
	}
	_, err = s.number("SELECT count(*) FROM (SELECT value FROM state WHERE length(hex(value)) >= 0)")
	return err
}

// pages reads every page of a file and compares tables with their indexes.
func (c *checker) pages(s session, path string) error {
	return s.each(func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			c.add(&DamageError{path, "is damaged (" + text + ")", repairRemedy})
		}
		return nil
	}, fmt.Sprintf("PRAGMA integrity_check(%d)", mostProblems))
}

// index compares the lists of the blocks with their events: who reads with a filter, or searches for words, is told of
// those alone that the lists find. Blocks that the next start makes anew are left out.
func (c *checker) index(s session, path string, b eventlog.Bounds) error {
	if n, err := s.number("SELECT count(*) FROM sqlite_schema WHERE name IN ('blocks', 'block_lists', 'block_words')"); err != nil || n < 3 {
		return err // An earlier build made the store.
	}
	blocks, err := s.numbers("SELECT block FROM blocks AS b WHERE block >= ? AND stored_at IS (SELECT stored_at FROM events WHERE seq = (b.block + 1) * ?) ORDER BY block",
		eventlog.BlockOf(b.Trimmed+1), eventlog.BlockSize)
	if err != nil {
		return err
	}
	var wrong []int64
	x := &indexed{}
	for _, n := range blocks {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		ok, err := x.finds(s, n, max(b.Trimmed, n*eventlog.BlockSize)+1)
		if err != nil {
			return err
		}
		if !ok {
			wrong = append(wrong, n)
		}
	}
	if len(wrong) > 0 {
		c.add(&DamageError{path, fmt.Sprintf("has an index that differs from its events in %d of %d parts, the first from %s on: filters and searches may miss events of these",
			len(wrong), len(blocks), b.Position(wrong[0]*eventlog.BlockSize+1)), indexRemedy})
	}
	return nil
}

// indexed is the index of one block, made from its events.
type indexed struct {
	block eventlog.Block
	words eventlog.Words
}

// finds reports whether the lists of a block find all its events from one on. It is true where some of these cannot be
// read.
func (x *indexed) finds(s session, block, from int64) (bool, error) {
	x.block.Reset()
	x.words.Reset()
	for at, last := from, (block+1)*eventlog.BlockSize; at <= last; {
		to, whole, err := addRows(s, &x.block, &x.words, at, last)
		if err != nil || !whole {
			return true, err
		}
		at = to + 1
	}
	var minAt, maxAt int64
	var worded bool
	if _, err := s.one([]any{&minAt, &maxAt, &worded},
		"SELECT min_at, max_at, EXISTS (SELECT 1 FROM block_words AS w WHERE w.block = b.block AND w.stored_at = b.stored_at) FROM blocks AS b WHERE block = ?", block); err != nil {
		return false, err
	}
	var failed error
	list := func(f eventlog.Field) (list eventlog.List) {
		var raw []byte
		if _, err := s.one([]any{&raw}, "SELECT list FROM block_lists WHERE id = ?", listID(f, block)); err != nil {
			failed = errors.Join(failed, err)
		}
		return raw
	}
	ok := x.block.Finds(list, minAt, maxAt) && (!worded || x.words.Found(list, from))
	return ok, failed
}
