// Package guard stands between an assistant and whatever it may write: which channels
// it may write to, how often, whom it may call, what it sent already, and the record
// of it.
//
// It promises that a write that its rules forbid is never sent; that within an hour a
// repeat of an idempotency key sends nothing and returns what the first call returned,
// also when its outcome is not known; and that each write that was allowed
// leaves one audit line. What it remembers it keeps in the process: a restart forgets
// keys and budgets.
package guard
