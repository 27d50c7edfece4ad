// Package nats is a queue in NATS JetStream: for several replicas that behave as one.
//
// It needs nats-server 2.11 or later with JetStream. A topic has one stream of events, in
// which each event has a subject of its own, made from its source and id: publishing
// expects that subject to be empty, which is the deduplication, and atomic
// (docs/adr/0004-nats-dedupe.md). A bucket of keys and values has what groups know of
// events that are neither new nor done: the schedule, leases on later attempts, dead
// letters. A durable consumer for each group hands out the new events; its
// acknowledgement wait is the lease of a first attempt.
//
// It promises all that package queue promises, with these remarks:
//
//   - What a crash of nats-server or a power loss can take is the server's matter; see
//     [queue.Stats]. Publish waits for JetStream's acknowledgement.
//   - An event's bytes stay on the server's disk until the TTL of its id is over, also
//     when retention has removed it before: nobody can read it through the queue then.
//     The stream discards new messages, never old ones, when an operator's limit is
//     reached, and a trimmer purges what nobody needs.
//   - A store that lost its end, by a power loss with unsynced files, gives the positions
//     of what was lost again: JetStream numbers. A running Tail finds the place where
//     the two histories part, and goes on from there.
//   - With several processes the bound on the number of events is kept to within what
//     they publish at the same time.
//   - When nats-server itself crashes it may have forgotten acknowledgements of the last
//     moment: those events are handled again.
//   - While NATS is away Publish fails with [queue.ErrUnavailable], and Consume and Tail
//     wait, with growing pauses, and go on by themselves.
//
// See [Open].
package nats
