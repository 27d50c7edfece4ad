// Package slackapi is the only door to the Slack Web API: a [Client] whose every
// call takes one path (pace, deadline, attempt, classification, repetition where it
// is safe) and whose every failure is one [Error].
//
// It promises:
//   - A call that changes something is sent once. It is repeated only when Slack
//     surely did not act on it: the connection was never made, or Slack said 429.
//     When nobody can know, the error is [Ambiguous] and says so.
//   - A call ends by its context's deadline, and by [Options.Timeout] without one.
//   - A reply is read up to a bound, and never refused for a block, a field or a
//     type that was invented after this package was written.
//   - No token is part of an error, an observation or a rehearsal, and none is sent
//     to a host that is neither Slack's nor the configured API's.
//
// It does not promise that Slack stored what it acknowledged, nor an order among
// concurrent calls, and it keeps nothing: no names, no messages, no tokens of users.
//
// The requests are made by slack-go; the answers are read here, into small structs
// with stable JSON, so that nothing else has to know slack-go's types.
package slackapi
