package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Queue is what a Runner needs of a [queue.Queue].
type Queue interface {
	Consume(ctx context.Context, g queue.Group, h queue.Handler) error
	DropGroup(ctx context.Context, group string) error
	Stats(ctx context.Context) (queue.Stats, error)
}

// Options configure a Runner.
type Options struct {
	// Queue is required.
	Queue Queue
	// Group holds what every rule's group has unless the rule says otherwise: Workers,
	// Drain, Policy.
	Group queue.Group
	// Poster posts to Slack; nil refuses rules that do.
	Poster Poster
	// Self returns who our bot is, and waits until that is known or ctx is done; nil
	// means that there is no bot.
	Self func(ctx context.Context) (Self, error)
	// Assistant reports whether a tool wrote the message of an event in a person's name: no rule acts on
	// it, whatever the rule says. It may wait; when it fails the event is tried again. nil means that there
	// are no such tools.
	Assistant func(ctx context.Context, e *event.Event) (bool, error)
	// Exclusive says that no other process works on the queue, so that the groups of
	// rules that no longer exist may be dropped at the start as well.
	Exclusive bool
	// Logger receives what an operator should know; nil logs nothing.
	Logger *slog.Logger
	// Patience is for how long the events of a rule wait whose target refuses, before they
	// become dead letters; 0 means a day.
	Patience time.Duration
	// Backlog is how many events may wait for such a rule; those beyond become dead letters,
	// the oldest first. 0 is no bound. No more may wait either than take a tenth of the bytes that the
	// queue may have, where that is known.
	Backlog int64
	// Longest returns how many bytes an event may have; nil is not known.
	Longest func() int64
	// OnAttempt is called after each attempt, concurrently, and must return at once; nil
	// calls nothing.
	OnAttempt func(Observation)
	// OnBreaker is called when the breaker of a rule opens (true) or closes (false); nil
	// calls nothing.
	OnBreaker func(rule string, open bool)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DefaultPatience is how long events wait for a target that refuses.
const DefaultPatience = 24 * time.Hour

// An Observation is one attempt of a rule at an event that it matched.
type Observation struct {
	Rule, Group, Action string
	// Source and ID are those of the event.
	Source, ID string
	Attempt    int
	// Err is nil when the rule was done.
	Err      error
	Duration time.Duration
}

// tools are what the actions of a Runner share.
type tools struct {
	poster Poster
	log    *slog.Logger
	now    func() time.Time
}

// A Runner works the events with a set of rules that can be replaced while it runs. It
// is safe for concurrent use.
type Runner struct {
	opt   Options
	tools tools

	mu      sync.Mutex // held while a set is replaced
	rules   []*Rule
	running map[string]*running // by name; guarded by mu
	gates   gates
	targets targets
	life    context.Context //nolint:containedctx // Run's, for rules that come later
	wg      sync.WaitGroup
}

// running is a rule that is being worked.
type running struct {
	rule   *Rule
	cancel context.CancelFunc
	done   chan struct{}
}

// NewRunner returns a Runner with its first rules. It fails when a rule needs what the
// options do not have.
func NewRunner(o Options, rules []*Rule) (*Runner, error) {
	if o.Queue == nil {
		return nil, errors.New("rule: Queue is required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	r := &Runner{opt: o, running: map[string]*running{}, tools: tools{poster: o.Poster, log: o.Logger, now: o.Now}}
	if err := r.Check(rules); err != nil {
		return nil, err
	}
	r.rules = rules
	return r, nil
}

// Check reports whether the rules could be worked here.
func (r *Runner) Check(rules []*Rule) error {
	var errs []error
	for _, one := range rules {
		a, err := one.act(r.tools)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %s (line %d): %w", one.Name(), one.spec.line, err))
			continue
		}
		release(a)
	}
	return errors.Join(errs...)
}

func release(a action) {
	if c, ok := a.(interface{ close() }); ok {
		c.close()
	}
}

// Rules returns the set that is in force.
func (r *Runner) Rules() []*Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rules)
}

// Run works the rules until ctx is done and those handlers that run have ended; then it
// returns nil. It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	r.mu.Lock()
	since := r.opt.Now()
	r.life = ctx
	rules := r.rules
	for _, one := range rules {
		r.start(ctx, one, since)
	}
	r.mu.Unlock()
	r.dropOrphans(ctx, rules)
	<-ctx.Done()
	r.mu.Lock() // no set is being replaced any more, and none will be
	defer r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// A Change lists the names of rules by what Replace has done with them.
type Change struct{ Added, Changed, Removed, Kept []string }

// Replace puts another set of rules in force and returns when it is in force. Rules that
// are the same go on undisturbed; a changed rule has ended its running attempts; the group
// of a removed rule is dropped. When one of the rules cannot be worked, Replace returns an
// error and changes nothing.
func (r *Runner) Replace(ctx context.Context, rules []*Rule) (Change, error) {
	if err := r.Check(rules); err != nil {
		return Change{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life == nil || r.life.Err() != nil {
		return Change{}, errors.New("rule: the runner is not running")
	}
	var c Change
	since := r.opt.Now()
	wanted := map[string]*Rule{}
	for _, one := range rules {
		wanted[one.Name()] = one
	}
	for name, old := range r.running {
		if wanted[name] == nil {
			c.Removed = append(c.Removed, name)
			r.stop(name, old)
			r.dropUnless(ctx, old.rule.Group(), rules)
		}
	}
	for _, one := range rules {
		name := one.Name()
		old := r.running[name]
		switch {
		case old == nil:
			c.Added = append(c.Added, name)
		case old.rule.fingerprint == one.fingerprint:
			c.Kept = append(c.Kept, name)
			continue
		default:
			c.Changed = append(c.Changed, name)
			r.stop(name, old)
			r.dropUnless(ctx, old.rule.Group(), rules)
		}
		r.start(r.life, one, since) //nolint:contextcheck // a rule lives as long as Run
	}
	r.rules = rules
	slices.Sort(c.Removed)
	return c, nil
}

// start works a rule in a goroutine of its own. Requires r.mu.
func (r *Runner) start(ctx context.Context, one *Rule, since time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	run := &running{rule: one, cancel: cancel, done: make(chan struct{})}
	r.running[one.Name()] = run
	r.wg.Go(func() {
		defer close(run.done)
		r.work(ctx, one, since)
	})
}

// stop ends a rule's work and waits until its handlers have ended. Requires r.mu.
func (r *Runner) stop(name string, old *running) {
	old.cancel()
	<-old.done
	delete(r.running, name)
}

// dropUnless drops a group that none of the rules has.
func (r *Runner) dropUnless(ctx context.Context, group string, rules []*Rule) {
	if !slices.ContainsFunc(rules, func(one *Rule) bool { return one.Group() == group }) {
		r.drop(ctx, group)
	}
}

// drop removes the group of a rule that no longer exists, and logs what was left in it.
func (r *Runner) drop(ctx context.Context, group string) {
	var waiting, dead int64
	if stats, err := r.opt.Queue.Stats(ctx); err == nil {
		for _, g := range stats.Groups {
			if g.Name == group {
				waiting, dead = g.Waiting, g.Dead
			}
		}
	}
	err := r.opt.Queue.DropGroup(ctx, group)
	if errors.Is(err, queue.ErrNoGroup) {
		return
	}
	if err != nil {
		r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the group of a removed rule could not be dropped; it holds back retention until it is",
			slog.String("group", group), slog.String("error", err.Error()))
		return
	}
	r.opt.Logger.LogAttrs(ctx, slog.LevelInfo, "the group of a removed rule was dropped",
		slog.String("group", group), slog.Int64("waiting", waiting), slog.Int64("dead_letters", dead))
}

// dropOrphans looks for groups whose rules no longer exist when the runner starts. It
// drops them if no other process can have the rules, and logs them otherwise.
func (r *Runner) dropOrphans(ctx context.Context, rules []*Rule) {
	for _, group := range Orphans(ctx, r.opt.Queue, rules) {
		if r.opt.Exclusive {
			r.drop(ctx, group)
			continue
		}
		r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a group has no rule here and holds back retention; drop it if no other replica has the rule",
			slog.String("group", group), slog.String("remedy", "slack-webhook-server groups drop "+group))
	}
}

// Orphans lists the groups of rules that are not among rules. It returns none when the
// queue cannot be read.
func Orphans(ctx context.Context, q interface {
	Stats(ctx context.Context) (queue.Stats, error)
}, rules []*Rule,
) []string {
	stats, err := q.Stats(ctx)
	if err != nil {
		return nil
	}
	var list []string
	for _, g := range stats.Groups {
		known := slices.ContainsFunc(rules, func(one *Rule) bool { return one.Group() == g.Name })
		if len(g.Name) > len(groupPrefix) && g.Name[:len(groupPrefix)] == groupPrefix && !known {
			list = append(list, g.Name)
		}
	}
	return list
}

// The pauses before a group is consumed again after its consumer ended with an error.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// selfPatience is how long the answer who our bot is may take before that is logged.
	selfPatience = 5 * time.Second
)

// work consumes a rule's group until ctx is done, whatever happens to the queue.
func (r *Runner) work(ctx context.Context, one *Rule, since time.Time) {
	act, err := one.act(r.tools)
	if err != nil {
		return // Check has called it before and found no error
	}
	defer release(act)
	self, ok := r.self(ctx, one)
	if !ok {
		return
	}
	gate := r.gate(ctx, one)
	defer r.forget(gate)
	limit, leave := r.targets.join(one)
	defer leave()
	act = one.paced(act, limit, r.opt.Logger)
	h := &handler{r: r, rule: one, act: act, self: self, gate: gate, breaker: &breaker{b: one.breaker, now: r.opt.Now}}
	backoff := wait.Backoff{First: firstPause, Most: maxPause}
	for {
		err := r.opt.Queue.Consume(ctx, one.group(r.opt.Group, since), h.handle)
		if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		if errors.Is(err, queue.ErrNoGroup) {
			// An operator dropped the group, and with it what the rule has not seen yet.
			since = r.opt.Now()
		}
		if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
			since = r.opt.Now()
		}
		pause := backoff.Next()
		r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a rule stopped and will begin again",
			slog.String("rule", one.Name()), slog.Float64("in_seconds", pause.Seconds()), slog.Any("error", err))
		if wait.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// gates are those of the rules with a target.
type gates struct {
	mu  sync.Mutex
	all []*gate
}

// gate makes the gate of a rule; nil for one whose action has no target of its own.
func (r *Runner) gate(ctx context.Context, one *Rule) *gate {
	if one.spec.Forward == nil && one.spec.Post == nil && one.spec.Run == nil {
		return nil
	}
	g := &gate{
		rule: one.Name(), log: r.opt.Logger, now: r.opt.Now, stop: ctx.Done(), patience: one.patience(r.opt.Patience),
		waiting: func(ctx context.Context) (n, most int64, ok bool) {
			stats, err := r.opt.Queue.Stats(ctx)
			i := slices.IndexFunc(stats.Groups, func(g queue.GroupStats) bool { return g.Name == one.Group() })
			if err != nil || i < 0 {
				return 0, 0, false
			}
			return stats.Groups[i].Waiting, r.mayWait(&stats), true
		},
	}
	r.gates.mu.Lock()
	defer r.gates.mu.Unlock()
	r.gates.all = append(r.gates.all, g)
	return g
}

// bytesShare is which share of the bytes that a queue may have those events may take that wait for a rule.
const bytesShare = 10

// mayWait is how many events may wait for a rule whose target refuses.
func (r *Runner) mayWait(s *queue.Stats) int64 {
	most := int64(math.MaxInt64)
	if r.opt.Backlog > 0 {
		most = r.opt.Backlog
	}
	kept := s.Events
	for i := range s.Groups {
		// Most dead letters are of events that the log has no more, as those may be that wait.
		kept = max(kept, max(s.Events, s.Groups[i].Waiting)+s.Groups[i].Dead)
	}
	if s.MostBytes > 0 && s.Bytes > 0 && kept > 0 {
		perEvent := float64(s.Bytes) / float64(kept)
		if r.opt.Longest != nil {
			perEvent = min(perEvent, float64(r.opt.Longest())) // others may use the store, too, and what they keep is not ours
		}
		most = min(most, int64(min(float64(s.MostBytes)/bytesShare/perEvent, math.MaxInt32)))
	}
	return most
}

func (r *Runner) forget(g *gate) {
	r.gates.mu.Lock()
	defer r.gates.mu.Unlock()
	r.gates.all = slices.DeleteFunc(r.gates.all, func(one *gate) bool { return one == g })
}

// Refusing lists the rules whose targets refuse now.
func (r *Runner) Refusing() (list []Refusing) {
	r.gates.mu.Lock()
	defer r.gates.mu.Unlock()
	for _, g := range r.gates.all {
		if one, ok := g.refusing(); ok {
			list = append(list, one)
		}
	}
	return list
}

// self waits until it is known who our bot is, if the rule has to know it.
func (r *Runner) self(ctx context.Context, one *Rule) (Self, bool) {
	if r.opt.Self == nil || !one.needsSelf() {
		return Self{}, true
	}
	soon, cancel := context.WithTimeout(ctx, selfPatience)
	s, err := r.opt.Self(soon)
	cancel()
	if err == nil || ctx.Err() != nil {
		return s, err == nil
	}
	r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a rule waits until Slack has said who our bot is: otherwise it might answer itself; its events are kept",
		slog.String("rule", one.Name()))
	s, err = r.opt.Self(ctx)
	return s, err == nil
}

// A handler works the events of one rule.
type handler struct {
	r       *Runner
	rule    *Rule
	act     action
	self    Self
	breaker *breaker
	gate    *gate // nil for an action without a target of its own
}

// handle is one attempt at an event. It acts if the rule matches the event and the breaker
// is closed.
func (h *handler) handle(ctx context.Context, d queue.Delivery) error {
	e := &d.Event
	if !h.rule.match.match(e) || !h.rule.spec.IncludeSelf && h.self.did(e) {
		return nil
	}
	if is := h.r.opt.Assistant; is != nil {
		if written, err := is(ctx, e); written || err != nil {
			return err
		}
	}
	probe, err := h.gate.enter(ctx, e.Position)
	if err != nil {
		return err // The gate writes to the log what there is to say.
	}
	start := time.Now()
	allowed, change := true, ""
	if d.Attempt == 1 { // A retry was allowed before.
		allowed, change = h.breaker.allow(e)
	}
	if change != "" {
		h.notifyBreaker(ctx, change)
	}
	if allowed {
		err = h.rule.spec.again(d.Attempt, h.gate.leave(ctx, probe, e, h.act.do(ctx, d)))
	} else {
		h.gate.release(probe)
		err = queue.Permanent(&TrippedError{Rule: h.rule.spec.Name, Breaker: h.rule.breaker})
	}
	took := time.Since(start)
	if h.r.opt.OnAttempt != nil {
		h.r.opt.OnAttempt(Observation{Rule: h.rule.spec.Name, Group: h.rule.Group(), Action: h.rule.Action(), Source: e.Source, ID: e.ID, Attempt: d.Attempt, Err: err, Duration: took})
	}
	if _, held := queue.Postponed(err); held {
		h.breaker.undo(&d)
		return err // As above.
	}
	attrs := []slog.Attr{
		slog.String("rule", h.rule.spec.Name), slog.String("action", h.rule.Action()), slog.String("source", e.Source),
		slog.String("event_id", e.ID), slog.Int("attempt", d.Attempt), slog.Float64("duration_seconds", took.Seconds()),
	}
	if err == nil {
		h.r.opt.Logger.LogAttrs(ctx, slog.LevelDebug, "rule acted", attrs...)
		return nil
	}
	h.r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "rule did not act", append(attrs, slog.Any("error", err))...)
	return err
}

// notifyBreaker reports that the breaker opened or closed.
func (h *handler) notifyBreaker(ctx context.Context, change string) {
	if h.r.opt.OnBreaker != nil {
		h.r.opt.OnBreaker(h.rule.spec.Name, change == opened)
	}
	if change == closed {
		h.r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a rule's breaker is closed again", slog.String("rule", h.rule.spec.Name))
		return
	}
	b := h.rule.breaker
	h.r.opt.Logger.LogAttrs(ctx, slog.LevelError, "a rule's breaker opened: it acted too often, perhaps in a loop with another bot; what comes now is a dead letter",
		slog.String("rule", h.rule.spec.Name), slog.Int("limit", b.Limit), slog.Float64("within_seconds", b.Within.Seconds()), slog.Float64("pause_seconds", b.Pause.Seconds()))
}
