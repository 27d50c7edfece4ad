// Package socketmode receives what Slack has to tell over WebSockets that the app opens,
// for apps that cannot be reached from outside
// (docs.slack.dev/apis/events-api/using-socket-mode).
//
// Several connections are kept at once. Slack sends each delivery over any one of them,
// and renews each every few hours: it is replaced as soon as Slack announces that, and the
// old one is read until Slack closes it, so that there is always one to send over. A
// delivery is acknowledged only after it was handled, on the connection that it came by;
// what is not acknowledged Slack sends again.
package socketmode
