// Package delivery posts signed webhooks: the events that a rule forwards, and those that
// a subscriber of an MCP client is sent.
//
// [Attempt] makes one attempt and judges it. It signs the message by Standard Webhooks,
// posts it within the rules of package egress, and says whether the receiver accepted it,
// whether another attempt makes sense, and how long the receiver asks to wait. When the
// next attempt is made is the caller's to decide: a rule keeps its schedule in its
// consumer group, a subscription in the shared state.
package delivery

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/webhook/signature"
)

// A Client posts to addresses that others chose; [egress.Client] is one.
type Client interface {
	// Check judges a URL without calling it.
	Check(target string) error
	// Send sends a body, and returns the answer whatever its status is.
	Send(ctx context.Context, method, target string, header http.Header, body []byte) (egress.Reply, error)
}

// A Message is what is posted.
type Message struct {
	URL string
	// Header holds what is sent beside the headers of the signature, which are added to it.
	Header http.Header
	// ID is the same for every attempt at the same message.
	ID string
	// Secrets are those of Standard Webhooks; the message is signed with each.
	Secrets []string
	// Unsigned says that it is not signed, because the receiver knows us otherwise.
	Unsigned bool
	// Method is POST when it is empty.
	Method string
	Body   []byte
}

// A Policy decides which failures are final.
type Policy uint8

const (
	// RetryBusy repeats what a receiver that is slow or out of order answered (408, 425,
	// 429 and 5xx) and a connection that failed. Everything else would be answered the same
	// again and is final, as is an address that may not be reached.
	RetryBusy Policy = iota
	// RetryUntilGone repeats everything but what the receiver does not want (410) or
	// cannot take (413): it is for receivers that may not be set up yet.
	RetryUntilGone
)

// An Outcome is what became of an attempt.
type Outcome struct {
	// Err is nil when the receiver accepted the message. It names the host and never the
	// rest of the URL.
	Err error
	// Final says that no further attempt can succeed.
	Final bool
	// Pause is how long the receiver asks to be left alone, at most a day; 0 is no wish.
	Pause time.Duration
	// Body is what the receiver answered, as far as it was read.
	Body []byte
}

// A StatusError is an answer of the receiver that is not 2xx.
type StatusError struct{ Status int }

// Error names the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the receiver answered %d %s", e.Status, http.StatusText(e.Status))
}

// Attempt signs and posts a message once, at the time now.
func Attempt(ctx context.Context, c Client, m Message, p Policy, now time.Time) Outcome {
	if m.Unsigned {
		m.Header.Set("Webhook-Id", m.ID)
	} else if err := signature.SignStandardID(m.Header, m.Secrets, m.ID, now, m.Body); err != nil {
		return Outcome{Err: err, Final: true}
	}
	reply, err := c.Send(ctx, cmp.Or(m.Method, http.MethodPost), m.URL, m.Header, m.Body)
	if err != nil {
		_, refused := errors.AsType[*egress.RefusedError](err)
		return Outcome{Err: err, Final: refused && p == RetryBusy}
	}
	if reply.OK() {
		return Outcome{Body: reply.Body}
	}
	return Outcome{Err: &StatusError{reply.Status}, Final: p.final(reply.Status), Pause: reply.RetryAfter(now), Body: reply.Body}
}

// final judges a status that is not 2xx.
func (p Policy) final(status int) bool {
	if p == RetryUntilGone {
		return status == http.StatusGone || status == http.StatusRequestEntityTooLarge
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status < http.StatusInternalServerError
}

// Answered reports whether the receiver answered, with whatever status.
func (o Outcome) Answered() bool {
	_, refused := errors.AsType[*StatusError](o.Err)
	return o.Err == nil || refused
}

// The kinds of failures, which are all that an untrusted caller may learn.
const (
	ConnectionRefused = "connection_refused"
	TimedOut          = "timeout"
	TLSError          = "tls_error"
	Status4xx         = "http_4xx"
	Status5xx         = "http_5xx"
)

// Reason is the kind of the failure, from the list of constants; "" when there is none.
// It holds no text of the receiver.
func (o Outcome) Reason() string {
	var unknownAuthority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var network net.Error
	var answered *StatusError
	switch err := o.Err; {
	case err == nil:
		return ""
	case errors.As(err, &answered) && answered.Status >= http.StatusInternalServerError:
		return Status5xx
	case answered != nil:
		return Status4xx
	case errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &invalid),
		errors.As(err, &verification), errors.As(err, &record), errors.As(err, &alert):
		return TLSError
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return TimedOut
	}
	return ConnectionRefused
}
