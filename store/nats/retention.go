package nats

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/eventlog"
)

// sweepEvery is how often each process looks for what retention is over for.
const sweepEvery = 10 * time.Second

// sweepAll sweeps now and then until the store is closed. A sweep that fails is not
// reported to any caller: what expired stays a little longer.
func (q *Store) sweepAll() {
	every := sweepEvery
	if q.o.RetentionAge > 0 {
		every = max(min(every, q.o.RetentionAge/8), 10*time.Millisecond)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-q.life.Done():
			return
		case <-t.C:
		}
		if !q.nc.IsConnected() {
			continue
		}
		ctx, cancel := context.WithTimeout(q.life, sweepEvery)
		if err := q.sweep(ctx); err != nil {
			q.o.Logger.LogAttrs(ctx, slog.LevelDebug, "sweep", slog.Any("error", err))
		}
		cancel()
	}
}

// sweep moves the beginning of the log behind what is too old, expires dead letters, and
// purges what nobody needs any more.
func (q *Store) sweep(ctx context.Context) error {
	s, b, err := q.bounds(ctx)
	if err != nil {
		return err
	}
	now := time.Now().Add(s.ahead)
	if q.o.RetentionAge > 0 {
		if err := q.expire(ctx, s, b, now.Add(-q.o.RetentionAge)); err != nil {
			return err
		}
	}
	return q.purge(ctx, s, b, now)
}

// expire removes by age: events that all groups have begun, and dead letters.
func (q *Store) expire(ctx context.Context, s *store, b eventlog.Bounds, since time.Time) error {
	old, err := q.before(ctx, b, since)
	if err != nil {
		return err
	}
	if old > b.Trimmed {
		begun, err := q.begun(ctx, s, b.Last)
		if err != nil {
			return err
		}
		if err := q.trim(ctx, s, min(old, begun)); err != nil {
			return err
		}
	}
	for _, name := range s.board.names() {
		for _, i := range s.board.list(name, buried) {
			if i.At >= since.UnixMicro() {
				continue
			}
			if err := q.expireLetter(ctx, s, name, i.seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// expireLetter removes a dead letter for good and counts it as expired.
func (q *Store) expireLetter(ctx context.Context, s *store, name string, seq int64) error {
	i, ok := s.board.item(name, seq)
	if !ok || i.State != buried {
		return nil
	}
	err := q.remove(ctx, s, workKey(name, seq), i.rev)
	if conflict(err) {
		return q.refresh(ctx, s, workKey(name, seq))
	}
	if err != nil {
		return err
	}
	return q.changeGroup(ctx, s, name, func(r *groupRecord) { r.Expired++ })
}

// purge takes events off the server's disk that have left the log, whose ids are over
// their TTL and that no consumer may have to hand out again.
func (q *Store) purge(ctx context.Context, s *store, b eventlog.Bounds, now time.Time) error {
	to := s.board.trimmed()
	if to == 0 || to < int64(s.first()) { //nolint:gosec // below 2^53
		return nil
	}
	for _, name := range s.board.names() {
		info, err := q.consumerInfo(ctx, name)
		if err != nil {
			return err
		}
		if info == nil {
			return nil // it has yet to begin
		}
		to = min(to, int64(info.AckFloor.Stream)) //nolint:gosec // below 2^53
	}
	forgotten, err := q.before(ctx, eventlog.Bounds{Last: b.Last}, now.Add(-q.o.DedupeTTL))
	if err != nil {
		return err
	}
	if to = min(to, forgotten); to < int64(s.first()) { //nolint:gosec // below 2^53
		return nil
	}
	return q.fault(s.stream.Purge(ctx, jetstream.WithPurgeSequence(uint64(to+1)))) //nolint:gosec // never negative
}

// first is the oldest message on the server's disk, as far as it was last told.
func (s *store) first() uint64 { return s.stream.CachedInfo().State.FirstSeq }
