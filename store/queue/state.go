package queue

import "time"

// A State says how far a group is with one event.
type State string

// The states. Those of all stored events add up to the counts of [GroupStats] but for what
// is NotKnown: Waiting, InFlight and Retrying are its Waiting.
const (
	// Waiting is an event that the group has not begun.
	Waiting State = "waiting"
	// InFlight is one that a handler has, or had when its process ended.
	InFlight State = "in_flight"
	// Retrying is one that is on the group's schedule: after a failed attempt, because it was
	// postponed, redriven or replayed, or because its process ended during the attempt.
	Retrying State = "retrying"
	// Done is one that the group has finished: a handler worked it, the group's filter did not
	// want it, or its dead letter was dropped.
	Done State = "done"
	// Dead is a dead letter.
	Dead State = "dead"
	// BeforeStart is one that was stored before the group's start and never replayed for it.
	BeforeStart State = "before_start"
	// NotKnown is one of which the group has nothing left, and where a dead letter that has
	// expired leaves no trace to tell it from what is Done or BeforeStart; or one of which another
	// process alone knows whether its first attempt runs.
	NotKnown State = "not_known"
)

// An EventState is what became of one event in one group.
type EventState struct {
	Group string
	State State
	// Attempts counts the attempts since the event was stored, redriven or replayed, with the
	// one that runs; 0 where the state is none of InFlight, Retrying and Dead.
	Attempts int
	// At is when the event is tried again, where it is Retrying, or when it died, where it is Dead;
	// otherwise zero. It is zero, too, where a consumer of the group has yet to decide that.
	At time.Time
	// Reason is the text of the last error, where the state is InFlight, Retrying or Dead and
	// there was one.
	Reason string
}
