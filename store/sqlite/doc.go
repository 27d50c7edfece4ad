// Package sqlite is the queue in one file: the default backend, which needs no other
// program.
//
// It promises what package queue promises, and for durability: Publish returns after
// the fsync of the write-ahead log that holds the event, so that neither a crash nor a
// power loss takes what was acknowledged, as far as the disk keeps its word. After a
// failed write or fsync nothing is acknowledged until the store was closed, made
// durable anew, reopened and checked; that happens by itself, and meanwhile calls fail
// with [queue.ErrUnavailable].
//
// One process owns a directory; a second one gets [queue.ErrLocked]. The file can be
// read with the sqlite3 program while the owner runs; it must not be written.
//
// One goroutine, the writer, does all writing, in transactions that it shares among all
// who wait: see writer.go for the order of things, seen.go for deduplication, group.go
// for the consumers' state. Readers have their own connections and never block it.
//
// It does not shrink the file: room that retention frees is used again.
package sqlite
