// Package notify posts events to those who subscribed to them with an address of their
// own: Standard Webhooks as the extension io.modelcontextprotocol/events has them.
//
// A subscription is a reader of the log with a place of its own: its cursor, the position
// behind the last event that was accepted. Nothing is copied for it. Its backlog is the
// log itself, so a receiver that hangs costs the others nothing, and what it missed is
// bounded by the log's retention and by [Options.Backlog]; what is lost that way it is
// told as a gap.
//
// Subscriptions, cursors and attempts are kept in the state that replicas share (see
// [State]). Replicas divide the subscriptions among themselves by leases. Each
// subscription is worked by one process at a time, one event at a time, in the order of
// the log.
//
// It promises that an event is posted until it is accepted, refused for good (410, 413)
// or a dead letter, whatever process crashes meanwhile, and that a receiver which
// accepted an event is not sent it again unless a crash lay between. Nothing is sent to
// an address that did not answer a challenge, and none of the answers' text is shown to
// anybody: it could be used to read from inside the network.
package notify
