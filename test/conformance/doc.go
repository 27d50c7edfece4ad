// Package conformance holds the pinned conformance suites of the Model Context
// Protocol; test/conformance.sh runs them.
package conformance
