// Package redis is a queue in Redis: for several replicas that behave as one.
//
// It needs Redis 6.2 or later, or a server that speaks its commands; a test holds that
// nothing newer is used. All keys of a topic begin with "{topic}:" and so live on one
// node of a cluster. Each change is one Lua script: an event, its id and its position
// are stored together or not at all, and so is each step of a group.
//
// It promises all that package queue promises, with these remarks:
//
//   - What a crash of the Redis server or a power loss can take is the server's matter:
//     [queue.Stats] says it in words, from its configuration. Publish waits for Redis's
//     answer, and no longer.
//   - While Redis is away Publish fails with [queue.ErrUnavailable], and Consume and
//     Tail wait, with growing pauses, and go on by themselves.
//   - A store that lost its end, by a failover or a crash with an unsynced log, does not
//     give a position twice: whoever has seen a higher one says so, and the sequence
//     goes on well behind it. A running Tail finds the place where the two histories
//     part, and goes on from there.
//   - A store that was emptied has a new epoch. Groups are registered anew by their
//     consumers, and readers begin again.
//
// It does not shard: one topic is as fast as one Redis node.
//
// See [Open].
package redis
