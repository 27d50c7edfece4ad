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

// A checker collects what a check finds.
type checker struct {
	ctx    context.Context //nolint:containedctx // It lives as long as the call of Check.
	deep   bool
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
	if l == queueLayout {
		alone = bareOf(path)
	}
	err := c.session(path, l, stored, func(s session) error {
		if err := lengthOf(s, path); err != nil {
			return err
		}
		if err := alone.belongs(s, path); err != nil {
			return err
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
	return c.bodies(s, path, b)
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
