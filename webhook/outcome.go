package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/refusals"
	"slackmcp/webhook/signature"
)

// An Outcome is how a request ended. Its text is the value of the log's "outcome" and
// of a metric's label; there are no others.
type Outcome string

// All outcomes. Each has one status; see replies.
const (
	// Accepted means stored.
	Accepted Outcome = "accepted"
	// Duplicate means stored before, with the same source and id.
	Duplicate Outcome = "duplicate"
	// Challenge is what a sender asks before it delivers, such as Slack's signed
	// url_verification: answered and not stored.
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
	// WrongMediaType is a body whose headers name neither JSON nor a form, or a compression.
	WrongMediaType Outcome = "wrong_media_type"
	// TooLarge is a body above the limit of its source, or with the reason store, an event that
	// is longer than the store takes.
	TooLarge Outcome = "too_large"
	// IllFormed is a signed body that cannot be read; the reason says why.
	IllFormed Outcome = "ill_formed"
	// Invalid is a signed body that lacks a field; the reason names it.
	Invalid Outcome = "invalid"
	// Timeout is a body that did not arrive in time, or before its memory was needed for newer
	// ones, which is the reason gave_way.
	Timeout Outcome = "timeout"
	// Aborted is a body whose sender went away.
	Aborted Outcome = "aborted"
	// Busy means that too much is in flight; the reason is requests or bytes.
	Busy Outcome = "busy"
	// Limited is a request from an address that kept failing verification, with a body that is
	// long or of unknown length; nothing of it was read.
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
	// Address is where the request came from; the zero address when that is not known.
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
	// Claimed says of a request that was refused with 429 or 503 before its signature was
	// checked that its headers have a signature of the right form, and a fresh time: it may be
	// the source's own.
	Claimed bool
	// Repeated says of a request that was refused without being verified that it is like one
	// within the last minute: same client, route, outcome and reason. It has no line in the log.
	Repeated bool
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

// A reply is the answer to an outcome. This table is the one place where an outcome becomes
// a status.
type reply struct {
	status int
	// body is JSON; nil sends no body.
	body []byte
}

var replies = map[Outcome]reply{
	Accepted:       {http.StatusOK, []byte(`{"status":"ok"}`)},
	Duplicate:      {http.StatusOK, []byte(`{"status":"ok"}`)},
	Challenge:      {http.StatusOK, nil}, // decode makes the body
	SSLCheck:       {http.StatusOK, nil},
	Unregistered:   {http.StatusNotFound, []byte(`{"error":"unregistered endpoint"}`)},
	WrongMethod:    {http.StatusMethodNotAllowed, []byte(`{"error":"method not allowed","detail":"use POST"}`)},
	BadSignature:   {http.StatusUnauthorized, []byte(invalidSignature)},
	Stale:          {http.StatusUnauthorized, []byte(invalidSignature)},
	WrongMediaType: {http.StatusUnsupportedMediaType, []byte(`{"error":"unsupported media type","detail":"send application/json or application/x-www-form-urlencoded, not compressed"}`)},
	TooLarge:       {http.StatusRequestEntityTooLarge, []byte(`{"error":"body too large"}`)},
	IllFormed:      {http.StatusBadRequest, []byte(`{"error":"ill-formed body"}`)},
	Invalid:        {http.StatusUnprocessableEntity, []byte(`{"error":"invalid body"}`)},
	Timeout:        {http.StatusRequestTimeout, []byte(`{"error":"body did not arrive in time"}`)},
	Aborted:        {http.StatusBadRequest, []byte(`{"error":"body is incomplete"}`)},
	Limited:        {http.StatusTooManyRequests, []byte(`{"error":"too many unverified requests","detail":"this address kept failing verification: of long bodies nothing is read; try again in a minute"}`)},
	Busy:           {http.StatusServiceUnavailable, []byte(`{"error":"busy","detail":"too much in flight; send it again"}`)},
	Full:           {http.StatusServiceUnavailable, []byte(`{"error":"queue is full","detail":"send it again later"}`)},
	Unavailable:    {http.StatusServiceUnavailable, []byte(`{"error":"queue is unavailable","detail":"send it again"}`)},
}

// invalidSignature is the same whatever was wrong, so that a forger learns nothing by
// trying. The detail is the sentence of the original's answer.
const invalidSignature = `{"error":"invalid signature","detail":"Invalid request signature"}`

// tooLongToStore answers 413 to an event that the source may send and the store does not take.
var tooLongToStore = []byte(`{"error":"body too large","detail":"the store keeps no event of this length"}`)

// Header values that all answers share; they are never written to.
var (
	jsonType   = []string{"application/json"}
	retryAfter = []string{"5"} // seconds
	aMinute    = []string{"60"}
	closing    = []string{"close"}
	allowPost  = []string{http.MethodPost}
	noSniff    = []string{"nosniff"}
)

// respond writes the answer to a delivery and returns its status.
func respond(w http.ResponseWriter, v *delivery) (status int) {
	re := replies[v.Outcome]
	status, body := re.status, v.reply
	if body == nil {
		body = re.body
	}
	if v.noContent {
		status, body = http.StatusNoContent, nil
	}
	h := w.Header()
	switch status {
	case http.StatusServiceUnavailable:
		h["Retry-After"] = retryAfter
	case http.StatusTooManyRequests:
		h["Retry-After"] = aMinute
	case http.StatusMethodNotAllowed:
		h["Allow"] = allowPost
	}
	if len(body) > 0 {
		h["Content-Type"] = jsonType
		if v.replyType != nil {
			h["Content-Type"] = v.replyType
		}
		h["X-Content-Type-Options"] = noSniff
	}
	w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = w.Write(body) // The sender may be gone, and then no client reads the answer.
	}
	return status
}

// problem returns an error's body with a detail that only this request has.
func problem(title, detail string) []byte {
	b, err := json.Marshal(struct {
		Error  string `json:"error"`
		Detail string `json:"detail"`
	}{title, detail})
	if err != nil {
		return nil // Two strings can always be written.
	}
	return b
}

// repeated counts a posted request that was refused without being verified, and reports whether it
// is like one that has its line in the log.
func (rc *Receiver) repeated(v *delivery) bool {
	if v.Secret > 0 || v.Status < http.StatusBadRequest || v.endpoint == &rc.direct {
		return false
	}
	return !rc.opt.Refusals.First(refusals.Kind{
		Client: limiter.Client(v.Address), Route: v.Source, Outcome: string(v.Outcome), Reason: v.Reason, Status: v.Status,
	})
}

// places are the places in which the signature of a request should be, and those of them at which there
// was something. Of a body that was not read, or that is a long one, nothing is known. They are looked for once.
func (v *delivery) places() (expected, came []string) {
	if v.endpoint == nil || v.endpoint.verifier == nil {
		return nil, nil
	}
	if v.expected == nil {
		v.expected, v.came = signature.Places(v.endpoint.verifier.Scheme(), v.request, v.body)
	}
	return v.expected, v.came
}

// explained says of a refused request what was wrong: in which places its signature should have been and
// at which of them there was something, how far the clocks are apart, or how long a body may be. No value of the
// request is shown.
func (v *delivery) explained() []slog.Attr {
	switch {
	case v.Outcome == Stale:
		return []slog.Attr{slog.Float64("clock_skew_seconds", v.Skew.Seconds())}
	case v.remedy != "":
		return []slog.Attr{slog.String("remedy", v.remedy)}
	case v.Outcome == TooLarge:
		longer := "if its sender's bodies are that long, raise MAX_BODY_BYTES"
		if v.endpoint != nil && v.endpoint.longer != "" {
			longer = v.endpoint.longer
		}
		return []slog.Attr{slog.Int64("limit_bytes", v.limit), slog.String("remedy", longer)}
	case v.Outcome != BadSignature:
		return nil
	}
	expected, came := v.places()
	if expected == nil {
		return nil
	}
	return []slog.Attr{slog.String("expected", strings.Join(expected, ", ")), slog.String("came", strings.Join(came, ", "))}
}

// unasked reports whether a request was answered that everybody can send: it has no line in the log.
func (v *delivery) unasked() bool {
	return v.Outcome == SSLCheck || v.Outcome == Challenge && v.Secret == 0
}

// report calls OnObserve with a finished request and writes its line to the log. When the
// signature was not good, the line has nothing that the sender wrote.
func (rc *Receiver) report(ctx context.Context, v *delivery) {
	v.Answered = time.Now()
	v.Duration = v.Answered.Sub(v.began)
	v.Repeated = rc.repeated(v)
	if rc.opt.OnObserve != nil {
		rc.opt.OnObserve(&v.Observation)
	}
	if v.unasked() || v.Repeated {
		return
	}
	level := slog.LevelInfo
	switch {
	case v.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	case v.Status >= http.StatusBadRequest:
		level = slog.LevelWarn
	}
	if !rc.opt.Logger.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 18),
		slog.String("outcome", string(v.Outcome)), slog.Int("status", v.Status),
		slog.String("source", v.Source), slog.Float64("duration_seconds", v.Duration.Seconds()))
	if v.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", v.RequestID))
	}
	if v.Reason != "" {
		attrs = append(attrs, slog.String("reason", v.Reason))
	}
	if v.Secret == 0 && v.Address.IsValid() {
		attrs = append(attrs, slog.String("remote", v.Address.String()))
	}
	attrs = append(attrs, v.explained()...)
	if v.ID != "" {
		attrs = append(attrs, slog.String("event_id", v.ID), slog.String("kind", v.Kind.String()), slog.Int("bytes", v.Bytes))
	}
	if v.Team != "" {
		attrs = append(attrs, slog.String("team", v.Team))
	}
	if v.event.Channel != "" {
		attrs = append(attrs, slog.String("channel", v.event.Channel))
	}
	attrs = append(attrs, v.attrs...)
	if v.Retry.Num > 0 {
		attrs = append(attrs, slog.Int("retry_num", v.Retry.Num), slog.String("retry_reason", v.Retry.Reason))
	}
	if v.Tries > 1 {
		attrs = append(attrs, slog.Int("tries", v.Tries))
	}
	r := slog.NewRecord(v.Answered, level, "webhook received", 0)
	r.AddAttrs(attrs...)
	_ = rc.opt.Logger.Handler().Handle(ctx, r)
}
