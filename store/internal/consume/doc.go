// Package consume works the events of a group for every backend: its workers, its leases,
// how an attempt is made and judged, the order of events that have a key, and the watchdog
// that notices a group that stands still.
//
// [Run] takes events from a [Backend] under leases, keeps a number of handlers busy,
// renews what they hold, judges how they ended, and waits while the backend is away. A
// lease is renewed until its outcome is recorded, or until the handler is past its
// deadline; a handler whose lease was lost is cancelled; and Run returns only when its
// goroutines have ended.
//
// A [Sequencer] stands between the hand-out of deliveries, which is in order, and the
// workers, which are not. It knows every delivery that was handed out and is not settled,
// lets one run when no earlier one with its key is left, and otherwise has it wait, for a
// moment beside the one that runs, or else back in the store without counting an attempt.
// It knows what its own consumer was handed: other consumers of the group have an order of
// their own, and what was being tried again when the process ended is known only once it
// is handed out anew.
package consume
