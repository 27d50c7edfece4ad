package redis

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Consume works a group's events; see queue.Queue. While Redis is away it waits, and so
// do the outcomes of what its handlers finished meanwhile.
func (q *Store) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := q.life.Enter("consume"); err != nil {
		return err
	}
	defer q.life.Leave()
	defer q.notifier.join(ctx)()
	defer q.watch.Attend(g)()

	c := &consumer{q: q, g: g, keys: q.keys.group(g.Name), token: remote.NewToken()}
	if err := remote.Until(ctx, q.life, q.o.Logger, "group "+g.Name, func(ctx context.Context) error { return c.register(ctx, g.Start) }); err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	return consume.Run(ctx, g, h, c, consume.Options{Lease: q.o.Lease, Log: q.o.Logger, Life: q.life})
}

// A consumer is one call of Consume; it is the backend of a consume.Run.
type consumer struct {
	q     *Store
	g     queue.Group
	keys  groupKeys
	token string
	epoch atomic.Pointer[string] // the store in which the group was registered
}

// A lease is what a consumer holds on an event. The token distinguishes it from a lease that
// another consumer, or a later life of the dead letter, has on the same event.
type lease struct {
	seq   int64
	token string
}

// register makes the group unless it exists.
func (c *consumer) register(ctx context.Context, s queue.Start) error {
	kind, value, epoch, _ := startArgs(s)
	k := c.q.keys
	v, err := c.q.eval(ctx, registerScript, []string{k.meta, k.log, k.groups, c.keys.g}, c.g.Name, kind, value, epoch, eventlog.NewEpoch())
	if err != nil {
		return err
	}
	r := reply{list: v}
	ok, b := r.number(), eventlog.Bounds{Epoch: r.text(), Trimmed: r.number()}
	if r.err != nil {
		return fmt.Errorf("redis: %w", r.err)
	}
	if ok == 0 {
		return b.Expired()
	}
	c.epoch.Store(&b.Epoch)
	return nil
}

// Take implements consume.Backend.
func (c *consumer) Take(ctx context.Context, n int) ([]consume.Item[lease], error) {
	for ctx.Err() == nil {
		items, cursor, wait, err := c.take(ctx, n)
		if err != nil || len(items) > 0 {
			return items, err
		}
		c.q.notifier.wait(ctx, cursor, wait)
	}
	return nil, nil
}

// take asks for items once. Without any it returns how far the group is and how long to
// wait at most.
func (c *consumer) take(ctx context.Context, n int) (items []consume.Item[lease], cursor int64, wait time.Duration, err error) {
	k, gk := c.q.keys, c.keys
	// A take that was sent has to be seen to its end: what it leased would lie idle.
	v, err := c.q.eval(context.WithoutCancel(ctx), takeScript,
		[]string{k.meta, k.log, k.kept, k.groups, k.pins, gk.g, gk.lease, gk.due, gk.retry, gk.works},
		c.g.Name, n, c.q.o.Lease.Microseconds(), c.token, c.g.Policy.Longest().Microseconds())
	if err != nil {
		return nil, 0, 0, err
	}
	r := reply{list: v}
	epoch := r.text()
	if len(r.list) == 0 && r.err == nil {
		return nil, 0, 0, c.gone(ctx, epoch)
	}
	cursor, due := r.number(), r.number()
	list := r.sub()
	for len(list.list) > 0 && list.err == nil {
		seq, attempts, crashed := list.number(), list.number(), list.number()
		e := list.event(epoch, seq)
		items = append(items, consume.Item[lease]{
			Lease: lease{seq, c.token}, Event: e, Attempt: int(attempts), Crashed: crashed == 1,
		})
	}
	if err := cmp.Or(r.err, list.err); err != nil {
		return nil, 0, 0, fmt.Errorf("redis: %w", err)
	}
	wait = idle
	if due >= 0 {
		wait = min(idle, time.Duration(due+999)*time.Microsecond)
	}
	return items, cursor, max(wait, time.Millisecond), nil
}

// gone is called when the group is not there: in the same store it was dropped; in
// another one it is registered again, from the beginning, for it has seen nothing there.
func (c *consumer) gone(ctx context.Context, epoch string) error {
	if was := c.epoch.Load(); was != nil && *was == epoch {
		return queue.ErrNoGroup
	}
	c.q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis lost the group: the store was emptied or replaced", slog.String("group", c.g.Name))
	return c.register(ctx, queue.Start{})
}

// Extend implements consume.Backend.
func (c *consumer) Extend(ctx context.Context, leases []lease) ([]lease, error) {
	args := make([]any, 0, 1+2*len(leases))
	args = append(args, c.q.o.Lease.Microseconds())
	for _, l := range leases {
		args = append(args, l.token, l.seq)
	}
	v, err := c.q.eval(ctx, extendScript, []string{c.keys.lease, c.keys.works}, args...)
	if err != nil {
		return nil, err
	}
	r := reply{list: v}
	var lost []lease
	for _, l := range leases {
		if r.number() == 0 {
			lost = append(lost, l)
		}
	}
	return lost, r.err
}

// Settle implements consume.Backend.
func (c *consumer) Settle(ctx context.Context, l lease, o consume.Outcome) error {
	_, err := c.q.settles.Do(ctx, settling{group: c.g.Name, lease: l, outcome: o}, queue.ErrClosed)
	return err
}

var _ consume.Backend[lease] = (*consumer)(nil)

// settling is the outcome of one attempt on its way.
type settling struct {
	group   string
	lease   lease
	outcome consume.Outcome
}

// settle records a batch, group by group: each group has its own keys.
func (q *Store) settle(list []settling) ([]struct{}, error) {
	ctx, cancel := context.WithTimeout(q.background(), callTimeout)
	defer cancel()
	args := map[string][]any{}
	for _, s := range list {
		kind := "retry"
		switch {
		case s.outcome.Done:
			kind = "done"
		case s.outcome.Dead:
			kind = "dead"
		case s.outcome.Postponed:
			kind = "postpone"
		}
		args[s.group] = append(args[s.group], s.lease.token, s.lease.seq, kind, s.outcome.Delay.Microseconds(), s.outcome.Reason)
	}
	for name, a := range args {
		gk := q.keys.group(name)
		keys := []string{q.keys.kept, q.keys.pins, gk.lease, gk.due, gk.retry, gk.dead, gk.died, gk.works}
		if _, err := q.evalInt(ctx, settleScript, keys, a...); err != nil {
			return nil, err
		}
	}
	return make([]struct{}, len(list)), nil
}

// Groups lists the registered groups by name.
func (q *Store) Groups(ctx context.Context) ([]string, error) {
	if err := q.life.Check(ctx, "groups"); err != nil {
		return nil, err
	}
	names, err := q.groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	return names, nil
}

func (q *Store) groups(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cursors, err := q.client.HGetAll(ctx, q.keys.groups).Result()
	if err != nil {
		return nil, q.fault(err)
	}
	return slices.Sorted(maps.Keys(cursors)), nil
}

// DropGroup forgets a group; its consumers end with ErrNoGroup.
func (q *Store) DropGroup(ctx context.Context, name string) error {
	if err := q.life.Check(ctx, "drop group"); err != nil {
		return err
	}
	k, gk := q.keys, q.keys.group(name)
	found, err := q.evalInt(ctx, dropScript,
		[]string{k.kept, k.groups, k.pins, gk.g, gk.lease, gk.due, gk.retry, gk.dead, gk.died, gk.works, gk.took}, name)
	if err != nil {
		return fmt.Errorf("drop group: %w", err)
	}
	if found == 0 {
		return fmt.Errorf("drop group: %w: %q", queue.ErrNoGroup, name)
	}
	q.notifier.Notify(0)
	return nil
}

// States says what became of an event in each group; see queue.Queue.
func (q *Store) States(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	if err := q.life.Check(ctx, "states"); err != nil {
		return nil, err
	}
	list, err := q.states(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("states: %w", err)
	}
	return list, nil
}

func (q *Store) states(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	b, _, err := q.start(ctx, queue.Start{})
	if err != nil {
		return nil, err
	}
	seq, err := b.Seq(at)
	if err != nil {
		return nil, event.ErrNotFound
	}
	names, err := q.groups(ctx)
	if err != nil {
		return nil, err
	}
	k := q.keys
	keys, args := []string{k.log, k.kept, k.groups}, []any{seq}
	for _, name := range names {
		gk := k.group(name)
		keys = append(keys, gk.g, gk.due, gk.dead, gk.died, gk.works, gk.took)
		args = append(args, name)
	}
	v, err := q.eval(ctx, statesScript, keys, args...)
	if err != nil {
		return nil, err
	}
	r := reply{list: v}
	now, accepted, kept := time.UnixMicro(r.number()), r.number(), r.number()
	rest := consume.Rest{Seq: seq, Logged: accepted > 0, StoredAt: time.UnixMicro(accepted)}
	var list []queue.EventState
	groups := r.sub()
	for len(groups.list) > 0 && groups.err == nil {
		one := groups.sub()
		list = append(list, q.stateIn(one, rest, now))
		groups.err = cmp.Or(groups.err, one.err)
	}
	if err := cmp.Or(r.err, groups.err); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	if accepted == 0 && kept == 0 {
		return nil, event.ErrNotFound
	}
	return list, nil
}

// stateIn reads one group's part of the answer.
func (q *Store) stateIn(r *reply, rest consume.Rest, now time.Time) queue.EventState {
	s := queue.EventState{Group: r.text(), State: queue.State(r.text()), Attempts: int(r.number())}
	if at := r.number(); at > 0 {
		s.At = time.UnixMicro(at).UTC()
	}
	s.Reason = r.text()
	rest.Cursor, rest.Start, rest.Took, rest.Adopted, rest.Expired = r.number(), r.number(), r.number() == 1, r.number(), r.number()
	if s.State == "" {
		s.State = rest.State(q.o.RetentionAge, now)
	}
	return s
}

// DeadLetters lists a group's dead letters; see queue.Queue. At most event.MaxLimit.
func (q *Store) DeadLetters(ctx context.Context, name string, ask queue.LetterQuery) ([]queue.DeadLetter, error) {
	if err := q.life.Check(ctx, "dead letters"); err != nil {
		return nil, err
	}
	var from int64
	if ask.After != "" {
		b, _, err := q.start(ctx, queue.Start{})
		if err == nil {
			from, err = b.Seq(ask.After)
		}
		if err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	ask = ask.Normalize()
	k, gk := q.keys, q.keys.group(name)
	v, err := q.eval(ctx, deadScript, []string{k.meta, k.log, k.kept, k.groups, gk.dead, gk.died, gk.works},
		name, from, ask.Limit, ask.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	r := reply{list: v}
	epoch := r.text()
	if epoch == "NOGROUP" {
		return nil, fmt.Errorf("dead letters: %w: %q", queue.ErrNoGroup, name)
	}
	var list []queue.DeadLetter
	for len(r.list) > 0 && r.err == nil {
		one := r.sub()
		seq := one.number()
		d := queue.DeadLetter{Group: name, Attempts: int(one.number()), DiedAt: time.UnixMicro(one.number()), Reason: one.text()}
		d.Event = one.event(epoch, seq)
		if ask.NoBodies {
			d.Event.Raw = nil
		}
		list = append(list, d)
		r.err = cmp.Or(r.err, one.err)
	}
	if r.err != nil {
		return nil, fmt.Errorf("dead letters: redis: %w", r.err)
	}
	return list, nil
}

// Redrive gives dead letters back to their group; see queue.Queue.
func (q *Store) Redrive(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.change(ctx, "redrive", name, at)
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Store) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.change(ctx, "drop", name, at)
}

// Replay schedules stored events once more; see queue.Queue.
func (q *Store) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.change(ctx, "replay", name, at)
}

// maxChange is how many events one script changes.
const maxChange = 256

// change runs an operation on the events at the positions of this epoch, piece by piece.
func (q *Store) change(ctx context.Context, op, name string, at []event.Position) (int, error) {
	if err := q.life.Check(ctx, op); err != nil {
		return 0, err
	}
	b, _, err := q.start(ctx, queue.Start{})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	var seqs []any
	for _, p := range at {
		if seq, err := b.Seq(p); err == nil { // otherwise it is of another epoch
			seqs = append(seqs, seq)
		}
	}
	k, gk := q.keys, q.keys.group(name)
	keys := []string{k.log, k.kept, k.groups, k.pins, gk.g, gk.lease, gk.due, gk.retry, gk.dead, gk.died, gk.works, gk.took}
	found := 0
	// The first piece may be empty: it asks whether there is such a group.
	for first := true; first || len(seqs) > 0; first = false {
		piece := seqs[:min(maxChange, len(seqs))]
		seqs = seqs[len(piece):]
		n, err := q.evalInt(ctx, lettersScript, keys, append([]any{name, op}, piece...)...)
		if err != nil {
			return found, fmt.Errorf("%s: %w", op, err)
		}
		if n < 0 {
			return found, fmt.Errorf("%s: %w: %q", op, queue.ErrNoGroup, name)
		}
		found += n
	}
	q.notifier.Notify(0)
	return found, nil
}
