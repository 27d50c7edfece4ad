// Package worker works the events of a queue with handlers in Go.
//
// A [Mux] joins patterns with handlers: a type, type/subtype, the message.channels of
// Slack's subscription page and its kin, or * for all. Each event goes to every handler
// whose pattern matches. Handlers share one consumer group unless they ask for one of
// their own ([InGroup]).
//
// Groups are independent: each sees every event, and retries, dead letters and delays
// of one do not touch another. Handlers of one group share the event's fate: the event
// is done when all of them are, it is tried again when one fails, and it is one dead
// letter. Within a group a handler that is done with an event is not called again for
// it while this process lives; after a crash, or when another process takes the next
// attempt, it is. A handler that must not be called twice, or must not wait for its
// neighbours' attempts, belongs into a group of its own.
//
// A panic is a failure of the attempt, and so is the group's deadline. See
// [queue.Permanent] and [queue.RetryAfter] for what a handler may say in its error.
package worker
