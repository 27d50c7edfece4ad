// Package queue is the contract between the receiving HTTP handler and whoever works
// or reads the events: [Queue], and the retry [Policy] that all backends share.
//
// Promises, which package storetest holds every backend to:
//
//   - Publish that returned nil means durable as the backend is configured. A crash at
//     any moment loses no acknowledged event.
//   - Deduplication by (source, id) is atomic with the write. Seen ids live apart from
//     the events: they expire by the dedupe TTL only and survive trimming.
//   - Each event is handled by every group once, or again after a crash; attempts are
//     counted across crashes. A handler that fails delays itself and no other event.
//   - A lease is renewed while its handler runs, up to the handler's deadline, so that
//     a slow handler never runs twice at once.
//   - Retention never removes what a registered group has not finished; Publish then
//     fails with [ErrFull]. What expires is counted.
//   - accepted = done + waiting (in flight included) + dead + expired, for every group, exactly.
//
// It does not promise an order among the events that a group works.
//
// Retention takes the oldest events out of the log. One that a group has on its
// schedule or among its dead letters is kept for that group beyond, where History and
// Tail do not see it. Dead letters age by the instant of their death, and make room,
// oldest first, when nothing else is left to remove; both count as expired.
//
// The oldest position in an [event.CursorExpiredError] of a backend, given as After,
// reads everything that is kept.
//
// A new backend is held to all this by package storetest.
package queue
