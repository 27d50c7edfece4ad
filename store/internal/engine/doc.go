// Package engine is SQLite as the store needs it: a connection, statements that stay
// prepared, errors with their extended code. It calls the translated C library of
// modernc.org/sqlite directly; docs/adr/0002-sqlite-driver.md says why.
//
// A [Conn] and its statements belong to one goroutine at a time. Only
// [Conn.Interrupt] may be called from another.
package engine
