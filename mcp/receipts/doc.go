// Package receipts reads from the received delivery receipts what became of a message:
// its last known status, and the receipts that told of it.
//
// Nothing is kept beside the events: a status is as old as the store reaches back, and
// as true as its signed receipts.
package receipts
