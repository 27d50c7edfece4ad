package nats

import (
	"context"
	"slices"

	"slackmcp/store/internal/eventlog"
	"slackmcp/webhook/event"
)

// Replay schedules stored events once more; see queue.Queue. While other processes are in
// the middle of first attempts it cannot tell theirs from what was done since the oldest
// of them, and leaves those events alone, too.
func (q *Store) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "replay", name, at, func(s *store, b eventlog.Bounds, seq int64) (bool, error) {
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
func (q *Store) replayLogged(ctx context.Context, s *store, name string, seq int64) (bool, error) {
	record, _ := s.board.record(name)
	info, err := q.consumerInfo(ctx, name)
	if err != nil {
		return false, err
	}
	if seq > record.Start {
		switch {
		case info == nil || seq > int64(info.Delivered.Stream): //nolint:gosec // below 2^53
			return true, nil // it waits already
		case q.holding(name, seq):
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
func (q *Store) adopt(ctx context.Context, s *store, name string, seq int64) error {
	trimmed := s.board.trimmed()
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
	for _, h := range q.held[group] {
		if h.reply != "" {
			n++
		}
	}
	return n
}
