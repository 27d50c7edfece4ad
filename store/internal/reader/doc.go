// Package reader reads a log that is kept outside the process: pages of its history, and
// tails that follow it through the engine's going and coming.
//
// It promises that a tail delivers every event behind its start in the order of the log;
// that it waits while the engine is away; and that it notices when the engine that
// answers is in an earlier or another state than the one before: it then goes back to
// the last event that both have, and delivers what follows there.
package reader
