package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/limiter"
	"slackmcp/webhook/provider"
	"slackmcp/webhook/refusals"
	"slackmcp/webhook/signature"
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
	// DefaultRefusalDelay does not disturb an honest sender with a wrong secret.
	DefaultRefusalDelay = 100 * time.Millisecond
)

// Options configure a Receiver.
type Options struct {
	// Publisher is required. When it has the method Get of a [queue.Queue], that is called
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
	// PublicURL is where the world reaches the server, for senders that sign the address to which
	// they post.
	PublicURL string
	// Fetch gets the public keys of senders, and the addresses by which Amazon SNS has a
	// subscription confirmed; nil gets them by https from the public network.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// ReceiptSecrets are the secrets of delivery receipts. Without one /webhooks is not
	// registered.
	ReceiptSecrets []string
	// ReceiptProvider is the provider that sends the receipts: twilio, vonage or messagebird. Empty is
	// the documented sender.
	ReceiptProvider string
	// ReceiptOutput is where each accepted receipt is printed, a line each; nil prints
	// nothing. A failed write is ignored: the receipt is stored.
	ReceiptOutput io.Writer

	// MaxBodyBytes bounds one body, where its source has no limit of its own; 0 means DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// BodyBudget bounds the bytes of all bodies above 64 KiB, or of unknown length, that are
	// being read or published; 0 means DefaultBodyBudget, or what holds two of MaxBodyBytes. It has to hold one
	// body of MaxBodyBytes. While a source takes longer ones it is as much as holds two of those. Smaller bodies
	// share 16 MiB beside it.
	BodyBudget int64
	// BodyGrace and MinBodyRate say how slowly a body above 64 KiB, or of unknown length,
	// may come: within BodyGrace and as long as it takes at MinBodyRate bytes a second. 0
	// means DefaultBodyGrace and DefaultMinBodyRate. A smaller one has to be whole within 2 s of
	// its headers.
	BodyGrace   time.Duration
	MinBodyRate int64
	// MaxInFlight bounds the verified requests that are stored and answered at once; 0 means
	// DefaultMaxInFlight. What is not verified takes none of it.
	MaxInFlight int
	// Limiter counts the failures of each address at each route. Of an address that it holds
	// back no body above 64 KiB, or of unknown length, is read, and for known addresses a part of
	// BodyBudget is kept. nil takes every address for a known one.
	Limiter *limiter.Limiter
	// RefusalDelay is how long the answer to a request waits that is refused before it was
	// verified; 0 means DefaultRefusalDelay. At most 256 wait at the same time; further refusals do
	// not wait. The connection is closed after either.
	RefusalDelay time.Duration
	// Address finds the address that a request came from, as behind a proxy; nil takes
	// the connection's.
	Address func(*http.Request) netip.Addr
	// PublishTries is how often a publish that failed for a passing reason is tried in
	// all; 0 means DefaultPublishTries, 1 tries once.
	PublishTries int
	// PublishTimeout bounds all tries of one event together; 0 means DefaultPublishTimeout.
	PublishTimeout time.Duration

	// Answers makes the answers to interactions; nil gives each the empty answer.
	Answers *Answers
	// AnswerTimeout bounds an answer, counted from the request's beginning; 0 means
	// DefaultAnswerTimeout.
	AnswerTimeout time.Duration

	// Logger gets one line for each request, but for refused ones that are like one that it was told
	// within the last minute: those are counted by Refusals. nil logs nothing.
	Logger *slog.Logger
	// Refusals counts the refused requests that were not verified; nil makes one with Logger.
	Refusals *refusals.Counter
	// OnObserve is called with every finished request, before the next one of its
	// connection begins; nil is not called. It is called concurrently, must return at once,
	// and must not keep the pointer.
	OnObserve func(*Observation)
	// OnVerified is called with each posted request whose signature is good, before its event is
	// stored; done, which is not nil, is called when its answer is known. nil is not called.
	OnVerified func(*http.Request) (done func())
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
	setDefault(&o.BodyBudget, max(DefaultBodyBudget, budgetFor(o.MaxBodyBytes)))
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
	if o.Refusals == nil {
		o.Refusals = refusals.New(refusals.Options{Logger: o.Logger})
	}
	if o.Address == nil {
		o.Address = connectionAddress
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// register makes the routes that the options name.
func (rc *Receiver) register() error {
	endpoints := map[string]*endpoint{}
	if len(rc.opt.SlackSecrets) > 0 {
		v, err := rc.verifier(signature.SlackV0, rc.opt.SlackSecrets)
		if err != nil {
			return fmt.Errorf("webhook: SlackSecrets: %w", err)
		}
		endpoints[SlackPath] = slackEndpoint(v)
	}
	if err := rc.addSources(endpoints, rc.opt.Sources); err != nil {
		return err
	}
	if len(rc.opt.ReceiptSecrets) > 0 {
		ep, err := rc.receipts()
		if err != nil {
			return fmt.Errorf("webhook: ReceiptSecrets: %w", err)
		}
		endpoints[ReceiptPath] = ep
	}
	if len(endpoints) == 0 && !rc.opt.Direct {
		return errors.New("webhook: no secret is given: set SlackSecrets, Sources or ReceiptSecrets, or Direct where events come by Deliver")
	}
	rc.put(endpoints)
	return nil
}

// put puts routes in force, and makes room for their longest body.
func (rc *Receiver) put(endpoints map[string]*endpoint) {
	longest := rc.opt.MaxBodyBytes
	for _, ep := range endpoints {
		longest = max(longest, ep.limit)
	}
	budget := rc.opt.BodyBudget
	if longest > rc.opt.MaxBodyBytes {
		budget += budgetFor(longest)
	}
	rc.bodies.budget.Store(budget)
	rc.longest.Store(longest)
	rc.endpoints.Store(&endpoints)
}

// addSources adds the routes of sources.
func (rc *Receiver) addSources(endpoints map[string]*endpoint, sources []Source) error {
	for i, s := range sources {
		ep, err := rc.endpoint(s)
		if err != nil {
			return fmt.Errorf("webhook: Sources: number %d (%s): %w", i+1, s.Name, err)
		}
		if endpoints[SourcePath+s.Name] != nil {
			return fmt.Errorf("webhook: Sources: %q is named twice", s.Name)
		}
		endpoints[SourcePath+s.Name] = ep
	}
	return nil
}

// receipts makes the route of delivery receipts.
func (rc *Receiver) receipts() (*endpoint, error) {
	from := provider.Provider{Scheme: signature.Bearer}
	if rc.opt.ReceiptProvider != "" {
		var err error
		if from, err = provider.Find(rc.opt.ReceiptProvider); err != nil {
			return nil, err
		}
	}
	o := signature.Options{Scheme: from.Scheme, Secrets: rc.opt.ReceiptSecrets, Tolerance: rc.opt.Tolerance, Fetch: rc.fetch}
	if rc.opt.PublicURL != "" {
		o.URL = strings.TrimSuffix(rc.opt.PublicURL, "/") + ReceiptPath
	}
	v, err := signature.New(o)
	if err != nil {
		return nil, err
	}
	return receiptEndpoint(v, rc.opt.ReceiptOutput, from), nil
}

func (rc *Receiver) verifier(s signature.Scheme, secrets []string) (*signature.Verifier, error) {
	return signature.New(signature.Options{Scheme: s, Secrets: secrets, Tolerance: rc.opt.Tolerance})
}

// A Replacement is what senders sign with, and who they are, from now on.
type Replacement struct {
	// Slack are Slack's signing secrets, Receipts those of delivery receipts; nil leaves them as they are.
	Slack, Receipts []string
	// Sources are all other senders. One that is not among them any more is served no longer, unless
	// Keep says so of its name: then it stays as it is.
	Sources []Source
	Keep    func(source string) bool
}

// Replace replaces senders and secrets while the Receiver serves: no request that one of the old or
// the new secrets has signed is refused because of it, and new senders get their routes. With an error nothing is
// changed. The routes of Slack and of receipts cannot be added. It returns the names of the sources
// whose routes are new, and of those that are closed.
func (rc *Receiver) Replace(r Replacement) (opened, closed []string, err error) {
	rc.changing.Lock()
	defer rc.changing.Unlock()
	old := *rc.endpoints.Load()
	endpoints := map[string]*endpoint{}
	secrets := map[string][]string{}
	if r.Slack != nil {
		secrets[SlackPath] = r.Slack
	}
	if r.Receipts != nil {
		secrets[ReceiptPath] = r.Receipts
	}
	if err := errors.Join(rc.addSources(endpoints, r.Sources), checkSecrets(old, secrets)); err != nil {
		return nil, nil, err
	}
	for path, list := range secrets {
		if err := old[path].verifier.Replace(list); err != nil {
			return nil, nil, err // This does not happen: checkSecrets has just accepted them.
		}
	}
	for path := range endpoints {
		if old[path] == nil {
			opened = append(opened, strings.TrimPrefix(path, SourcePath))
		}
	}
	for path, ep := range old {
		name, other := strings.CutPrefix(path, SourcePath)
		switch {
		case endpoints[path] != nil:
		case !other, r.Keep != nil && r.Keep(name):
			endpoints[path] = ep
		default:
			closed = append(closed, name)
		}
	}
	slices.Sort(opened)
	slices.Sort(closed)
	rc.put(endpoints)
	return opened, closed, nil
}

// checkSecrets reports whether the routes of paths can have secrets.
func checkSecrets(endpoints map[string]*endpoint, byPath map[string][]string) error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		if ep := endpoints[path]; ep == nil {
			errs = append(errs, fmt.Errorf("webhook: %s is not served: it needs a restart", path))
		} else if err := ep.verifier.Check(byPath[path]); err != nil {
			errs = append(errs, fmt.Errorf("webhook: %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}
