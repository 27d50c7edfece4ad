// Package selftest tries a running server from outside: what must get in, what must be
// kept out, and what must be let go. Each [Trial] sends one kind of request and says
// what came back, so that the whole is a card that a person can read.
//
// It stores nothing on the server but one event of type "selftest", sent twice, and not
// even that when told so. It opens at most a handful of connections at once, and every
// trial has a deadline.
package selftest
