// Package slackapi is the only way to the Slack Web API: a [Client] whose every call
// passes one transport (pace, deadline, attempt, classification, repetition where it is
// safe) and whose every failure is one [Error].
//
// It promises:
//   - A call that changes something is sent once. It is repeated only when Slack
//     surely did not act on it: the connection was never made, or Slack said 429.
//     When the outcome cannot be known, the error is [Ambiguous] and says so.
//   - A call ends by its context's deadline, and by [Options.Timeout] without one.
//   - A reply is read up to a bound, and never refused for a block, a field or a
//     type that was invented after this package was written.
//   - No token is part of an error, an observation or a rehearsal, and none is sent
//     to a host that is neither Slack's nor the configured API's.
//   - A [Person] calls with their own token or not at all, and has a share of Slack's
//     limits: a quarter of a burst, and a turn among those who wait.
//
// It does not promise that Slack stored what it acknowledged, nor an order among
// concurrent calls, and it keeps nothing: no names, no messages, no tokens of users.
//
// slack-go makes the calls whose answers it reads without loss. The answers that hold
// messages, blocks, channels, users or files are read here, into small structs with stable
// JSON: slack-go's own types refuse a whole answer for one block element that they do not
// know, and a message that was posted would be reported as an error. Both go through the
// same http.Client, one for each token, which is made once.
package slackapi
