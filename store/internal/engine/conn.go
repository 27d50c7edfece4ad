package engine

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A Conn is a connection to one database file.
type Conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts []*Stmt

	// mu keeps Interrupt away from a connection that is being closed.
	mu sync.Mutex
}

// Mode says what a connection may do.
type Mode int32

// Modes of Open. None creates a file.
const (
	ReadOnly  Mode = lib.SQLITE_OPEN_READONLY
	ReadWrite Mode = lib.SQLITE_OPEN_READWRITE
)

// Open opens an existing file; an empty one is an empty database. A busy database is
// waited for, as long as the milliseconds say.
func Open(path string, mode Mode, busyMillis int32) (*Conn, error) {
	c := &Conn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("open: %w", err)
	}
	defer libc.Xfree(c.tls, name)
	out, err := alloc(c.tls, unsafe.Sizeof(c.db))
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("open: %w", err)
	}
	defer libc.Xfree(c.tls, out)

	const flags = lib.SQLITE_OPEN_NOMUTEX | lib.SQLITE_OPEN_EXRESCODE
	rc := lib.Xsqlite3_open_v2(c.tls, name, out, int32(mode)|flags, 0)
	c.db = *(*uintptr)(pointer(out))
	if rc == lib.SQLITE_OK {
		rc = lib.Xsqlite3_busy_timeout(c.tls, c.db, busyMillis)
	}
	if rc != lib.SQLITE_OK {
		err := fault(c.tls, c.db, rc, "open")
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Exec runs statements that take no parameters and whose rows nobody wants.
func (c *Conn) Exec(sql string) error {
	text, err := libc.CString(sql)
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	defer libc.Xfree(c.tls, text)
	if rc := lib.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0); rc != lib.SQLITE_OK {
		return fault(c.tls, c.db, rc, "exec")
	}
	return nil
}

// Prepare compiles one statement. Close finalises it.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	text, err := libc.CString(sql)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer libc.Xfree(c.tls, text)
	out, err := alloc(c.tls, unsafe.Sizeof(uintptr(0)))
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer libc.Xfree(c.tls, out)
	if rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, lib.SQLITE_PREPARE_PERSISTENT, out, 0); rc != lib.SQLITE_OK {
		return nil, fault(c.tls, c.db, rc, "prepare")
	}
	s := &Stmt{c: c, p: *(*uintptr)(pointer(out))}
	c.stmts = append(c.stmts, s)
	return s, nil
}

// Int reads the one integer that a query without parameters answers.
func (c *Conn) Int(sql string) (int64, error) {
	s, err := c.Prepare(sql)
	if err != nil {
		return 0, err
	}
	defer s.finalize()
	c.stmts = c.stmts[:len(c.stmts)-1]
	if ok, err := s.Step(); err != nil || !ok {
		return 0, err
	}
	return s.Int(0), nil
}

// Changes is how many rows the last statement inserted, updated or deleted.
func (c *Conn) Changes() int { return int(lib.Xsqlite3_changes(c.tls, c.db)) }

// Checkpoint modes; see sqlite.org/c3ref/wal_checkpoint_v2.html.
const (
	Passive  int32 = lib.SQLITE_CHECKPOINT_PASSIVE
	Restart  int32 = lib.SQLITE_CHECKPOINT_RESTART
	Truncate int32 = lib.SQLITE_CHECKPOINT_TRUNCATE
)

// Checkpoint copies the write-ahead log into the database. It returns how many frames
// the log has and how many of them are in the database now.
func (c *Conn) Checkpoint(mode int32) (frames, done int, err error) {
	out, err := alloc(c.tls, 8)
	if err != nil {
		return 0, 0, fmt.Errorf("checkpoint: %w", err)
	}
	defer libc.Xfree(c.tls, out)
	if rc := lib.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, mode, out, out+4); rc != lib.SQLITE_OK {
		return 0, 0, fault(c.tls, c.db, rc, "checkpoint")
	}
	n := (*[2]int32)(pointer(out))
	return int(n[0]), int(n[1]), nil
}

// AutoCheckpoint makes commits checkpoint once the log has so many frames; 0 is never.
func (c *Conn) AutoCheckpoint(frames int32) error {
	if rc := lib.Xsqlite3_wal_autocheckpoint(c.tls, c.db, frames); rc != lib.SQLITE_OK {
		return fault(c.tls, c.db, rc, "autocheckpoint")
	}
	return nil
}

// KeepLogOnClose makes Close leave the write-ahead log as it is.
func (c *Conn) KeepLogOnClose() error {
	args := libc.NewVaList(int32(1), uintptr(0))
	if args == 0 {
		return errNoMemory
	}
	defer libc.Xfree(c.tls, args)
	if rc := lib.Xsqlite3_db_config(c.tls, c.db, lib.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, args); rc != lib.SQLITE_OK {
		return fault(c.tls, c.db, rc, "configure")
	}
	return nil
}

// Interrupt makes what runs on the connection fail soon. It may be called from any
// goroutine, also after Close.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == 0 {
		return
	}
	tls := libc.NewTLS()
	defer tls.Close()
	lib.Xsqlite3_interrupt(tls, c.db)
}

// Close finalises the statements and closes the connection. It is idempotent.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls == nil {
		return nil
	}
	for _, s := range c.stmts {
		s.finalize()
	}
	c.stmts = nil
	var err error
	if rc := lib.Xsqlite3_close_v2(c.tls, c.db); rc != lib.SQLITE_OK {
		err = fault(c.tls, 0, rc, "close")
	}
	c.db = 0
	c.tls.Close()
	c.tls = nil
	return err
}

var errNoMemory = errors.New("out of memory")

func alloc(tls *libc.TLS, n uintptr) (uintptr, error) {
	p := libc.Xcalloc(tls, 1, libc.Tsize_t(n))
	if p == 0 {
		return 0, errNoMemory
	}
	return p, nil
}

// pointer turns an address of the library's own heap, which Go's collector neither
// moves nor frees, into a pointer.
func pointer(p uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&p)) //nolint:gosec // p is no address of Go's
}
