package engine

import (
	"fmt"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// An Error is a result code of SQLite with its explanation. It carries no values.
type Error struct {
	// Code is the extended result code (sqlite.org/rescode.html).
	Code int
	// Op is what was tried.
	Op string
	// Text is SQLite's own explanation.
	Text string
}

// Error returns the operation, the explanation and the code.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s (%d)", e.Op, e.Text, e.Code) }

// Primary is the code without its extension.
func (e *Error) Primary() int { return e.Code & 0xff }

// fault makes the error of a result code; db may be 0.
func fault(tls *libc.TLS, db uintptr, rc int32, op string) error {
	if db == 0 {
		return &Error{Code: int(rc), Op: op, Text: libc.GoString(lib.Xsqlite3_errstr(tls, rc))}
	}
	if x := lib.Xsqlite3_extended_errcode(tls, db); x&0xff == rc&0xff {
		rc = x
	}
	return &Error{Code: int(rc), Op: op, Text: libc.GoString(lib.Xsqlite3_errmsg(tls, db))}
}
