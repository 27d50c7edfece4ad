// Package sender plays the one who posts: it makes an event as Slack would send it,
// signs it, posts it, and reports the answer.
//
// It promises signatures that a correct receiver accepts, and that it follows no
// redirect and waits no longer than its timeout. It does not retry by itself: that is
// Slack's part, which the sandbox plays.
package sender
