package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/queue"
)

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
	}
	if st.Events > 0 {
		st.Oldest, st.Newest = b.Position(b.Trimmed+1), b.Position(b.Last)
	}
	for _, name := range s.board.names() {
		g, err := q.groupStats(ctx, s, name, b.Last)
		if err != nil {
			return queue.Stats{}, fmt.Errorf("stats: %w", err)
		}
		st.Groups = append(st.Groups, g)
	}
	return st, nil
}

// groupStats counts one group's events; last is the log's newest.
func (q *Store) groupStats(ctx context.Context, s *store, name string, last int64) (queue.GroupStats, error) {
	rec, _ := s.board.record(name)
	info, err := q.consumerInfo(ctx, name)
	if err != nil {
		return queue.GroupStats{}, err
	}
	delivered, pending := rec.Start, int64(0)
	if info != nil {
		delivered = max(delivered, int64(info.Delivered.Stream)) //nolint:gosec // below 2^53
		pending = int64(info.NumAckPending)
	}
	retry, lease, dead, oldest, received := s.board.counts(name)
	fresh := max(last-delivered, 0)
	g := queue.GroupStats{
		Name: name, InFlight: pending + lease, Retrying: retry, Dead: dead, Expired: rec.Expired,
		Waiting: fresh + pending + lease + retry,
	}
	g.Done = last - rec.Start + rec.Adopted - g.Waiting - g.Dead - g.Expired
	if pending > 0 {
		fresh, delivered = 1, int64(info.AckFloor.Stream) //nolint:gosec // below 2^53
	}
	due := s.board.firstDue(name)
	if fresh > 0 {
		if first := delivered + 1; oldest == 0 || first < oldest {
			received, err = q.receivedAt(ctx, s, first)
			if err != nil {
				return queue.GroupStats{}, err
			}
		}
	}
	g.OldestWaiting = received
	g.StalledSince = q.stalledSince(name, info, due, received, time.Now().Add(s.ahead))
	return g, nil
}

// receivedAt is when the first event at or behind a sequence number was received.
func (q *Store) receivedAt(ctx context.Context, s *store, seq int64) (time.Time, error) {
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
