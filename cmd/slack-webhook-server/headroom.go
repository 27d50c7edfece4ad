package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// headroom is how much garbage may gather between two collections at least. Go's
// default, as much as lives, makes a server that keeps little collect dozens of times
// a second: a third of what a request cost here.
const headroom = 12 << 20

// The bounds of the percentage: a floor, where much lives, and a ceiling. The runtime lets
// a heap in which little lives grow to 4 MiB times the percentage, which is headroom at
// the ceiling. More headroom saves nothing: what collections cost less, the first touch
// of more pages and colder caches cost more.
const (
	goPercent    = 100 // what the runtime begins with
	leastPercent = 75
	mostPercent  = headroom * 100 / (4 << 20)
)

// keepHeadroom sets the collector's percentage so that it leaves headroom, now and
// after each collection. It is not called where the operator has set GOGC.
func keepHeadroom() { adjust(goPercent) }

// adjust is called with the percentage that is in force.
func adjust(now int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	want := percentFor(live[0].Value.Uint64())
	// Setting it stops the world for a moment; small changes are not worth that.
	if want < now*9/10 || want > now*11/10 {
		debug.SetGCPercent(want)
		now = want
	}
	// A finalizer runs after each collection, because nothing else refers to its object.
	runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) { adjust(now) })
}

// percentFor is the percentage of what lives that comes to headroom.
func percentFor(live uint64) int {
	if live == 0 {
		return mostPercent
	}
	return int(min(max(headroom*100/live, leastPercent), mostPercent))
}
