// Package webhook is the receiving side: an http.Handler that takes what Slack and
// other senders post, verifies it, and answers 200 only after a [Publisher] has it.
//
// Every route has the same steps, in this order: method, signature headers and timestamp,
// media type, body and its limits, signature, envelope, publish. A request that fails a step does
// not reach the later ones, so that bytes without a good signature reach no decoder, no log and no
// store.
//
// Promises: 200 means published, or published before (a duplicate), or nothing to
// publish (a challenge, a probe). An event that cannot be stored now is answered with 503
// and Retry-After, never with 200 or 4xx; only one that is too long for the store is answered with
// 413, as it would be each time that it came. A signed event of an unknown kind is stored like
// any other. Every body is bounded and has to come in time, all of them share bounded memory, and
// a publish has a deadline. A body of at most 64 KiB whose headers are well-formed and fresh is
// verified whatever its address did before; longer ones, and those of unknown length, are refused
// unread while their address keeps failing verification at the route. What is not verified takes
// none of MaxInFlight, and is answered late and on a connection that is closed then.
//
// Not promised: an order among events, and a deadline for headers, which is http.Server's
// ReadHeaderTimeout.
package webhook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/signature"
)

// SlackPath is where Slack posts events, slash commands and interactions.
const SlackPath = "/slack/events"

// RequestIDHeader names a request in the log. The handler in front of the Receiver has to
// make sure that the value is harmless.
const RequestIDHeader = "X-Request-Id"

// A Receiver is the http.Handler of all routes that senders post to. It routes by the
// request's path, so it can be mounted on any mux under these very paths. It is safe
// for concurrent use.
type Receiver struct {
	opt        Options
	bodies     *bodies
	longest    atomic.Int64                         // body that one of the endpoints takes
	delay      delay                                // of refusals
	endpoints  atomic.Pointer[map[string]*endpoint] // by path; the map is not changed
	direct     endpoint                             // of the deliveries of Deliver
	inFlight   atomic.Int64                         // verified requests
	changing   sync.Mutex                           // held while endpoints are replaced
	rejections rejections
	fetch      signature.Fetcher // gets senders' public keys
	hashing    chan struct{}     // has an entry for each body above shortBody that is being hashed
}

// An endpoint is one route: who may post there, and how it is read and answered.
type endpoint struct {
	source   string
	verifier *signature.Verifier
	// strictMedia refuses a body whose media type is neither JSON nor a form.
	strictMedia bool
	// probe reports whether a request that is not signed is a probe, which is answered
	// all the same; nil means that there are none.
	probe func(r *http.Request) bool
	// decode reads a verified body into the delivery's event. An outcome that is not empty
	// ends the delivery: nothing is published.
	decode func(v *delivery) (o Outcome, reason string)
	// greet answers what a sender asks before it delivers, without a signature. An outcome that is
	// not empty ends the request; nil means that nothing is asked.
	greet func(v *delivery, w http.ResponseWriter, r *http.Request) (o Outcome, reason string)
	// lookBack asks the store, before it publishes, whether it keeps the event: when a
	// signature has no timestamp, a copy may come at any time.
	lookBack bool
	// unauthorized and accepted are the bodies of a 401 and a 200; nil means those of replies.
	unauthorized, accepted []byte
	// replyType is the media type of accepted; nil means JSON.
	replyType []string
	// rejected says what is kept of refused requests; "" keeps nothing.
	rejected string
	// limit is the longest body in bytes, and longer says what to do when one is longer; 0 and "" are those of all.
	limit  int64
	longer string
	// byGet takes deliveries by GET as well. What the decoder sees of them is the query, as a form.
	byGet bool
}

// A delivery is one request on its way through the steps of the Receiver, with what each
// step found out.
type delivery struct {
	Observation
	endpoint *endpoint
	began    time.Time

	request *http.Request
	header  http.Header
	limit   int64 // of the body
	media   media
	claim   signature.Claim
	body    []byte
	shown   string // what may be shown of a body that no secret signed
	// expected and came are what places found.
	expected, came []string

	// event is what decode made of the body, and interactive says that Slack reads the
	// body of the answer.
	event       event.Event
	interactive bool
	// onStored is called when this delivery stored the event; nil is not called.
	onStored func()
	// attrs are added to the log line.
	attrs  []slog.Attr
	remedy string // what the store says of an event that is too long for it

	reply     []byte   // the body of the answer; nil means that of replies
	replyType []string // its media type; nil means JSON
	noContent bool     // the answer to what succeeded is 204
}

// New returns a Receiver. It fails when an option is wrong, or when no secret is given
// at all and no event comes by Deliver: such a Receiver could accept nothing.
func New(o Options) (*Receiver, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	rc := &Receiver{
		opt:     o,
		bodies:  newBodies(o),
		delay:   delay{wait: o.RefusalDelay},
		hashing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		direct:  endpoint{source: event.SourceSlack},
	}
	if rc.fetch, err = rc.fetcher(); err != nil {
		return nil, err
	}
	if err := rc.register(); err != nil {
		return nil, err
	}
	return rc, nil
}

// Paths lists the registered routes, sorted.
func (rc *Receiver) Paths() []string {
	var paths []string
	for p := range *rc.endpoints.Load() {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// InFlight returns how many verified requests are being stored and answered.
func (rc *Receiver) InFlight() int64 { return rc.inFlight.Load() }

// Delayed returns how many refusals wait for their delay to end.
func (rc *Receiver) Delayed() int64 { return rc.delay.n.Load() }

// LongestBody returns how long a body one of the routes takes, in bytes.
func (rc *Receiver) LongestBody() int64 { return rc.longest.Load() }

// BytesInFlight returns how much memory bodies have been granted.
func (rc *Receiver) BytesInFlight() int64 { return rc.bodies.inUse() }

// ServeHTTP takes one delivery: it is received, answered and reported.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &delivery{endpoint: (*rc.endpoints.Load())[r.URL.Path], began: time.Now(), request: r, header: r.Header, limit: rc.opt.MaxBodyBytes}
	v.Outcome, v.Reason = rc.receive(v, w, r)
	rc.remember(v)
	if v.refused() {
		rc.delay.hold(r.Context())
		w.Header()["Connection"] = closing
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(afterRefusal)) // Only a test's ResponseWriter has no deadlines.
	}
	v.Claimed = v.Secret == 0 && (v.Outcome == Limited || v.Outcome == Busy) // Its headers were good before its body was refused.
	v.Status = respond(w, v)
	if id := r.Header[RequestIDHeader]; len(id) > 0 {
		v.RequestID = id[0]
	}
	rc.report(r.Context(), v)
	rc.reject(v)
}

// receive takes a delivery from its headers into the store, and returns how it ended. The
// steps stand here in their order. A request that fails one meets none of the later ones.
func (rc *Receiver) receive(v *delivery, w http.ResponseWriter, r *http.Request) (o Outcome, reason string) {
	ep := v.endpoint
	v.Address = rc.opt.Address(r)
	if ep == nil {
		return Unregistered, ""
	}
	v.Source, v.limit = ep.source, cmp.Or(ep.limit, v.limit)
	if o, reason = ep.greeted(v, w, r); o != "" {
		return o, reason
	}

	// Headers: what the signature claims and when it was made, then the media type.
	var err error
	now := rc.opt.Now()
	v.claim, err = ep.verifier.Open(r, now)
	if v.claim.At != 0 {
		v.Skew = now.Sub(time.Unix(v.claim.At, 0))
	}
	if err != nil && ep.probe != nil && ep.probe(r) {
		return SSLCheck, ""
	}
	if err != nil {
		return v.refuse(err)
	}
	var compressed bool
	v.media, compressed = mediaOf(r.Header)
	if v.media == otherMedia && ep.strictMedia || compressed {
		return WrongMediaType, ""
	}

	// Body: it is read within its bounds.
	body, release, err := rc.read(v, w, r)
	defer release()
	v.Bytes = len(body)
	if err != nil {
		return outcomeOf(err)
	}
	v.body = body

	// Signature: one of the secrets has signed the body.
	secret, err := rc.verify(v)
	if err != nil {
		v.show(body)
		return v.refuse(err)
	}
	v.Secret = secret + 1
	if rc.opt.OnVerified != nil {
		defer rc.opt.OnVerified(r)()
	}

	// Limit: not all verified requests are served at once.
	defer rc.inFlight.Add(-1)
	if rc.inFlight.Add(1) > int64(rc.opt.MaxInFlight) {
		return Busy, "requests"
	}

	// Envelope: the body becomes an event, and the event is stored.
	if o, reason = ep.decoded(v, r); o != "" {
		return o, reason
	}
	return rc.publish(v)
}

// verify checks a body's signature. Longer bodies take turns, so that shorter ones, which are not
// asked to wait, find a processor. The turns come soon: all memory of bodies is hashed within a
// tenth of a second.
func (rc *Receiver) verify(v *delivery) (secret int, err error) {
	if len(v.body) > shortBody {
		rc.hashing <- struct{}{}
		defer func() { <-rc.hashing }()
	}
	return v.endpoint.verifier.Verify(&v.claim, v.body)
}

// decoded makes the event of a verified delivery. By GET it says in the query what others say in a body.
func (ep *endpoint) decoded(v *delivery, r *http.Request) (o Outcome, reason string) {
	if r.Method == http.MethodGet {
		v.body = []byte(r.URL.RawQuery)
	}
	return ep.decode(v)
}

// greeted answers what is no delivery: what a sender asks before it delivers, and other methods
// than POST.
func (ep *endpoint) greeted(v *delivery, w http.ResponseWriter, r *http.Request) (o Outcome, reason string) {
	if ep.greet != nil {
		if o, reason = ep.greet(v, w, r); o != "" {
			return o, reason
		}
	}
	if r.Method != http.MethodPost && (r.Method != http.MethodGet || !ep.byGet) {
		return WrongMethod, ""
	}
	return "", ""
}

// refuse ends a request whose signature is not good, or cannot be judged.
func (v *delivery) refuse(err error) (o Outcome, reason string) {
	v.reply = v.endpoint.unauthorized
	switch {
	case errors.Is(err, signature.ErrUnavailable):
		v.reply = problem(err.Error(), "send it again later")
		return Unavailable, "keys"
	case errors.Is(err, signature.ErrStale):
		return Stale, ""
	case errors.Is(err, signature.ErrMissing):
		return BadSignature, "missing"
	case errors.Is(err, signature.ErrMalformed):
		return BadSignature, "malformed"
	}
	return BadSignature, "mismatch"
}

// media is the type that a request gives to its body.
type media uint8

const (
	otherMedia media = iota
	jsonMedia
	formMedia
)

// mediaOf reads Content-Type, of which parameters and case do not matter, and whether the body
// is compressed. No sender that we know compresses, and the bytes that are signed would have
// to be unpacked before they could be read.
func mediaOf(h http.Header) (m media, compressed bool) {
	compressed = slices.ContainsFunc(h["Content-Encoding"], func(v string) bool {
		return v != "" && !strings.EqualFold(v, "identity")
	})
	types := h["Content-Type"]
	if len(types) != 1 {
		return otherMedia, compressed
	}
	t, _, _ := strings.Cut(types[0], ";")
	switch t = strings.TrimSpace(t); {
	case strings.EqualFold(t, "application/json"):
		return jsonMedia, compressed
	case strings.EqualFold(t, "application/x-www-form-urlencoded"):
		return formMedia, compressed
	}
	return otherMedia, compressed
}

// illFormed ends a delivery whose body cannot be read. The reason is one of few words.
func (v *delivery) illFormed(err error) (o Outcome, reason string) {
	v.reply = problem("ill-formed body", err.Error())
	switch {
	case errors.Is(err, event.ErrEmpty):
		reason = "empty"
	case errors.Is(err, event.ErrNotUTF8):
		reason = "not_utf8"
	case errors.Is(err, event.ErrNotObject):
		reason = "not_object"
	case errors.Is(err, event.ErrTooDeep):
		reason = "too_deep"
	default:
		reason = "not_json"
	}
	return IllFormed, reason
}

// A Direct is a delivery that came over a connection which Slack has authenticated, as in
// Socket Mode: nothing is left to verify.
type Direct struct {
	// Body is the payload, a JSON object. The caller must not write to it after Deliver.
	Body []byte
	// Command says that Body is the fields of a slash command.
	Command bool
	// Interactive says that Slack reads an answer: an interaction or a slash command.
	Interactive bool
	// Retry is what Slack says about earlier deliveries of it.
	Retry event.Retry
	// RequestID names the delivery in the log.
	RequestID string
}

// Deliver takes one delivery through the steps that a posted one takes after its signature.
// With stored, the event is stored, now or by an earlier delivery, and the delivery may be
// acknowledged; answer is then the JSON that answers an interaction, or empty. Without
// stored it must not be acknowledged, so that Slack delivers again.
func (rc *Receiver) Deliver(ctx context.Context, d Direct) (answer []byte, stored bool) {
	v := &delivery{endpoint: &rc.direct, began: time.Now(), body: d.Body, interactive: d.Interactive}
	v.Source, v.Bytes, v.RequestID = event.SourceSlack, len(d.Body), d.RequestID
	v.Outcome, v.Reason = rc.take(v, d)
	v.Status = replies[v.Outcome].status
	rc.report(ctx, v)
	stored = v.Status == http.StatusOK
	if d.Interactive && stored {
		answer = v.reply
	}
	return answer, stored
}

func (rc *Receiver) take(v *delivery, d Direct) (o Outcome, reason string) {
	if v.limit = rc.opt.MaxBodyBytes; int64(len(d.Body)) > v.limit {
		return TooLarge, ""
	}
	decode := event.DecodeCommand
	if !d.Command {
		decode = func(b []byte) (event.Envelope, error) { return event.DecodeSlack(b, event.JSON) }
	}
	env, err := decode(d.Body)
	if err != nil {
		return v.illFormed(err)
	}
	v.event = env.Event
	v.event.Retry = d.Retry
	return rc.publish(v)
}

// firstPause is the pause before the second try of a publish.
const firstPause = 50 * time.Millisecond

// publish stores the event of a delivery and prepares the answer. It does not end when the
// sender hangs up: what was verified is stored all the same, and the sender's next delivery
// of it is the duplicate.
func (rc *Receiver) publish(v *delivery) (o Outcome, reason string) {
	start, e := time.Now(), &v.event
	e.ReceivedAt = rc.opt.Now()
	v.Kind, v.ID, v.Retry, v.At, v.Team = e.Kind, e.ID, e.Retry, e.At, e.Team
	ctx, cancel := context.WithTimeout(context.Background(), rc.opt.PublishTimeout)
	defer cancel()
	if v.endpoint.lookBack && rc.kept(ctx, e.Source, e.ID) || rc.filledBefore(ctx, e) {
		o = Duplicate
	} else {
		o, reason = rc.try(ctx, v)
		v.Publish = time.Since(start)
	}
	if o != Accepted && o != Duplicate {
		return o, reason
	}
	v.reply, v.replyType = v.endpoint.accepted, v.endpoint.replyType
	if v.interactive {
		v.reply = rc.answer(v.began, e)
	}
	if v.onStored != nil && o == Accepted {
		v.onStored()
	}
	return o, ""
}

// try publishes the event, several times while that may help and time is left.
func (rc *Receiver) try(ctx context.Context, v *delivery) (o Outcome, reason string) {
	backoff := wait.Backoff{First: firstPause, Most: rc.opt.PublishTimeout}
	for {
		v.Tries++
		receipt, err := rc.opt.Publisher.Publish(ctx, v.event)
		switch {
		case err == nil && receipt.Duplicate:
			return Duplicate, ""
		case err == nil:
			return Accepted, ""
		case errors.Is(err, queue.ErrFull):
			return Full, ""
		case errors.Is(err, queue.ErrTooLong):
			v.remedy, v.reply = err.Error(), tooLongToStore
			return TooLarge, "store"
		case errors.Is(err, queue.ErrClosed):
			return Unavailable, "closed"
		case errors.Is(err, context.DeadlineExceeded):
			return Unavailable, "timeout"
		case errors.Is(err, context.Canceled), v.Tries >= rc.opt.PublishTries, backoff.Sleep(ctx) != nil:
			return Unavailable, "store"
		}
	}
}

// kept reports whether the store still has the event. Publish recognises a copy as
// long as it remembers ids, which may be shorter than it keeps events.
func (rc *Receiver) kept(ctx context.Context, source, id string) bool {
	store, ok := rc.opt.Publisher.(interface {
		Get(ctx context.Context, source, id string) (event.Event, error)
	})
	if !ok {
		return false
	}
	_, err := store.Get(ctx, source, id)
	return err == nil
}

// late is the age from which on a message may have been stored before its delivery comes,
// because its gap was filled.
const late = time.Minute

// filledBefore reports whether a message that comes late is already stored under another
// id, because it was read from the channel's history meanwhile.
func (rc *Receiver) filledBefore(ctx context.Context, e *event.Event) bool {
	if e.Source != event.SourceSlack || e.Kind.Type != "message" && e.Kind.Type != "app_mention" ||
		e.At.IsZero() || e.ReceivedAt.Sub(e.At) < late && e.Retry.Num == 0 {
		return false
	}
	return rc.kept(ctx, e.Source, event.FilledID(e.Kind.Type, e.Channel, event.TS(e.At)))
}
