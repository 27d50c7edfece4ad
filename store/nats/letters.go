package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Groups lists the registered groups by name.
func (q *Store) Groups(ctx context.Context) ([]string, error) {
	s, err := q.begin(ctx, "groups")
	if err != nil {
		return nil, err
	}
	return s.board.names(), nil
}

// group begins an operator's call on a group.
func (q *Store) group(ctx context.Context, op, name string) (*store, error) {
	s, err := q.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	if _, rev := s.board.record(name); rev == 0 {
		return nil, fmt.Errorf("%s: %w: %q", op, queue.ErrNoGroup, name)
	}
	return s, nil
}

// DropGroup forgets a group; its consumers end with ErrNoGroup.
func (q *Store) DropGroup(ctx context.Context, name string) error {
	s, err := q.group(ctx, "drop group", name)
	if err != nil {
		return err
	}
	for {
		_, rev := s.board.record(name)
		if rev == 0 {
			break
		}
		err := q.remove(ctx, s, groupKey(name), rev)
		if conflict(err) {
			err = q.refresh(ctx, s, groupKey(name))
		}
		if err != nil {
			return fmt.Errorf("drop group: %w", err)
		}
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := q.js.DeleteConsumer(call, q.names.stream, consumerOf(name)); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("drop group: %w", q.fault(err))
	}
	if err := q.purgeItems(ctx, name); err != nil {
		return fmt.Errorf("drop group: %w", err)
	}
	q.room.tight()
	return nil
}

// purgeItems removes all items of a group from the bucket.
func (q *Store) purgeItems(ctx context.Context, group string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := q.js.Stream(ctx, "KV_"+q.names.bucket)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject("$KV."+q.names.bucket+"."+workPrefix+escape(group)+".>"))
	}
	return q.fault(err)
}

// DeadLetters lists a group's dead letters; see queue.Queue. At most event.MaxLimit.
func (q *Store) DeadLetters(ctx context.Context, name string, after event.Position, limit int) ([]queue.DeadLetter, error) {
	s, err := q.group(ctx, "dead letters", name)
	if err != nil {
		return nil, err
	}
	var from int64
	if after != "" {
		_, b, err := q.bounds(ctx)
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
	limit = min(limit, event.MaxLimit)
	items := s.board.list(name, buried)
	items = slices.DeleteFunc(items, func(i numbered) bool { return i.seq <= from })
	var list []queue.DeadLetter
	for _, i := range items[:min(limit, len(items))] {
		d, ok, err := q.letter(ctx, s, name, i.seq)
		if err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		if ok {
			list = append(list, d)
		}
	}
	return list, nil
}

// letter reads one dead letter, unless it is none any more.
func (q *Store) letter(ctx context.Context, s *store, name string, seq int64) (queue.DeadLetter, bool, error) {
	i, rec, _, err := q.load(ctx, name, seq)
	if err != nil || i.State != buried {
		return queue.DeadLetter{}, false, err
	}
	e, err := decode(s.epoch, seq, rec)
	return queue.DeadLetter{Event: e, Group: name, Attempts: i.Attempts, Reason: i.Reason, DiedAt: time.UnixMicro(i.At)}, err == nil, err
}

// load reads an item from the bucket; without one its state is empty.
func (q *Store) load(ctx context.Context, group string, seq int64) (item, []byte, uint64, error) {
	v, err := q.value(ctx, workKey(group, seq))
	if err != nil || !v.present {
		return item{}, nil, 0, err
	}
	i, rec, err := decodeItem(v.data)
	return i, rec, v.rev, err
}

// Redrive gives dead letters back to their group; see queue.Queue.
func (q *Store) Redrive(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "redrive", name, at, func(s *store, _ eventlog.Bounds, seq int64) (bool, error) {
		i, rec, rev, err := q.load(ctx, name, seq)
		if err != nil || i.State != buried {
			return false, err
		}
		return q.schedule(ctx, s, name, seq, i, rec, rev)
	})
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Store) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "drop", name, at, func(s *store, _ eventlog.Bounds, seq int64) (bool, error) {
		i, _, rev, err := q.load(ctx, name, seq)
		if err != nil || i.State != buried {
			return false, err
		}
		err = q.remove(ctx, s, workKey(name, seq), rev)
		if conflict(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// schedule makes an item due now, with its attempts forgotten.
func (q *Store) schedule(ctx context.Context, s *store, group string, seq int64, i item, rec []byte, rev uint64) (bool, error) {
	i.State, i.Attempts, i.Owner, i.At = retrying, 0, "", time.Now().Add(s.ahead).UnixMicro()
	value, err := i.encode(rec)
	if err != nil {
		return false, err
	}
	err = q.write(ctx, s, workKey(group, seq), value, rev)
	if conflict(err) {
		return false, nil // somebody else has just changed it
	}
	return err == nil, err
}

// each calls fn with the sequence number of each position of this epoch, and counts.
func (q *Store) each(ctx context.Context, op, name string, at []event.Position, fn func(*store, eventlog.Bounds, int64) (bool, error)) (int, error) {
	if _, err := q.group(ctx, op, name); err != nil {
		return 0, err
	}
	s, b, err := q.bounds(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	n := 0
	for _, p := range at {
		seq, err := b.Seq(p)
		if err != nil {
			continue
		}
		ok, err := fn(s, b, seq)
		if err != nil {
			return n, fmt.Errorf("%s: %w", op, err)
		}
		if ok {
			n++
		}
	}
	return n, nil
}

// changeGroup changes a group's record, however often somebody else is quicker.
func (q *Store) changeGroup(ctx context.Context, s *store, name string, change func(*groupRecord)) error {
	for {
		rec, rev := s.board.record(name)
		if rev == 0 {
			return nil // it was dropped
		}
		change(&rec)
		value, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		err = q.write(ctx, s, groupKey(name), value, rev)
		if !conflict(err) {
			return err
		}
		if err := q.refresh(ctx, s, groupKey(name)); err != nil {
			return err
		}
	}
}
