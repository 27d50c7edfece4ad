package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Groups lists the registered groups by name.
func (q *Store) Groups(ctx context.Context) ([]string, error) {
	if err := q.check(ctx, "groups"); err != nil {
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
	if err := q.check(ctx, "drop group"); err != nil {
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
	q.bell.ring()
	return nil
}

// DeadLetters lists a group's dead letters; see queue.Queue. At most event.MaxLimit.
func (q *Store) DeadLetters(ctx context.Context, name string, after event.Position, limit int) ([]queue.DeadLetter, error) {
	if err := q.check(ctx, "dead letters"); err != nil {
		return nil, err
	}
	var from int64
	if after != "" {
		b, _, err := q.start(ctx, queue.Start{})
		if err == nil {
			from, err = b.Seq(after)
		}
		if err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	if limit <= 0 {
		limit = event.DefaultLimit
	}
	k, gk := q.keys, q.keys.group(name)
	v, err := q.eval(ctx, deadScript, []string{k.meta, k.log, k.kept, k.groups, gk.dead, gk.died, gk.works},
		name, from, min(limit, event.MaxLimit))
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
		list = append(list, d)
		r.err = firstError(r.err, one.err)
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
	if err := q.check(ctx, op); err != nil {
		return 0, err
	}
	b, _, err := q.start(ctx, queue.Start{})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	seqs := sequences(b, at)
	k, gk := q.keys, q.keys.group(name)
	keys := []string{k.log, k.kept, k.groups, k.pins, gk.g, gk.lease, gk.due, gk.retry, gk.dead, gk.died, gk.works, gk.took}
	found := 0
	// The first piece may be empty: it asks whether there is such a group.
	for piece := range pieces(seqs, maxChange) {
		n, err := q.evalInt(ctx, lettersScript, keys, append([]any{name, op}, piece...)...)
		if err != nil {
			return found, fmt.Errorf("%s: %w", op, err)
		}
		if n < 0 {
			return found, fmt.Errorf("%s: %w: %q", op, queue.ErrNoGroup, name)
		}
		found += n
	}
	q.bell.ring()
	return found, nil
}

// sequences returns the sequence numbers of the positions that are of this epoch.
func sequences(b eventlog.Bounds, at []event.Position) []any {
	var seqs []any
	for _, p := range at {
		if seq, err := b.Seq(p); err == nil {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// pieces yields a list in parts of at most n, at least one, which may be empty.
func pieces(list []any, n int) func(yield func([]any) bool) {
	return func(yield func([]any) bool) {
		for {
			part := list[:min(n, len(list))]
			list = list[len(part):]
			if !yield(part) || len(list) == 0 {
				return
			}
		}
	}
}
