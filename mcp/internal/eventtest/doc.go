// Package eventtest is a log of events for tests: small, in memory, with the contract
// of event.Log. It is imported by tests only.
package eventtest
