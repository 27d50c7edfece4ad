package nats

import (
	"context"
	"fmt"
	"slices"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// States says what became of an event in each group; see queue.Queue. Of an event whose first attempt
// another process may be making it knows that only once the oldest of such attempts has ended.
func (q *Store) States(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	if _, err := q.begin(ctx, "states"); err != nil {
		return nil, err
	}
	list, err := q.states(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("states: %w", err)
	}
	return list, nil
}

func (q *Store) states(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	s, b, err := q.bounds(ctx)
	if err != nil {
		return nil, err
	}
	seq, err := b.Seq(at)
	if err != nil {
		return nil, event.ErrNotFound
	}
	rest := consume.Rest{Seq: seq, Logged: seq > b.Trimmed}
	if rest.Logged {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		m, err := q.batch(call, seq, 1)
		if err != nil {
			return nil, q.fault(err)
		}
		if len(m) > 0 && m[0].seq == seq {
			rest.StoredAt = m[0].at
		}
	}
	known := rest.Logged
	var list []queue.EventState
	for _, name := range s.groups.names() {
		one, item, err := q.stateIn(ctx, s, name, rest)
		if err != nil {
			return nil, err
		}
		known = known || item
		list = append(list, one)
	}
	if !known {
		return nil, event.ErrNotFound
	}
	return list, nil
}

// stateIn says what became of an event in one group, and whether the group has an item of it. The consumer
// is asked first and the item last: an attempt that ends meanwhile leaves its item before it is acknowledged.
func (q *Store) stateIn(ctx context.Context, s *topic, name string, rest consume.Rest) (queue.EventState, bool, error) {
	one := queue.EventState{Group: name}
	record, _ := s.groups.record(name)
	mine := q.firstAttempts(name)
	info, err := q.consumerInfo(ctx, name)
	if err != nil {
		return one, false, err
	}
	mine = min(mine, q.firstAttempts(name))
	h := q.leaseOf(name, rest.Seq)
	i, _, rev, err := q.load(ctx, name, rest.Seq)
	if err != nil {
		return one, false, err
	}
	rest.Start, rest.Adopted, rest.Expired = record.Start, record.Adopted, record.Expired
	rest.Cursor, rest.Took = record.Start, slices.Contains(record.Took, rest.Seq)
	acknowledged, pending := rest.Seq, 0
	if info != nil {
		rest.Cursor = max(rest.Cursor, int64(info.Delivered.Stream))            //nolint:gosec // below 2^53
		acknowledged, pending = int64(info.AckFloor.Stream), info.NumAckPending //nolint:gosec // below 2^53
	}
	switch {
	case rev != 0:
		one.State, one.Attempts, one.Reason = stateNames[i.State], i.Attempts, i.Reason
		if i.State != leased {
			one.At = time.UnixMicro(i.At).UTC()
		}
	case h != nil:
		one.State, one.Attempts = queue.InFlight, h.attempts
	case rest.Seq > rest.Start && rest.Seq <= rest.Cursor && rest.Seq > acknowledged && pending > mine:
		one.State = queue.NotKnown // it may be another process that has it
	default:
		one.State = rest.State(q.o.RetentionAge, s.now())
	}
	return one, rev != 0, nil
}
