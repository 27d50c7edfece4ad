// Package queuetest holds every backend to the contract of package queue. A backend is
// done when [Run] passes for it.
//
// The suite knows nothing of how a backend works: it publishes, consumes, reads and
// counts through the interface only, closes and reopens the store between steps where
// the backend is persistent, and compares what it counted itself with Stats.
package queuetest
