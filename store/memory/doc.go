// Package memory is a queue that lives in the process: for tests, for the sandbox, and
// for who accepts that a restart forgets everything.
//
// It promises all that package queue promises but for persistence: nothing survives
// the process, neither events nor seen ids nor the retry schedule, and
// [queue.Stats] says so. It is bounded by the number and the bytes of what it keeps;
// when nothing may be removed, Publish fails with [queue.ErrFull].
//
// See [New].
package memory
