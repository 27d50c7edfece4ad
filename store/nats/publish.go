package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// publishTimeout is how long an acknowledgement may take: Slack gives up after three
// seconds.
const publishTimeout = 2 * time.Second

// headroom is what an event's record may need beside itself where a group keeps it.
const headroom = 2 << 10

// Publish stores e; see queue.Queue.
func (q *Store) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	if err := queue.CheckEvent(&e); err != nil {
		return queue.Receipt{}, err
	}
	s, err := q.begin(ctx, "publish")
	if err != nil {
		return queue.Receipt{}, err
	}
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = time.Now()
	}
	rec := remote.AppendRecord(make([]byte, 0, len(e.Raw)+256), &e)
	if most := q.nc.MaxPayload(); most > 0 && int64(len(rec)+headroom) > most {
		return queue.Receipt{}, fmt.Errorf("publish: event of %d bytes: the server's max_payload is %d, raise it", len(rec), most)
	}
	subject := q.names.event(eventlog.KeyOf(e.Source, e.ID))
	r, err := q.publish(ctx, s, subject, rec)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return queue.Receipt{}, fmt.Errorf("publish: %w: %w", queue.ErrUnavailable, err)
	case err != nil:
		return queue.Receipt{}, fmt.Errorf("publish: %w", q.fault(err))
	}
	return r, nil
}

// publish appends a record unless its subject was used within the TTL.
func (q *Store) publish(ctx context.Context, s *store, subject string, rec []byte) (queue.Receipt, error) {
	b := eventlog.Bounds{Epoch: s.epoch}
	if !q.room.take() {
		// A copy needs no room, and none has to go for it.
		seq, seen, err := q.seen(ctx, s, subject)
		switch {
		case err != nil:
			return queue.Receipt{}, err
		case seen:
			return queue.Receipt{Position: b.Position(seq), Duplicate: true}, nil
		}
		if err := q.reserve(ctx, s); err != nil {
			return queue.Receipt{}, err
		}
	}
	defer q.room.release()
	expect := uint64(0)
	for range 3 {
		seq, err := q.append(ctx, subject, rec, expect)
		if err == nil {
			q.room.saw(seq)
			return queue.Receipt{Position: b.Position(seq)}, nil
		}
		if !conflict(err) {
			return queue.Receipt{}, err
		}
		// The subject was used before: a copy, unless that was too long ago.
		last, seen, err := q.seen(ctx, s, subject)
		if err != nil {
			return queue.Receipt{}, err
		}
		if seen {
			return queue.Receipt{Position: b.Position(last), Duplicate: true}, nil
		}
		expect = uint64(last) //nolint:gosec // a sequence number is never negative
	}
	return queue.Receipt{}, errors.New("others publish the same event")
}

// append publishes on condition that a subject's last message is the expected one.
func (q *Store) append(ctx context.Context, subject string, rec []byte, expect uint64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	future, err := q.js.PublishMsgAsync(&natsgo.Msg{Subject: subject, Data: rec},
		jetstream.WithExpectLastSequencePerSubject(expect), jetstream.WithExpectStream(q.names.stream),
		jetstream.WithRetryAttempts(0), jetstream.WithStallWait(publishTimeout))
	if err != nil {
		return 0, err
	}
	select {
	case ack := <-future.Ok():
		return int64(ack.Sequence), nil //nolint:gosec // counted from 1
	case err := <-future.Err():
		return 0, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// seen returns the last use of a subject, and whether that is within the TTL.
func (q *Store) seen(ctx context.Context, s *store, subject string) (int64, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := s.last(ctx, q, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	age := time.Now().Add(s.ahead).Sub(m.Time)
	return int64(m.Sequence), age < q.o.DedupeTTL, nil //nolint:gosec // counted from 1
}

// last returns a subject's last message. A copy of the stream may not have it yet, so
// that its word that there is none is not taken for it.
func (s *store) last(ctx context.Context, q *Store, subject string) (*jetstream.RawStreamMsg, error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if q.o.Replicas > 1 && errors.Is(err, jetstream.ErrMsgNotFound) {
		return q.fromLeader(ctx, q.names.stream, subject)
	}
	return m, err
}
