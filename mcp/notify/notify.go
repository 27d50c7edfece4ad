// Package notify posts events to those who subscribed to them with an address of their
// own: Standard Webhooks as the extension io.modelcontextprotocol/events has them.
//
// A subscription is a reader of the log with a place of its own: its cursor, the position
// behind the last event that was accepted. Nothing is copied for it. Its backlog is the
// log itself, so a receiver that hangs costs the others nothing, and what it missed is
// bounded by the log's retention and by [Options.Backlog]; what is lost that way it is
// posted as a gap.
//
// Subscriptions, cursors and attempts are kept in the state that replicas share (see
// [State]). Replicas divide the subscriptions among themselves by leases. Each
// subscription is worked by one process at a time, one event at a time, in the order of
// the log.
//
// It promises that an event is posted until it is accepted, refused for good (410, 413)
// or a dead letter, whatever process crashes meanwhile, and that a receiver which
// accepted an event is not sent it again unless a crash lay between. Nothing is sent to
// an address that did not answer a challenge, and none of the answers' text is shown to
// anyone: it could be used to read from inside the network.
package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path"
	"sync"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

// An Item is one message for a receiver.
type Item struct {
	// ID is the event's own; a receiver that sees it twice may drop the second.
	ID string
	// Body is what is posted.
	Body []byte
	// Cursor stands behind the event.
	Cursor string
}

// A Batch is what a [Follower] read; see events.Batch.
type Batch struct {
	Items        []Item
	From, Cursor string
	// Shown is From as the receiver is told it.
	Shown     string
	Truncated bool
}

// A Source is where a subscription's events come from. It is safe for concurrent use.
type Source interface {
	// Follow returns a follower of a type's events behind a cursor, as a caller sees them, which reads
	// at most limit of them at once.
	Follow(caller *access.Principal, name string, arguments []byte, cursor string, limit int) (Follower, error)
	// Now is the cursor behind the newest event, for a caller.
	Now(ctx context.Context, caller *access.Principal) (string, error)
}

// A Follower reads the events of one subscription, and is used by one goroutine.
type Follower interface {
	// Read returns what comes next, of events that were received at since or later. The
	// batch may be empty.
	Read(ctx context.Context, since time.Time) (Batch, error)
	// Ready returns a channel from which one can receive when Read may return something;
	// it has to be asked for anew after each Read.
	Ready() <-chan struct{}
	// Seek goes on behind a cursor.
	Seek(cursor string)
	// Close must be called once.
	Close()
}

// An Observation is one attempt at a delivery, for metrics.
type Observation struct {
	// Outcome is accepted, retried, skipped (the receiver wants it no more), dead (the last
	// attempt) or, of a challenge, verified or refused.
	Outcome  string
	Duration time.Duration
	// Subscription is its id, and Event that of the event; Event is "" of a challenge.
	Subscription, Event string
	// Why it failed; "" where it did not.
	Why string
}

// Options configure a Notifier. State, Source, Client and Caller are required.
type Options struct {
	State  state.Store
	Source Source
	Client delivery.Client
	// Exclusive says that no other process shares the State: there is no other to divide
	// the subscriptions with.
	Exclusive bool
	// Caller returns who has subscribed, by the name and the credential of the principal: a caller as it
	// would be authenticated now, or nil who may have subscriptions no more. An error says that it cannot be found
	// out now.
	Caller func(ctx context.Context, principal, credential string) (*access.Principal, error)
	// PeopleHosts are the hosts to which the events of people who have signed in may be posted, as
	// egress.Options writes hosts. None is nowhere.
	PeopleHosts []string
	// OwnIDs gives each message to a receiver an id of its own as webhook-id, instead of
	// the event's. It stays the same over retries.
	OwnIDs bool
	// TerminatedCode is the error's code in the message to a receiver whose subscription
	// was ended.
	TerminatedCode int

	// MaxPerPrincipal bounds the subscriptions of one principal, Max all of them; 100 and
	// 10,000 when zero.
	MaxPerPrincipal, Max int
	// TTL is how long a subscription lives that asks for nothing, and the longest one;
	// 24 h when zero.
	TTL time.Duration
	// Backlog is how old an event may be when it is delivered; 24 h when zero.
	Backlog time.Duration
	// ChallengesPerMinute bounds the challenges sent to one host; 120 when zero.
	ChallengesPerMinute int
	// Retry decides when a failed delivery is tried again; see Retry.
	Retry Retry
	// SuspendAfter is how many events in a row are given up before a subscription is
	// suspended until it is refreshed; 10 when zero.
	SuspendAfter int
	// Grace is what a running delivery gets to finish when the notifier stops; 5 s when zero.
	Grace time.Duration
	// OnObserve is called after each attempt; nil is not called.
	OnObserve func(Observation)
	// Logger receives what an operator should know; silent when nil.
	Logger *slog.Logger
}

const minTTL = time.Minute

func (o Options) complete() (Options, error) {
	if o.State == nil || o.Source == nil || o.Client == nil || o.Caller == nil {
		return o, errors.New("notify: State, Source, Client and Caller are required")
	}
	if o.OnObserve == nil {
		o.OnObserve = func(Observation) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MaxPerPrincipal = cmp.Or(o.MaxPerPrincipal, 100)
	o.Max = cmp.Or(o.Max, 10_000)
	o.TTL = max(cmp.Or(o.TTL, 24*time.Hour), minTTL)
	o.Backlog = cmp.Or(o.Backlog, 24*time.Hour)
	o.ChallengesPerMinute = cmp.Or(o.ChallengesPerMinute, 120)
	o.Retry = o.Retry.complete()
	o.SuspendAfter = cmp.Or(o.SuspendAfter, 10)
	o.Grace = cmp.Or(o.Grace, 5*time.Second)
	return o, nil
}

// A Retry says when a delivery that failed is tried again: after Base, and after four
// times as long with each further failure, up to Cap, and less up to a fifth at random.
// The first tries come quickly because a receiver may not yet know a subscription that
// was just granted. The zero value tries 8 times within a quarter of an hour.
type Retry struct {
	MaxAttempts int
	Base, Cap   time.Duration
}

func (r Retry) complete() Retry {
	r.MaxAttempts = cmp.Or(r.MaxAttempts, 8)
	r.Base = cmp.Or(r.Base, 500*time.Millisecond)
	r.Cap = cmp.Or(r.Cap, 5*time.Minute)
	return r
}

// delay is the pause after a failed attempt, counted from 1, with a random number below
// 1, and not before the receiver asked for. It reports false after the last one.
func (r Retry) delay(attempt int, asked time.Duration, random float64) (time.Duration, bool) {
	if attempt >= r.MaxAttempts {
		return 0, false
	}
	d := wait.Growth{First: r.Base, Most: r.Cap, Factor: 4, Jitter: 0.2}.After(attempt, random)
	return max(d, min(asked, r.Cap)), true
}

// A Notifier keeps subscriptions and delivers to them. It is safe for concurrent use.
type Notifier struct {
	opt        Options
	log        *slog.Logger
	challenges *allowance
	share      *share
	poked      chan struct{} // capacity 1: the subscriptions have changed

	mu      sync.Mutex
	all     map[string]*Subscription // by id, as last read
	runners map[string]*runner       // by id, those of this process
	ended   map[string]bool          // by id, those removed here since the last round began
}

// New returns a notifier; [Notifier.Run] brings it to life. Subscriptions can be granted
// before and without it, by a process that only answers.
func New(o Options) (*Notifier, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Notifier{
		opt: o, log: o.Logger, challenges: newAllowance(o.ChallengesPerMinute), share: newShare(o.State, o.Exclusive),
		poked: make(chan struct{}, 1), all: map[string]*Subscription{}, runners: map[string]*runner{}, ended: map[string]bool{},
	}, nil
}

const (
	// roundEvery is how often leases are renewed and subscriptions read again, whatever
	// changes were reported meanwhile.
	roundEvery = 5 * time.Second
	// roundLimit bounds what a round waits for the state.
	roundLimit = 3 * time.Second
	// roundPause keeps rounds apart where many subscriptions change at once.
	roundPause = 50 * time.Millisecond
)

// Run delivers until ctx ends; then it lets running deliveries finish, saves, and
// returns nil.
func (n *Notifier) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { n.watch(ctx) })
	defer n.stopAll(context.WithoutCancel(ctx))
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		if err := n.round(ctx); err != nil && ctx.Err() == nil {
			n.log.LogAttrs(ctx, slog.LevelWarn, "subscriptions were not read", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-n.poked:
			_ = wait.Sleep(ctx, roundPause) // the loop ends with ctx
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// poke asks for a round.
func (n *Notifier) poke() {
	select {
	case n.poked <- struct{}{}:
	default:
	}
}

// watch pokes when any process changes a subscription.
func (n *Notifier) watch(ctx context.Context) {
	for {
		err := n.opt.State.Watch(ctx, subscriptionKeys, func(state.Change) { n.poke() })
		if ctx.Err() != nil {
			return
		}
		n.log.LogAttrs(ctx, slog.LevelWarn, "subscriptions are not watched", slog.Any("error", err))
		if wait.Sleep(ctx, storePause) != nil {
			return
		}
	}
}

// round reads the subscriptions, takes this process's share of them, and lets the
// runners know.
func (n *Notifier) round(life context.Context) error {
	ctx, cancel := context.WithTimeout(life, roundLimit)
	defer cancel()
	n.mu.Lock()
	clear(n.ended)
	before := n.all
	n.mu.Unlock()
	entries, err := list(ctx, n.opt.State, subscriptionKeys)
	if err != nil {
		n.halt(n.share.lost())
		return err
	}
	all := make(map[string]*Subscription, len(entries))
	for _, entry := range entries {
		if s := n.valid(ctx, entry, before[path.Base(entry.Key)]); s != nil {
			all[s.ID] = s
		}
	}
	if err := n.share.round(ctx, len(all) > 0, n.halt); err != nil && ctx.Err() == nil {
		n.log.LogAttrs(ctx, slog.LevelWarn, "the share of subscriptions was not settled", slog.Any("error", err))
	}
	if life.Err() == nil {
		n.apply(life, all)
	}
	return nil
}

// valid returns the subscription of a row, as it was read before where the row is the same. It is nil for a row that cannot be
// read, and for a subscription that may not go on, which it ends.
func (n *Notifier) valid(ctx context.Context, entry state.Entry, before *Subscription) *Subscription {
	s := before
	if s == nil || s.version != entry.Version {
		var err error
		if s, err = decodeSubscription(entry); err != nil {
			n.log.LogAttrs(ctx, slog.LevelError, "a subscription cannot be read", slog.String("key", entry.Key), slog.Any("error", err))
			return nil
		}
	}
	if p, err := n.opt.Caller(ctx, s.Principal, s.Credential); p == nil && err == nil {
		n.evict(ctx, s, "the access was revoked")
		return nil
	}
	if !n.mayPost(s.Principal, s.URL) {
		n.evict(ctx, s, "PEOPLE_CALLBACK_HOSTS does not name its host")
		return nil
	}
	return s
}

// apply starts, updates and stops runners.
func (n *Notifier) apply(ctx context.Context, all map[string]*Subscription) {
	n.mu.Lock()
	for id := range n.ended {
		delete(all, id) // it was read before it was removed
	}
	n.all = all
	var gone []*runner
	for id, r := range n.runners {
		if s, ok := all[id]; !ok || !n.share.has(id) {
			gone = append(gone, r)
			delete(n.runners, id)
		} else if r.finished() {
			delete(n.runners, id) // it is begun anew below
		} else {
			r.update(s)
		}
	}
	for id, s := range all {
		if _, ok := n.runners[id]; !ok && n.share.has(id) {
			n.runners[id] = n.newRunner(ctx, s)
		}
	}
	n.mu.Unlock()
	stopRunners(gone)
}

// changed gives a subscription that was written here to its runner at once, if that is
// here, and asks for a round.
func (n *Notifier) changed(s *Subscription) {
	n.mu.Lock()
	delete(n.ended, s.ID)
	if r, ok := n.runners[s.ID]; ok {
		r.update(s)
	}
	n.mu.Unlock()
	n.poke()
}

// end stops the runner of a subscription that was removed here, if it is here: nothing
// new is posted from now on.
func (n *Notifier) end(id string) {
	n.mu.Lock()
	r, ok := n.runners[id]
	delete(n.runners, id)
	n.ended[id] = true
	n.mu.Unlock()
	if ok {
		r.ended.Store(true)
		r.cancel()
	}
	n.poke()
}

func (r *runner) finished() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// halt stops the runners of some shards and waits for them.
func (n *Notifier) halt(shards []int) {
	if len(shards) == 0 {
		return
	}
	n.mu.Lock()
	var gone []*runner
	for id, r := range n.runners {
		for _, shard := range shards {
			if shardOf(id) == shard {
				gone = append(gone, r)
				delete(n.runners, id)
			}
		}
	}
	n.mu.Unlock()
	stopRunners(gone)
}

func stopRunners(list []*runner) {
	for _, r := range list {
		r.cancel()
	}
	for _, r := range list {
		<-r.done
	}
}

// stopAll ends every delivery and gives the leases back.
func (n *Notifier) stopAll(ctx context.Context) {
	n.mu.Lock()
	list := make([]*runner, 0, len(n.runners))
	for _, r := range n.runners {
		list = append(list, r)
	}
	n.runners = map[string]*runner{}
	n.mu.Unlock()
	stopRunners(list)
	ctx, cancel := context.WithTimeout(ctx, n.opt.Grace)
	defer cancel()
	n.share.leave(ctx)
}

// known is how many subscriptions there are.
func (n *Notifier) known() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all)
}

// evict ends a subscription against its client's will, and notifies the receiver once.
func (n *Notifier) evict(ctx context.Context, s *Subscription, why string) {
	if err := n.opt.State.Delete(ctx, s.key().path(), ""); err != nil {
		if !errors.Is(err, state.ErrNotFound) {
			n.log.LogAttrs(ctx, slog.LevelWarn, "subscription was not removed", slog.String("subscription", s.ID), slog.Any("error", err))
		}
		return // another process was quicker, or it will be tried again
	}
	n.log.LogAttrs(ctx, slog.LevelInfo, "subscription removed", slog.String("subscription", s.ID), slog.String("principal", s.Principal), slog.String("reason", why))
	n.end(s.ID)
	n.forget(ctx, s.ID)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.opt.Grace)
		defer cancel()
		n.post(ctx, s, "msg_terminated_"+short(s.ID + s.CreatedAt.String())[:24], n.terminated(why)) // best effort
	}()
}
