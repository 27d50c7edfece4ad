// Package bench measures what this machine and this disk make of the receiving side: it
// runs the program itself as a server with a store of its own, sends it signed events,
// and says how long the answers took, how many came a second, what one cost, and what
// was lost when the server was killed.
//
// It measures sqlite, the embedded store, in a new folder inside the directory that it
// is given, which it removes when it is done. Traffic goes to the loopback only. The
// sender runs on the same machine and takes its share of it.
package bench
