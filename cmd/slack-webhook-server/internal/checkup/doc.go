// Package checkup says what a configuration comes to before a server runs with it, and
// asks what the server will depend on: Slack, the store, the way in from outside, and
// the clock.
//
// [Foresee] calls nobody. An [Online] check waits at most [Limit] for each thing that it
// asks, publishes nothing, posts nothing but Slack's url_verification, and opens no Socket
// Mode connection. Neither promises that the next start succeeds: a port may be taken by
// then.
//
// No secret is in a report. The caller still passes it through config.Config.Scrubbed,
// because errors of other libraries are in it.
package checkup
