package slackapi

import (
	"fmt"
	"strings"
	"time"
)

// An Error is a call that did not succeed. It is made of codes and names only: no
// token, no text of a message, no body.
type Error struct {
	// Method is Slack's name of the method, such as "chat.postMessage".
	Method string
	// Code is Slack's own code, such as "channel_not_found"; where Slack did not
	// answer it is one of this package's: see the Code constants.
	Code string
	// Kind is what to do about it.
	Kind Kind
	// Needed and Provided are the scopes of a [MissingScope], comma separated.
	Needed, Provided string
	// RetryAfter is how long to wait for a [RateLimited]; otherwise zero.
	RetryAfter time.Duration
	// Status is the HTTP status, 0 where there was none.
	Status int
	// Pointers are the places in the request that Slack complained about, as JSON
	// pointers (/blocks/0/text), without what was there.
	Pointers []string

	err error
}

// Codes of failures in which Slack had no word.
const (
	// CodeHeldBack is a call that was not sent, because Slack's limit for the method
	// would be broken by it and the caller's deadline is too near to wait.
	CodeHeldBack = "held_back"
	// CodeNoConnection is a call that was not sent, because no connection was made.
	CodeNoConnection = "no_connection"
	// CodeConnectionLost is a call whose answer never came.
	CodeConnectionLost = "connection_lost"
	// CodeTimeout is a call whose answer did not come in time.
	CodeTimeout = "timed_out"
	// CodeHTTPStatus is an answer that is no Slack answer: see Status.
	CodeHTTPStatus = "http_status"
	// CodeUnreadable is an answer that is not Slack's JSON.
	CodeUnreadable = "unreadable_reply"
	// CodeReplyTooLarge is an answer beyond [Options.MaxReplyBytes].
	CodeReplyTooLarge = "reply_too_large"
	// CodeNoToken is a method that needs a token that the client was not given.
	CodeNoToken = "no_token"
	// CodeRefusedHost is a URL whose host may not be called.
	CodeRefusedHost = "refused_host"
	// CodeSignIn is a file that the token may not read: Slack led to its sign-in page.
	CodeSignIn = "sign_in_required"
	// CodeTooManyRedirects is a file that moved on and on.
	CodeTooManyRedirects = "too_many_redirects"
	// CodeBadRequest is an argument that was refused before it was sent.
	CodeBadRequest = "bad_request"
)

// Error says what happened and, where it is known, the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "slack %s: %s", e.Method, e.Code)
	if e.Status != 0 && e.Code == CodeHTTPStatus {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	switch {
	case e.Needed != "":
		fmt.Fprintf(&b, " (needs %s, has %s)", e.Needed, e.Provided)
	case e.RetryAfter > 0:
		fmt.Fprintf(&b, " (try again in %s)", e.RetryAfter.Round(time.Millisecond))
	case e.Kind == Ambiguous:
		b.WriteString(" (it may have been carried out: look before repeating it)")
	case len(e.Pointers) > 0:
		fmt.Fprintf(&b, " (at %s)", strings.Join(e.Pointers, ", "))
	}
	if e.err != nil {
		fmt.Fprintf(&b, ": %v", e.err)
	}
	return b.String()
}

// Unwrap returns what the transport or the context said; nil where Slack answered.
func (e *Error) Unwrap() error { return e.err }
