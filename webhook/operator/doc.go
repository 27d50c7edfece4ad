// Package operator is what a person does to a queue: look at events and dead letters,
// give them back to their handlers, drop them, replay what was, work a group by hand.
//
// All of it is written once, against [Store]. A [queue.Queue] is a Store; so is the
// running server seen through its Unix socket (package server/socket). Long work goes
// in pages: what was done stays done, whoever stops it, and doing it again goes on with
// what is left.
package operator
