// Package audit keeps the trail of security events apart from the log: who was refused
// and why, whose token was used, what was written to Slack, what an operator did.
//
// One [Record] is one line of JSON, written with one call before [Log.Record] returns.
// Its fields and the names of its events are a stable schema: docs/audit.md is made
// from the tables here, and fields are only ever added. A record never holds a secret, a
// token, a body or a text of a message; whatever looks like one is taken out by the
// writer that server puts in front.
//
// A file is opened for appending with mode 0600 and opened again by [Log.Reopen], so
// that it can be moved away by logrotate. A line that cannot be written is counted and
// told to the log; it stops nothing.
package audit
