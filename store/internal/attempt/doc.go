// Package attempt runs a handler once, as every backend has to: with a deadline, with
// a panic turned into a failure, and with the grace that a stopping process gives.
package attempt
