// Package order has a consumer work events with the same key one after another.
//
// A [Sequencer] stands between the hand-out of deliveries, which is in order, and the
// workers, which are not. It knows every delivery that was handed out and is not settled,
// lets one run when no earlier one with its key is left, and otherwise has it wait, for a
// moment beside the one that runs, or else back in the store without counting an attempt.
//
// It knows what its own consumer was handed: other consumers of the group have an order of
// their own, and what was being tried again when the process ended is known only once it
// is handed out anew.
package order
