// Package crew works a group's events for an engine outside the process, which hands
// them out under leases: it keeps a number of handlers busy, renews what they hold,
// judges how they ended, and waits while the engine is away.
//
// It promises that a lease is renewed until its outcome is recorded, or until the
// handler is past its deadline; that a handler whose lease was lost is cancelled; and
// that Run returns only when its goroutines have ended.
package crew
