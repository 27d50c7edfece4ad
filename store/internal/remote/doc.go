// Package remote holds what the backends outside the process share: batches of calls, the
// form in which an event is stored, waiting while the backend is away, and reading its
// log, by pages and by tails that follow it.
//
// A tail delivers every event behind its start in the order of the log. It waits while the
// backend is away, and it notices when the server that answers is in an earlier or another
// state than the one before: it then goes back to the last event that both have, and
// delivers what follows there.
package remote
