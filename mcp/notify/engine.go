package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/state"
)

// An Engine keeps subscriptions and delivers to them. It is safe for concurrent use.
type Engine struct {
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

// New returns an engine; [Engine.Run] brings it to life. Subscriptions can be granted
// before and without it, by a process that only answers.
func New(o Options) (*Engine, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Engine{
		opt: o, log: o.Logger, challenges: newAllowance(o.ChallengesPerMinute), share: newShare(o.State, o.Exclusive),
		poked: make(chan struct{}, 1), all: map[string]*Subscription{}, runners: map[string]*runner{}, ended: map[string]bool{},
	}, nil
}

const (
	// roundEvery is how often leases are renewed and subscriptions read again, whatever
	// was told meanwhile.
	roundEvery = 5 * time.Second
	// roundLimit bounds what a round waits for the state.
	roundLimit = 3 * time.Second
	// roundPause keeps rounds apart where many subscriptions change at once.
	roundPause = 50 * time.Millisecond
)

// Run delivers until ctx ends; then it lets running deliveries finish, saves, and
// returns nil.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { e.watch(ctx) })
	defer e.stopAll(context.WithoutCancel(ctx))
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		if err := e.round(ctx); err != nil && ctx.Err() == nil {
			e.log.LogAttrs(ctx, slog.LevelWarn, "subscriptions were not read", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-e.poked:
			_ = wait.Sleep(ctx, roundPause) // the loop ends with ctx
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// poke asks for a round.
func (e *Engine) poke() {
	select {
	case e.poked <- struct{}{}:
	default:
	}
}

// watch pokes when any process changes a subscription.
func (e *Engine) watch(ctx context.Context) {
	for {
		err := e.opt.State.Watch(ctx, subscriptionKeys, func(state.Change) { e.poke() })
		if ctx.Err() != nil {
			return
		}
		e.log.LogAttrs(ctx, slog.LevelWarn, "subscriptions are not watched", slog.Any("error", err))
		if wait.Sleep(ctx, storePause) != nil {
			return
		}
	}
}

// round reads the subscriptions, takes this process's share of them, and lets the
// runners know.
func (e *Engine) round(life context.Context) error {
	ctx, cancel := context.WithTimeout(life, roundLimit)
	defer cancel()
	e.mu.Lock()
	clear(e.ended)
	e.mu.Unlock()
	entries, err := list(ctx, e.opt.State, subscriptionKeys)
	if err != nil {
		e.halt(e.share.lost())
		return err
	}
	all := make(map[string]*Subscription, len(entries))
	for _, entry := range entries {
		s, err := decodeSubscription(entry)
		if err != nil {
			e.log.LogAttrs(ctx, slog.LevelError, "a subscription cannot be read", slog.String("key", entry.Key), slog.Any("error", err))
			continue
		}
		if !e.opt.Valid(s.Principal, s.Credential) {
			e.evict(ctx, s, "the access was revoked")
			continue
		}
		all[s.ID] = s
	}
	if err := e.share.round(ctx, len(all) > 0, e.halt); err != nil && ctx.Err() == nil {
		e.log.LogAttrs(ctx, slog.LevelWarn, "the share of subscriptions was not settled", slog.Any("error", err))
	}
	if life.Err() == nil {
		e.apply(life, all)
	}
	return nil
}

// apply starts, updates and stops runners.
func (e *Engine) apply(ctx context.Context, all map[string]*Subscription) {
	e.mu.Lock()
	for id := range e.ended {
		delete(all, id) // it was read before it was removed
	}
	e.all = all
	var gone []*runner
	for id, r := range e.runners {
		if s, ok := all[id]; !ok || !e.share.has(id) {
			gone = append(gone, r)
			delete(e.runners, id)
		} else if r.finished() {
			delete(e.runners, id) // it is begun anew below
		} else {
			r.update(s)
		}
	}
	for id, s := range all {
		if _, ok := e.runners[id]; !ok && e.share.has(id) {
			e.runners[id] = e.newRunner(ctx, s)
		}
	}
	e.mu.Unlock()
	stopRunners(gone)
}

// tell gives a subscription that was written here to its runner at once, if that is
// here, and asks for a round.
func (e *Engine) tell(s *Subscription) {
	e.mu.Lock()
	delete(e.ended, s.ID)
	if r, ok := e.runners[s.ID]; ok {
		r.update(s)
	}
	e.mu.Unlock()
	e.poke()
}

// end stops the runner of a subscription that was removed here, if it is here: nothing
// new is posted from now on.
func (e *Engine) end(id string) {
	e.mu.Lock()
	r, ok := e.runners[id]
	delete(e.runners, id)
	e.ended[id] = true
	e.mu.Unlock()
	if ok {
		r.ended.Store(true)
		r.cancel()
	}
	e.poke()
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
func (e *Engine) halt(shards []int) {
	if len(shards) == 0 {
		return
	}
	e.mu.Lock()
	var gone []*runner
	for id, r := range e.runners {
		for _, shard := range shards {
			if shardOf(id) == shard {
				gone = append(gone, r)
				delete(e.runners, id)
			}
		}
	}
	e.mu.Unlock()
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
func (e *Engine) stopAll(ctx context.Context) {
	e.mu.Lock()
	list := make([]*runner, 0, len(e.runners))
	for _, r := range e.runners {
		list = append(list, r)
	}
	e.runners = map[string]*runner{}
	e.mu.Unlock()
	stopRunners(list)
	ctx, cancel := context.WithTimeout(ctx, e.opt.Grace)
	defer cancel()
	e.share.leave(ctx)
}

// known is how many subscriptions there are.
func (e *Engine) known() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all)
}

// evict ends a subscription against its client's will, and tells the receiver once.
func (e *Engine) evict(ctx context.Context, s *Subscription, why string) {
	if err := e.opt.State.Delete(ctx, s.key().path(), ""); err != nil {
		if !errors.Is(err, state.ErrNotFound) {
			e.log.LogAttrs(ctx, slog.LevelWarn, "subscription was not removed", slog.String("subscription", s.ID), slog.Any("error", err))
		}
		return // another process was quicker, or it will be tried again
	}
	e.log.LogAttrs(ctx, slog.LevelInfo, "subscription removed", slog.String("subscription", s.ID), slog.String("principal", s.Principal), slog.String("reason", why))
	e.end(s.ID)
	e.forget(ctx, s.ID)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.opt.Grace)
		defer cancel()
		e.post(ctx, s, "msg_terminated_"+short(s.ID + s.CreatedAt.String())[:24], e.terminated(why)) // best effort
	}()
}
