// Package testservers runs the databases that tests need: a redis-server or a nats-server of a
// test's own, in a directory of its own and on a free port, which can be killed, paused
// and started again. It is imported by tests only.
package testservers
