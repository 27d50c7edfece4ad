package webhook

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"slackmcp/webhook/event"
)

// An Outcome is how a request ended. Its text is the value of the log's "outcome" and
// of a metric's label; there are no others.
type Outcome string

// All outcomes. Each has one status; see the table in reply.go.
const (
	// Accepted means stored.
	Accepted Outcome = "accepted"
	// Duplicate means stored before, with the same source and id.
	Duplicate Outcome = "duplicate"
	// Challenge is a signed url_verification, answered and not stored.
	Challenge Outcome = "challenge"
	// SSLCheck is Slack's probe of a slash command's URL.
	SSLCheck Outcome = "ssl_check"
	// Unregistered is a path without a source.
	Unregistered Outcome = "unregistered"
	// WrongMethod is any method but POST.
	WrongMethod Outcome = "wrong_method"
	// BadSignature has the reason missing, malformed or mismatch.
	BadSignature Outcome = "bad_signature"
	// Stale is a timestamp outside the tolerance, in the past or in the future.
	Stale Outcome = "stale"
	// WrongMediaType is a body that says to be neither JSON nor a form, or to be compressed.
	WrongMediaType Outcome = "wrong_media_type"
	// TooLarge is a body above MaxBodyBytes.
	TooLarge Outcome = "too_large"
	// IllFormed is a signed body that cannot be read; the reason says why.
	IllFormed Outcome = "ill_formed"
	// Invalid is a signed body that lacks a field; the reason names it.
	Invalid Outcome = "invalid"
	// Timeout is a body that did not arrive in time.
	Timeout Outcome = "timeout"
	// Aborted is a body whose sender went away.
	Aborted Outcome = "aborted"
	// Busy means that too much is in flight; the reason is requests or bytes.
	Busy Outcome = "busy"
	// Limited is a request from an address that kept failing verification; it was not
	// looked at.
	Limited Outcome = "limited"
	// Full means that the store is full.
	Full Outcome = "full"
	// Unavailable means that the store did not take the event in time.
	Unavailable Outcome = "unavailable"
)

// Outcomes lists all outcomes, sorted.
func Outcomes() []Outcome { return slices.Sorted(maps.Keys(replies)) }

// An Observation is one finished request.
type Observation struct {
	// Source is the sender that the route belongs to; empty for an unregistered path.
	Source  string
	Outcome Outcome
	// Reason says more about some outcomes; one of few fixed words, or a field's name.
	Reason string
	// Address is where the request came from; the zero address when nobody can tell.
	Address netip.Addr
	// RequestID is the request's, as RequestIDHeader had it.
	RequestID string
	// Status is the HTTP status of the answer.
	Status int
	// Kind, ID and Retry are the event's; zero unless the signature was good.
	Kind  event.Kind
	ID    string
	Retry event.Retry
	// Team and At are the event's too: where it happened, and when by the sender's word.
	Team string
	At   time.Time
	// Bytes is the body's length as far as it was read.
	Bytes int
	// Secret is which of the source's secrets signed, counted from 1; 0 when none did.
	// It shows when a secret that is being rotated out is no longer used.
	Secret int
	// Skew is our clock less the signed timestamp; 0 for schemes without one.
	Skew time.Duration
	// Tries is how often the event was published, Publish how long that took in all.
	Tries   int
	Publish time.Duration
	// Duration is the time from the first look at the request to the answer, and Answered
	// when that was.
	Duration time.Duration
	Answered time.Time
}
