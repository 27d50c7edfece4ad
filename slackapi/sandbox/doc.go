// Package sandbox is a Slack workspace that runs in this process: a stateful Web API
// that official clients can use unchanged, and a sender that turns what happens in
// the workspace into signed deliveries, with Slack's own retry clock and judgement.
//
// It promises the Web API's shapes, error codes, paging, scopes and limits for the
// methods in its table, as docs.slack.dev describes them; that one change makes the
// events that Slack would make of it; and that it takes only tokens that are worth
// nothing elsewhere (xoxb-sandbox-…, xoxp-sandbox-…, xapp-sandbox-…).
//
// It does not promise Slack's search ranking, its HTML pages, images of emoji, or
// enterprise grids. All state is in memory and ends with the process.
//
// It signs with its own few lines, so that it judges a receiver instead of agreeing
// with it.
package sandbox
