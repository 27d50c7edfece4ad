package engine

import (
	"bytes"
	"errors"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A Stmt is a compiled statement. Bind its parameters (from 1), Step until there is no
// row, read columns (from 0) in between; Reset makes it ready for the next run.
type Stmt struct {
	c *Conn
	p uintptr

	// What is bound lies in one piece of the library's memory, so that a run costs no
	// allocation: buf[:used] of size bytes. old are pieces that were too small and are
	// bound to still.
	buf, used, size uintptr
	old             []uintptr
	err             error // the first error of a Bind; Step returns it
}

// BindInt sets an integer.
func (s *Stmt) BindInt(i int, v int64) {
	s.note(lib.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i), v)) //nolint:gosec // a statement has few parameters
}

// BindNull sets NULL.
func (s *Stmt) BindNull(i int) {
	s.note(lib.Xsqlite3_bind_null(s.c.tls, s.p, int32(i))) //nolint:gosec // a statement has few parameters
}

// BindText sets a text. The empty string is NULL, which costs nothing in a row.
func (s *Stmt) BindText(i int, v string) {
	if v == "" {
		s.BindNull(i)
		return
	}
	p, ok := s.copy(unsafe.Slice(unsafe.StringData(v), len(v))) //nolint:gosec // read only, before v can go
	if ok {
		s.note(lib.Xsqlite3_bind_text(s.c.tls, s.p, int32(i), p, int32(len(v)), lib.SQLITE_STATIC)) //nolint:gosec // as above; bodies are bounded far below 2 GiB
	}
}

// BindBytes sets a blob; nil is NULL, and an empty slice is not.
func (s *Stmt) BindBytes(i int, v []byte) {
	switch {
	case v == nil:
		s.BindNull(i)
		return
	case len(v) == 0:
		s.note(lib.Xsqlite3_bind_zeroblob(s.c.tls, s.p, int32(i), 0)) //nolint:gosec // a statement has few parameters
		return
	}
	p, ok := s.copy(v)
	if ok {
		s.note(lib.Xsqlite3_bind_blob(s.c.tls, s.p, int32(i), p, int32(len(v)), lib.SQLITE_STATIC)) //nolint:gosec // as above
	}
}

// copy puts v where SQLite can read it until the next run.
func (s *Stmt) copy(v []byte) (uintptr, bool) {
	n := uintptr(len(v))
	if s.used+n > s.size {
		if s.buf != 0 {
			s.old = append(s.old, s.buf)
		}
		s.size = max(2*s.size, n, 512)
		s.used = 0
		if s.buf = libc.Xmalloc(s.c.tls, libc.Tsize_t(s.size)); s.buf == 0 {
			s.size = 0
			s.err = errNoMemory
			return 0, false
		}
	}
	p := s.buf + s.used
	copy(unsafe.Slice((*byte)(pointer(p)), n), v) //nolint:gosec // copy has made room for n bytes at p
	s.used += n
	return p, true
}

func (s *Stmt) note(rc int32) {
	if rc != lib.SQLITE_OK && s.err == nil {
		s.err = fault(s.c.tls, s.c.db, rc, "bind")
	}
}

// Step runs until the next row and reports whether there is one. After false, or an
// error, the statement is reset.
func (s *Stmt) Step() (bool, error) {
	if s.err != nil {
		err := s.err
		s.Reset()
		return false, err
	}
	switch rc := lib.Xsqlite3_step(s.c.tls, s.p); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		s.Reset()
		return false, nil
	default:
		err := fault(s.c.tls, s.c.db, rc, "step")
		s.Reset()
		return false, err
	}
}

// Run steps to the end, whatever rows there are.
func (s *Stmt) Run() error { return s.Each(func() error { return nil }) }

// ErrStop ends an Each without an error.
var ErrStop = errors.New("stop")

// Each steps to the end and calls fn for each row, until it returns an error.
func (s *Stmt) Each(fn func() error) error {
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if err := fn(); err != nil {
			s.Reset()
			if errors.Is(err, ErrStop) {
				return nil
			}
			return err
		}
	}
}

// Reset ends a run. What was bound must be bound again.
func (s *Stmt) Reset() {
	lib.Xsqlite3_reset(s.c.tls, s.p)
	s.used = 0
	s.err = nil
	for _, p := range s.old {
		libc.Xfree(s.c.tls, p)
	}
	s.old = s.old[:0]
	// A large event must not leave its size behind for ever.
	if s.size > maxKept {
		libc.Xfree(s.c.tls, s.buf)
		s.buf, s.size = 0, 0
	}
}

// maxKept is how much memory a statement keeps between runs.
const maxKept = 64 << 10

// Int is a column's integer; 0 for NULL.
func (s *Stmt) Int(i int) int64 {
	return lib.Xsqlite3_column_int64(s.c.tls, s.p, int32(i)) //nolint:gosec // a row has few columns
}

// Null reports whether a column is NULL.
func (s *Stmt) Null(i int) bool {
	return lib.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) == lib.SQLITE_NULL //nolint:gosec // as above
}

// IsText reports whether a column is a text.
func (s *Stmt) IsText(i int) bool {
	return lib.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) == lib.SQLITE_TEXT //nolint:gosec // as above
}

// Text is a column's text; "" for NULL.
func (s *Stmt) Text(i int) string { return string(s.view(i)) }

// Bytes is a copy of a column's blob; nil for NULL.
func (s *Stmt) Bytes(i int) []byte {
	if v := s.view(i); len(v) > 0 {
		return bytes.Clone(v)
	}
	if s.Null(i) {
		return nil
	}
	return []byte{}
}

// View is a column's blob until the next Step or Reset. It must not be written to.
func (s *Stmt) View(i int) []byte { return s.view(i) }

func (s *Stmt) view(i int) []byte {
	p := lib.Xsqlite3_column_blob(s.c.tls, s.p, int32(i)) //nolint:gosec // a row has few columns
	if p == 0 {
		return nil
	}
	n := lib.Xsqlite3_column_bytes(s.c.tls, s.p, int32(i)) //nolint:gosec // as above
	return unsafe.Slice((*byte)(pointer(p)), n)            //nolint:gosec // SQLite says that n bytes are at p
}

func (s *Stmt) finalize() {
	if s.p == 0 {
		return
	}
	lib.Xsqlite3_finalize(s.c.tls, s.p)
	s.p = 0
	for _, p := range append(s.old, s.buf) {
		if p != 0 {
			libc.Xfree(s.c.tls, p)
		}
	}
	s.old, s.buf, s.size = nil, 0, 0
}
