package slackapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slackmcp/internal/wait"
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

// repeatable reports that Slack surely did nothing, and may succeed next time. Of a call
// that changes something, classification has made every other case [Ambiguous].
func (e *Error) repeatable() bool { return e.Kind == RateLimited || e.Kind == Unavailable }

// pause is how long to wait before the next attempt: what Slack said, or a growing pause.
func (e *Error) pause(b *wait.Backoff) time.Duration {
	if e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return b.Next()
}

const (
	defaultRetryAfter = 30 * time.Second // for a 429 that does not say
	maxRetryAfter     = time.Hour
	maxPointers       = 8
)

// classify returns what is wrong with an answer; nil for a success.
func (c call) classify(resp *http.Response, body []byte) *Error {
	switch {
	case c.method == respond:
		return c.classifyResponse(resp, body)
	case c.method.tier == tierNone:
		return c.classifyFile(resp)
	case resp.StatusCode != http.StatusOK:
		return c.classifyStatus(resp)
	}
	var e envelope
	if err := lenient(body, &e); err != nil || !e.OK && e.Error == "" {
		return c.doubt(&Error{Code: CodeUnreadable, Kind: Internal})
	}
	if e.OK {
		return nil
	}
	err := &Error{Code: e.Error, Kind: kindOf(e.Error), Needed: e.Needed, Provided: e.Provided, Pointers: pointers(e.Metadata.Messages)}
	switch err.Kind { //nolint:exhaustive // The other kinds say all there is.
	case RateLimited:
		err.RetryAfter = retryAfter(resp.Header)
	case Unavailable:
		// Slack says of internal_error and fatal_error that a part may have succeeded.
		return c.doubt(err)
	}
	return err
}

// An envelope is what all of Slack's answers have in common.
type envelope struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
	Metadata struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

// classifyStatus is for an answer whose status is not 200.
func (c call) classifyStatus(resp *http.Response) *Error {
	err := &Error{Code: CodeHTTPStatus, Kind: Internal, Status: resp.StatusCode}
	switch {
	case err.Status == http.StatusTooManyRequests:
		err.Code, err.Kind, err.RetryAfter = "ratelimited", RateLimited, retryAfter(resp.Header)
	case err.Status >= 500, err.Status == http.StatusRequestTimeout:
		err.Kind = Unavailable
		return c.doubt(err)
	case err.Status < 300:
		return c.doubt(err)
	}
	return err
}

// classifyFile is for the hosts of files, which speak HTTP and not Slack's JSON. The
// redirects of a download are followed by its http.Client.
func (c call) classifyFile(resp *http.Response) *Error {
	if resp.StatusCode == http.StatusOK || c.method == filesDownload && resp.StatusCode/100 == 3 {
		return nil
	}
	err := c.classifyStatus(resp)
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		err.Kind = NotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		err.Kind = Forbidden
	}
	return err
}

// classifyResponse is for a response URL, which answers "ok" or {"ok":true}, or refuses
// with a status, a code, or both.
func (c call) classifyResponse(resp *http.Response, body []byte) *Error {
	err := c.classifyFile(resp)
	var e envelope
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		return err
	}
	if err == nil {
		err = &Error{Kind: kindOf(e.Error)}
	}
	err.Code = e.Error
	return err
}

// doubt makes a failure ambiguous where the call may have been carried out.
func (c call) doubt(err *Error) *Error {
	err.Method = c.method.name
	if !c.method.safe {
		err.Kind = Ambiguous
	}
	return err
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return defaultRetryAfter
	}
	return min(max(time.Duration(n)*time.Second, time.Second), maxRetryAfter)
}

var pointer = regexp.MustCompile(`\[json-pointer:(/[\w/.-]{0,100})\]`)

// pointers keeps of Slack's remarks the places and leaves out the contents.
func pointers(remarks []string) []string {
	var found []string
	for _, r := range remarks {
		if m := pointer.FindStringSubmatch(r); m != nil && len(found) < maxPointers {
			found = append(found, m[1])
		}
	}
	return found
}
