package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
)

// A Publisher stores events. A [queue.Queue] is one; its Publish states the contract.
type Publisher interface {
	Publish(ctx context.Context, e event.Event) (queue.Receipt, error)
}

// The defaults of Options.
const (
	// DefaultMaxBodyBytes is far above what Slack sends; Slack documents no maximum.
	DefaultMaxBodyBytes = 1 << 20
	// DefaultBodyBudget lets 8 of the largest bodies be read at once, and thousands of usual ones.
	DefaultBodyBudget = 8 << 20
	// DefaultPublishTries is how often a publish is tried in all.
	DefaultPublishTries = 3
	// DefaultPublishTimeout leaves a second of Slack's three for the network.
	DefaultPublishTimeout = 2 * time.Second
	// DefaultMaxInFlight is far above what a store can keep waiting within the deadline.
	DefaultMaxInFlight = 2048
	// DefaultBodyGrace and DefaultMinBodyRate let a body of a MiB take 21 seconds.
	DefaultBodyGrace   = 5 * time.Second
	DefaultMinBodyRate = 64 << 10
	// DefaultRefusalDelay costs an honest sender with a wrong secret nothing that matters.
	DefaultRefusalDelay = 100 * time.Millisecond
)

// Options configure a Receiver.
type Options struct {
	// Publisher is required. Where it has the Get of a [queue.Queue], that is asked too
	// before an event is published whose sender signs no timestamp.
	Publisher Publisher
	// SlackSecrets are Slack's signing secrets that are valid now. Without one
	// /slack/events is not registered.
	SlackSecrets []string
	// Direct says that events come by Deliver too, so that no secret is required.
	Direct bool
	// Tolerance bounds how far a signed timestamp may be from now; 0 means 5 minutes.
	Tolerance time.Duration
	// Sources are the other senders, each with its route /events/{name}.
	Sources []Source
	// ReceiptSecrets are the secrets of delivery receipts. Without one /webhooks is not
	// registered.
	ReceiptSecrets []string
	// ReceiptOutput is where each accepted receipt is printed, a line each; nil prints
	// nothing. A failed write is ignored: the receipt is stored.
	ReceiptOutput io.Writer

	// MaxBodyBytes bounds one body; 0 means DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// BodyBudget bounds the bytes of all bodies that are being read or published; 0
	// means DefaultBodyBudget. It has to hold one body of MaxBodyBytes.
	BodyBudget int64
	// BodyGrace and MinBodyRate say how slowly a body above 8 KiB, or of unknown length,
	// may come: within BodyGrace and as long as it takes at MinBodyRate bytes a second. 0
	// means DefaultBodyGrace and DefaultMinBodyRate. A shorter one has http.Server's
	// ReadTimeout.
	BodyGrace   time.Duration
	MinBodyRate int64
	// MaxInFlight bounds the requests that are served at once; 0 means
	// DefaultMaxInFlight. Strangers may be half of them.
	MaxInFlight int
	// Limiter holds back addresses that keep failing verification, and tells strangers
	// from senders that are known, for whom room is kept. nil knows everybody.
	Limiter *limiter.Limiter
	// RefusalDelay is how long a refusal waits that goes to an address which keeps failing,
	// or to a stranger when the server is busy; 0 means DefaultRefusalDelay. An eighth of
	// MaxInFlight may wait at once, beside those that are served; others are refused at once.
	RefusalDelay time.Duration
	// Address finds the address that a request came from, as behind a proxy; nil takes
	// the connection's.
	Address func(*http.Request) netip.Addr
	// PublishTries is how often a publish that failed for a passing reason is tried in
	// all; 0 means DefaultPublishTries, 1 tries once.
	PublishTries int
	// PublishTimeout bounds all tries of one event together; 0 means DefaultPublishTimeout.
	PublishTimeout time.Duration

	// Answers say what interactions are answered with; nil answers nothing to all.
	Answers *Answers
	// AnswerTimeout bounds an answer, counted from the request's beginning; 0 means
	// DefaultAnswerTimeout.
	AnswerTimeout time.Duration

	// Logger gets one line a request; nil logs nothing.
	Logger *slog.Logger
	// Observe is told of every finished request, before the next one of its connection
	// begins; nil tells nobody. It is called concurrently, must return at once, and must
	// keep no pointer to what it is given.
	Observe func(*Observation)
	// Now is the clock of timestamps and signatures; nil means time.Now.
	Now func() time.Time
}

// withDefaults checks the options and fills in what is left out.
func (o Options) withDefaults() (Options, error) {
	if o.Publisher == nil {
		return o, errors.New("webhook: Publisher is required")
	}
	if min(o.MaxBodyBytes, o.BodyBudget, int64(o.PublishTries), int64(o.PublishTimeout), int64(o.AnswerTimeout), int64(o.BodyGrace), o.MinBodyRate, int64(o.MaxInFlight), int64(o.RefusalDelay)) < 0 {
		return o, errors.New("webhook: MaxBodyBytes, BodyBudget, PublishTries, PublishTimeout, AnswerTimeout, BodyGrace, MinBodyRate, MaxInFlight and RefusalDelay must not be negative")
	}
	setDefault(&o.MaxBodyBytes, DefaultMaxBodyBytes)
	setDefault(&o.BodyBudget, max(DefaultBodyBudget, o.MaxBodyBytes))
	setDefault(&o.MaxInFlight, DefaultMaxInFlight)
	setDefault(&o.BodyGrace, DefaultBodyGrace)
	setDefault(&o.MinBodyRate, DefaultMinBodyRate)
	setDefault(&o.RefusalDelay, DefaultRefusalDelay)
	setDefault(&o.PublishTries, DefaultPublishTries)
	setDefault(&o.PublishTimeout, DefaultPublishTimeout)
	setDefault(&o.AnswerTimeout, DefaultAnswerTimeout)
	if o.BodyBudget < o.MaxBodyBytes {
		return o, fmt.Errorf("webhook: BodyBudget (%d) must hold one body of MaxBodyBytes (%d)", o.BodyBudget, o.MaxBodyBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Address == nil {
		o.Address = connectionAddress
	}
	return o, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
