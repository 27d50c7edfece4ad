package webhook

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/signature"
)

// SlackPath is where Slack posts events, slash commands and interactions.
const SlackPath = "/slack/events"

// RequestIDHeader names a request in the log. Whoever mounts the Receiver has made sure
// that the value is harmless.
const RequestIDHeader = "X-Request-Id"

// A Receiver is the http.Handler of all routes that senders post to. It routes by the
// request's path, so it can be mounted on any mux under these very paths. It is safe
// for concurrent use.
type Receiver struct {
	opt       Options
	bodies    *bodies
	delay     delay                // of refusals
	endpoints map[string]*endpoint // by path
	direct    endpoint             // of what comes by Deliver
	inFlight  atomic.Int64         // requests
}

// An endpoint is one route: who may post there, and how it is read and answered.
type endpoint struct {
	source   string
	verifier *signature.Verifier
	// strictMedia refuses what says to be neither JSON nor a form.
	strictMedia bool
	// probe answers requests that carry no signature at all; nil has none to answer.
	probe func(rc *Receiver, r *http.Request) bool
	// decode reads a verified body.
	decode func(in incoming) decoded
	// lookBack asks the store, before it publishes, whether it keeps the event: for
	// senders whose signature has no timestamp, a copy may come at any time.
	lookBack bool
	// unauthorized and accepted are the bodies of a 401 and a 200; nil means the table's.
	unauthorized, accepted []byte
}

// incoming is a verified request, before it is read.
type incoming struct {
	header http.Header
	media  media
	claim  *signature.Claim
	body   []byte
}

// decoded is what an endpoint made of a request. Unless outcome is empty the request
// ends there and nothing is published.
type decoded struct {
	event   event.Event
	outcome Outcome
	reason  string
	reply   []byte
	// interactive says that Slack reads the body of the answer.
	interactive bool
	// after is called when the event was stored by this very request.
	after func()
	// attrs are added to the request's log line.
	attrs []slog.Attr
}

// New returns a Receiver. It fails when an option is wrong, or when no secret is given
// at all and nothing comes by Deliver: then nothing could ever be accepted.
func New(o Options) (*Receiver, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	rc := &Receiver{
		opt:       o,
		bodies:    newBodies(o),
		delay:     delay{wait: o.RefusalDelay, most: max(1, int64(o.MaxInFlight)/delayedShare)},
		endpoints: map[string]*endpoint{},
		direct:    endpoint{source: event.SourceSlack},
	}
	if err := rc.register(); err != nil {
		return nil, err
	}
	return rc, nil
}

// Paths lists the registered routes, sorted.
func (rc *Receiver) Paths() []string {
	var paths []string
	for p := range rc.endpoints {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// InFlight returns how many requests are being served; those that only wait to be refused
// do not count.
func (rc *Receiver) InFlight() int64 { return rc.inFlight.Load() }

// Delayed returns how many refusals wait to be given.
func (rc *Receiver) Delayed() int64 { return rc.delay.n.Load() }

// BytesInFlight returns how much of the body budget is in use.
func (rc *Receiver) BytesInFlight() int64 { return rc.bodies.used.Load() }

// ServeHTTP takes one delivery.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{endpoint: rc.endpoints[r.URL.Path], began: time.Now()}
	v.Outcome = rc.serve(v, w, r)
	if failing := rc.remember(v); v.unwelcome(failing) {
		rc.delay.hold(r.Context())
	}
	v.Status = answer(w, v.Outcome, v.reply)
	if id := r.Header[RequestIDHeader]; len(id) > 0 {
		v.RequestID = id[0]
	}
	rc.report(r.Context(), v)
}

// serve is receive, counted.
func (rc *Receiver) serve(v *visit, w http.ResponseWriter, r *http.Request) Outcome {
	rc.inFlight.Add(1)
	defer rc.inFlight.Add(-1)
	return rc.receive(v, w, r)
}

// A visit is one request on its way through the pipeline.
type visit struct {
	Observation
	endpoint *endpoint
	began    time.Time
	from     sender
	claim    signature.Claim
	reply    []byte // in place of the outcome's own; nil keeps that
	// For the log only: where it happened, and what the endpoint adds.
	channel string
	attrs   []slog.Attr
}

// at is the clock of timestamps for a reading of the clock of durations.
func (rc *Receiver) at(now time.Time) time.Time {
	if rc.opt.Now == nil {
		return now
	}
	return rc.opt.Now()
}

// end notes how a request ended.
func (v *visit) end(o Outcome, reason string) Outcome {
	v.Reason = reason
	return o
}

// receive is the pipeline up to the body.
func (rc *Receiver) receive(v *visit, w http.ResponseWriter, r *http.Request) Outcome {
	ep := v.endpoint
	if ep == nil {
		return Unregistered
	}
	v.Source = ep.source
	if r.Method != http.MethodPost {
		return WrongMethod
	}
	v.from = rc.sender(r, v.began)
	v.Address = v.from.address
	switch {
	case v.from.standing == limiter.HeldBack:
		return Limited
	case rc.crowded(v.from):
		return v.end(Busy, "requests")
	}
	var err error
	now := rc.at(v.began)
	v.claim, err = ep.verifier.Open(r.Header, now)
	if v.claim.At != 0 {
		v.Skew = now.Sub(time.Unix(v.claim.At, 0))
	}
	if err != nil {
		if ep.probe != nil && ep.probe(rc, r) {
			return SSLCheck
		}
		v.reply = ep.unauthorized
		return v.end(refusal(err))
	}
	m := mediaOf(r.Header)
	if m == otherMedia && ep.strictMedia || encoded(r.Header) {
		return WrongMediaType
	}
	b, err := rc.bodies.read(w, r, v.from)
	defer b.release()
	v.Bytes = len(b.bytes)
	if err != nil {
		return v.end(outcomeOf(err))
	}
	return rc.accept(v, incoming{header: r.Header, media: m, claim: &v.claim, body: b.bytes})
}

// accept is the pipeline from the body on.
func (rc *Receiver) accept(v *visit, in incoming) Outcome {
	ep := v.endpoint
	secret, err := ep.verifier.Verify(in.claim, in.body)
	if err != nil {
		v.reply = ep.unauthorized
		return v.end(refusal(err))
	}
	v.Secret = secret + 1
	d := ep.decode(in)
	if d.outcome != "" {
		v.reply = d.reply
		return v.end(d.outcome, d.reason)
	}
	return rc.store(v, d)
}

// store publishes what was decoded, and prepares the answer.
func (rc *Receiver) store(v *visit, d decoded) Outcome {
	now := time.Now()
	d.event.ReceivedAt = rc.at(now)
	v.Kind, v.ID, v.Retry, v.At = d.event.Kind, d.event.ID, d.event.Retry, d.event.At
	v.Team, v.channel, v.attrs = d.event.Team, d.event.Channel, d.attrs

	outcome := rc.publish(v, now, &d.event)
	if outcome == Accepted || outcome == Duplicate {
		v.reply = d.reply
		if v.reply == nil {
			v.reply = v.endpoint.accepted
		}
		if d.interactive {
			v.reply = rc.answer(v.began, &d.event)
		}
		if d.after != nil && outcome == Accepted {
			d.after()
		}
	}
	return outcome
}

// refusal names what was wrong with a signature.
func refusal(err error) (o Outcome, reason string) {
	switch {
	case errors.Is(err, signature.ErrStale):
		return Stale, ""
	case errors.Is(err, signature.ErrMissing):
		return BadSignature, "missing"
	case errors.Is(err, signature.ErrMalformed):
		return BadSignature, "malformed"
	}
	return BadSignature, "mismatch"
}
