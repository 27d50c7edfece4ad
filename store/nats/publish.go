package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/internal/clock"
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
		return queue.Receipt{}, fmt.Errorf("publish: %w: it has %d bytes, and max_payload of the NATS server is %d: raise max_payload", queue.ErrTooLong, len(rec), most)
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
func (q *Store) publish(ctx context.Context, s *topic, subject string, rec []byte) (queue.Receipt, error) {
	b := eventlog.Bounds{Epoch: s.epoch}
	if !q.quota.take() {
		// A copy takes nothing of the quota, and no event has to go for it.
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
	defer q.quota.release()
	expect := uint64(0)
	for range 3 {
		seq, err := q.append(ctx, subject, rec, expect)
		if err == nil {
			q.quota.observe(seq)
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
func (q *Store) seen(ctx context.Context, s *topic, subject string) (int64, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := s.last(ctx, q, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	age := q.o.Aging(s.now()).Sub(m.Time)
	return int64(m.Sequence), age < q.o.DedupeTTL, nil //nolint:gosec // counted from 1
}

// last returns a subject's last message. A copy of the stream may not have it yet, so
// that its answer that there is none is not believed.
func (s *topic) last(ctx context.Context, q *Store, subject string) (*jetstream.RawStreamMsg, error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if q.o.Replicas > 1 && errors.Is(err, jetstream.ErrMsgNotFound) {
		return q.fromLeader(ctx, q.names.stream, subject)
	}
	return m, err
}

// A quota keeps the bound on the number of events: up to which sequence number may be
// published before retention has to remove something.
type quota struct {
	mu     sync.Mutex
	last   int64 // the highest sequence number that this process has seen
	coming int64 // publishes on their way
	limit  int64

	making sync.Mutex // held while the quota is being raised
}

// reserve raises the quota for one publish, or answers that the store is full.
func (q *Store) reserve(ctx context.Context, s *topic) error {
	r := &q.quota
	r.making.Lock()
	defer r.making.Unlock()
	if r.take() {
		return nil // another publish raised it meanwhile
	}
	if err := q.raiseQuota(ctx, s); err != nil {
		return err
	}
	if !r.take() {
		return fmt.Errorf("%w: %d events are kept and none is finished", queue.ErrFull, q.o.RetentionCount)
	}
	return nil
}

// take lets one publish begin, which ends with release, if the quota allows it.
func (r *quota) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last+r.coming >= r.limit {
		return false
	}
	r.coming++
	return true
}

func (r *quota) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coming--
}

// observe notes that the stream has reached a sequence number.
func (r *quota) observe(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(r.last, seq)
}

// state returns the last sequence number and how many publishes are on their way.
func (r *quota) state() (last, coming int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.coming
}

// setLimit sets up to which sequence number may be published.
func (r *quota) setLimit(limit int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = limit
}

// raiseQuota removes finished events from the log, oldest first, and then the dead letters
// of events outside it, until something fits.
func (q *Store) raiseQuota(ctx context.Context, s *topic) error {
	_, b, err := q.bounds(ctx)
	if err != nil {
		return err
	}
	begun, err := q.begun(ctx, s, b.Last)
	if err != nil {
		return err
	}
	_, coming := q.quota.state()
	most, pins := int64(q.o.RetentionCount), s.groups.pinned()
	// A large store gains some quota at a time, a small one exactly what it needs.
	want := b.Last + coming + 1
	to := trimTo(b.Trimmed, begun, want+min(most/100, 1000), most, pins)
	kept := b.Last - to + int64(below(pins, to))
	for kept+coming+1 > most {
		seq, ok, err := q.expireOldest(ctx, s, pins, to)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		pins = slices.DeleteFunc(pins, func(p int64) bool { return p == seq })
		kept--
	}
	if err := q.trim(ctx, s, to); err != nil {
		return err
	}
	q.quota.setLimit(to + most - int64(below(pins, to)))
	return nil
}

// trimTo returns up to where the log has to go so that it fits with want as its last
// event, but never further than what all groups have begun. Events of which a group
// still knows something are kept for it, and go on counting.
func trimTo(trimmed, begun, want, most int64, pins []int64) int64 {
	to, held := trimmed, int64(below(pins, trimmed))
	for to < begun && want-to+held > most {
		to++
		if _, pinned := slices.BinarySearch(pins, to); pinned {
			held++
		}
	}
	return to
}

// below counts the pins up to a sequence number.
func below(pins []int64, seq int64) int {
	n, _ := slices.BinarySearch(pins, seq+1)
	return n
}

// begun is up to where all groups have begun the events.
func (q *Store) begun(ctx context.Context, s *topic, last int64) (int64, error) {
	low := last
	for _, name := range s.groups.names() {
		rec, rev := s.groups.record(name)
		if rev == 0 {
			continue
		}
		info, err := q.consumerInfo(ctx, name)
		if err != nil {
			return 0, err
		}
		at := rec.Start
		if info != nil {
			at = max(at, int64(info.Delivered.Stream)) //nolint:gosec // below 2^53
		}
		low = min(low, at)
	}
	return low, nil
}

// consumerInfo asks for the state of a group's consumer; nil is that it has none yet.
func (q *Store) consumerInfo(ctx context.Context, group string) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := q.js.Consumer(ctx, q.names.stream, consumerOf(group)) // which asks the server
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, q.fault(err)
	}
	return c.CachedInfo(), nil
}

// expireOldest removes the oldest event outside the log of which only dead letters are
// left.
func (q *Store) expireOldest(ctx context.Context, s *topic, pins []int64, to int64) (int64, bool, error) {
	for _, seq := range pins {
		if seq > to {
			break
		}
		groups, ok := s.groups.onlyDead(seq)
		if !ok {
			continue
		}
		for _, name := range groups {
			if err := q.expireLetter(ctx, s, name, seq); err != nil {
				return 0, false, err
			}
		}
		return seq, true, nil
	}
	return 0, false, nil
}

// trim moves the beginning of the log up to a sequence number.
func (q *Store) trim(ctx context.Context, s *topic, to int64) error {
	for {
		rec, rev := s.groups.logState()
		if to <= rec.Trimmed {
			return nil
		}
		value, err := json.Marshal(logRecord{Trimmed: to})
		if err != nil {
			return err
		}
		err = q.write(ctx, s, logKey, value, rev)
		if !conflict(err) {
			return err
		}
		if err := q.refresh(ctx, s, logKey); err != nil {
			return err
		}
	}
}

// tight makes the next publish look for room anew: in another store from its beginning.
func (r *quota) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.limit = 0, 0
}

// sweep moves the beginning of the log behind what is too old, expires dead letters, and
// purges what no group needs any more.
func (q *Store) sweep(ctx context.Context) error {
	if !q.nc.IsConnected() {
		return nil
	}
	s, b, err := q.bounds(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	aging, future := q.o.Aging(now), now.Add(clock.Tolerance)
	if q.o.RetentionAge > 0 {
		since := aging.Add(-q.o.RetentionAge)
		if err := q.expireEvents(ctx, s, b, since, future); err != nil {
			return err
		}
		if err := q.expireLetters(ctx, s, since); err != nil {
			return err
		}
	}
	return q.purge(ctx, s, aging.Add(-q.o.DedupeTTL), future)
}

// agingStep is how many events are read at a time to see how old they are. The first alone tells most often that none is.
const agingStep = 256

// older reads n of the events behind one, and returns up to which of them all were stored before since; more says
// that the next step has to be looked at. The server's own search by time takes the times for ascending, and may answer any event
// where its clock was wrong for a while: so each event's time is looked at. One that was stored later than future, by a clock that was
// ahead, is as old as the next one behind it that was not; past is up to where there is nothing but such events.
func (q *Store) older(ctx context.Context, n int, behind, last int64, past *int64, since, future time.Time) (old int64, more bool, err error) {
	old = behind
	list, err := q.batch(ctx, max(behind, *past)+1, n)
	if err != nil {
		return old, false, q.fault(err)
	}
	for _, m := range list {
		switch {
		case m.seq > last:
			return old, false, nil
		case m.at.After(future):
			if old == behind {
				*past = m.seq
			}
		case !m.at.Before(since):
			return old, false, nil
		default:
			old = m.seq
		}
	}
	return old, len(list) > 0, nil
}

// expireEvents removes events by age that all groups have begun.
func (q *Store) expireEvents(ctx context.Context, s *topic, b eventlog.Bounds, since, future time.Time) error {
	trimmed, more := b.Trimmed, true
	for n := 1; more; n = agingStep {
		old, further, err := q.older(ctx, n, trimmed, b.Last, &s.agedPast, since, future)
		if err != nil {
			return err
		}
		if more = further; old > trimmed {
			begun, err := q.begun(ctx, s, b.Last)
			if err != nil {
				return err
			}
			if err := q.trim(ctx, s, min(old, begun)); err != nil {
				return err
			}
			trimmed, more = old, more && begun >= old
		}
	}
	return nil
}

// expireLetters removes dead letters by age.
func (q *Store) expireLetters(ctx context.Context, s *topic, since time.Time) error {
	for _, name := range s.groups.names() {
		for _, i := range s.groups.list(name, buried) {
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
func (q *Store) expireLetter(ctx context.Context, s *topic, name string, seq int64) error {
	i, ok := s.groups.item(name, seq)
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
func (q *Store) purge(ctx context.Context, s *topic, since, future time.Time) error {
	to := s.groups.trimmed()
	if to == 0 || to < int64(s.first()) { //nolint:gosec // below 2^53
		return nil
	}
	for _, name := range s.groups.names() {
		info, err := q.consumerInfo(ctx, name)
		if err != nil {
			return err
		}
		if info == nil {
			return nil // it has yet to begin
		}
		to = min(to, int64(info.AckFloor.Stream)) //nolint:gosec // below 2^53
	}
	gone, more := int64(s.first())-1, true //nolint:gosec // below 2^53
	for n := 1; more; n = agingStep {
		forgotten, further, err := q.older(ctx, n, gone, to, &s.forgotPast, since, future)
		if err != nil {
			return err
		}
		if more = further; forgotten > gone {
			if err := s.stream.Purge(ctx, jetstream.WithPurgeSequence(uint64(forgotten+1))); err != nil { //nolint:gosec // never negative
				return q.fault(err)
			}
			gone = forgotten
		}
	}
	return nil
}

// first is the oldest message on the server's disk, as far as the server last reported.
func (s *topic) first() uint64 { return s.stream.CachedInfo().State.FirstSeq }
