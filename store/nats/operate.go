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
	return s.groups.names(), nil
}

// group begins an operator's call on a group.
func (q *Store) group(ctx context.Context, op, name string) (*topic, error) {
	s, err := q.begin(ctx, op)
	if err != nil {
		return nil, err
	}
	if _, rev := s.groups.record(name); rev == 0 {
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
		_, rev := s.groups.record(name)
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
	q.quota.reset()
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
func (q *Store) DeadLetters(ctx context.Context, name string, ask queue.LetterQuery) ([]queue.DeadLetter, error) {
	s, err := q.group(ctx, "dead letters", name)
	if err != nil {
		return nil, err
	}
	var from int64
	if ask.After != "" {
		_, b, err := q.bounds(ctx)
		if err == nil {
			from, err = b.Seq(ask.After)
		}
		if err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	items := s.groups.list(name, buried)
	items = slices.DeleteFunc(items, func(i groupItem) bool { return i.seq <= from })
	list, err := q.letters(ctx, s, name, items, ask.Normalize())
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return list, nil
}

// letters reads the dead letters among items, as many as are asked for.
func (q *Store) letters(ctx context.Context, s *topic, name string, items []groupItem, ask queue.LetterQuery) ([]queue.DeadLetter, error) {
	var list []queue.DeadLetter
	for _, i := range items {
		d, ok, err := q.letter(ctx, s, name, i.seq)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if ask.NoBodies {
			d.Event.Raw = nil
		}
		list = append(list, d)
		ask.MaxBytes -= len(d.Event.Raw)
		if len(list) == ask.Limit || ask.MaxBytes <= 0 {
			break
		}
	}
	return list, nil
}

// letter reads one dead letter, unless it is none any more.
func (q *Store) letter(ctx context.Context, s *topic, name string, seq int64) (queue.DeadLetter, bool, error) {
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
	return q.each(ctx, "redrive", name, at, func(s *topic, _ eventlog.Bounds, seq int64) (bool, error) {
		i, rec, rev, err := q.load(ctx, name, seq)
		if err != nil || i.State != buried {
			return false, err
		}
		return q.schedule(ctx, s, name, seq, i, rec, rev)
	})
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Store) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "drop", name, at, func(s *topic, _ eventlog.Bounds, seq int64) (bool, error) {
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
func (q *Store) schedule(ctx context.Context, s *topic, group string, seq int64, i item, rec []byte, rev uint64) (bool, error) {
	i.State, i.Attempts, i.Owner, i.At = retrying, 0, "", s.now().UnixMicro()
	value, err := i.encode(rec)
	if err != nil {
		return false, err
	}
	err = q.write(ctx, s, workKey(group, seq), value, rev)
	if conflict(err) {
		return false, nil // another process has just changed it
	}
	return err == nil, err
}

// each calls fn with the sequence number of each position of this epoch, and counts.
func (q *Store) each(ctx context.Context, op, name string, at []event.Position, fn func(*topic, eventlog.Bounds, int64) (bool, error)) (int, error) {
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

// changeGroup changes a group's record, however often another process is quicker.
func (q *Store) changeGroup(ctx context.Context, s *topic, name string, change func(*groupRecord)) error {
	for {
		rec, rev := s.groups.record(name)
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

// Replay schedules stored events once more; see queue.Queue. While other processes are in
// the middle of first attempts it cannot distinguish theirs from what was done since the oldest
// of them, and leaves those events alone, too.
func (q *Store) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "replay", name, at, func(s *topic, b eventlog.Bounds, seq int64) (bool, error) {
		i, rec, rev, err := q.load(ctx, name, seq)
		switch {
		case err != nil:
			return false, err
		case i.State == leased:
			return false, nil
		case i.State != "":
			return q.schedule(ctx, s, name, seq, i, rec, rev)
		case seq <= b.Trimmed:
			return false, nil
		}
		return q.replayLogged(ctx, s, name, seq)
	})
}

// replayLogged makes an item of an event that the group has done, or that was there
// before the group.
func (q *Store) replayLogged(ctx context.Context, s *topic, name string, seq int64) (bool, error) {
	record, _ := s.groups.record(name)
	info, err := q.consumerInfo(ctx, name)
	if err != nil {
		return false, err
	}
	if seq > record.Start {
		switch {
		case info == nil || seq > int64(info.Delivered.Stream): //nolint:gosec // below 2^53
			return true, nil // it waits already
		case q.leaseOf(name, seq) != nil:
			return false, nil
		case seq > int64(info.AckFloor.Stream) && info.NumAckPending > q.firstAttempts(name): //nolint:gosec // below 2^53
			return false, nil // it may be another process that has it
		}
	}
	list, err := q.batch(ctx, seq, 1)
	if err != nil || len(list) == 0 || list[0].seq != seq {
		return false, q.fault(err)
	}
	e, err := decode(s.epoch, seq, list[0].data)
	if err != nil {
		return false, err
	}
	if seq <= record.Start {
		if err := q.adopt(ctx, s, name, seq); err != nil {
			return false, err
		}
	}
	return q.schedule(ctx, s, name, seq, item{Received: e.ReceivedAt.UnixMicro()}, list[0].data, 0)
}

// adopt counts an event from before the group's start as the group's.
func (q *Store) adopt(ctx context.Context, s *topic, name string, seq int64) error {
	trimmed := s.groups.trimmed()
	return q.changeGroup(ctx, s, name, func(r *groupRecord) {
		if slices.Contains(r.Took, seq) {
			return
		}
		r.Took = slices.DeleteFunc(append(r.Took, seq), func(seq int64) bool { return seq <= trimmed })
		r.Adopted++
	})
}

// firstAttempts counts the first attempts that this process is making.
func (q *Store) firstAttempts(group string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, h := range q.leases[group] {
		if h.reply != "" {
			n++
		}
	}
	return n
}

// Stats counts; see queue.Queue. The numbers are asked for one after the other, so that
// they are exact when nothing changes meanwhile.
func (q *Store) Stats(ctx context.Context) (queue.Stats, error) {
	if _, err := q.begin(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	s, b, err := q.bounds(ctx)
	if err != nil {
		return queue.Stats{}, fmt.Errorf("stats: %w", err)
	}
	info := s.stream.CachedInfo()
	st := queue.Stats{
		Backend: "nats", Durability: q.durability(), Epoch: b.Epoch, Accepted: b.Last, Expired: b.Trimmed,
		Events: b.Last - b.Trimmed, SeenIDs: int64(info.State.NumSubjects), //nolint:gosec // below 2^53
		Bytes: int64(info.State.Bytes), MostBytes: max(0, info.Config.MaxBytes), //nolint:gosec // below 2^63
	}
	if st.Events > 0 {
		st.Oldest, st.Newest = b.Position(b.Trimmed+1), b.Position(b.Last)
	}
	for _, name := range s.groups.names() {
		g, err := q.groupStats(ctx, s, name, b.Last)
		if err != nil {
			return queue.Stats{}, fmt.Errorf("stats: %w", err)
		}
		st.Groups = append(st.Groups, g)
	}
	return st, nil
}

// groupStats counts one group's events; last is the log's newest.
func (q *Store) groupStats(ctx context.Context, s *topic, name string, last int64) (queue.GroupStats, error) {
	rec, _ := s.groups.record(name)
	info, err := q.consumerInfo(ctx, name)
	if err != nil {
		return queue.GroupStats{}, err
	}
	delivered, pending := rec.Start, int64(0)
	if info != nil {
		delivered = max(delivered, int64(info.Delivered.Stream)) //nolint:gosec // below 2^53
		pending = int64(info.NumAckPending)
	}
	retry, lease, dead, oldest, received := s.groups.counts(name)
	fresh := max(last-delivered, 0)
	g := queue.GroupStats{
		Name: name, InFlight: pending + lease, Retrying: retry, Dead: dead, Expired: rec.Expired,
		Waiting: fresh + pending + lease + retry,
	}
	g.Done = last - rec.Start + rec.Adopted - g.Waiting - g.Dead - g.Expired
	if pending > 0 {
		fresh, delivered = 1, int64(info.AckFloor.Stream) //nolint:gosec // below 2^53
	}
	due := s.groups.firstDue(name)
	if fresh > 0 {
		if first := delivered + 1; oldest == 0 || first < oldest {
			received, err = q.receivedAt(ctx, s, first)
			if err != nil {
				return queue.GroupStats{}, err
			}
		}
	}
	g.OldestWaiting = received
	g.StalledSince = q.stalledSince(name, info, due, received, s.now())
	return g, nil
}

// receivedAt is when the first event at or behind a sequence number was received.
func (q *Store) receivedAt(ctx context.Context, s *topic, seq int64) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := q.batch(ctx, seq, 1)
	if err != nil || len(list) == 0 {
		return time.Time{}, q.fault(err)
	}
	e, err := decode(s.epoch, list[0].seq, list[0].data)
	return e.ReceivedAt, err
}

// stalledSince asks the watchdog: something is due since a retry is, or since new events
// wait, and the last delivery was when the consumer says.
func (q *Store) stalledSince(name string, info *jetstream.ConsumerInfo, due, waiting, now time.Time) time.Time {
	if due.After(now) {
		due = time.Time{}
	}
	if info != nil && info.NumPending > 0 && !waiting.IsZero() && (due.IsZero() || waiting.Before(due)) {
		due = waiting
	}
	if !due.IsZero() && info != nil && info.Delivered.Last != nil && info.Delivered.Last.After(due) {
		due = *info.Delivered.Last
	}
	return q.watch.StalledSince(name, due, now)
}
