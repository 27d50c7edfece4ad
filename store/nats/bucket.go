package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
)

// A topic is the opened stream and bucket of a topic, of one epoch.
type topic struct {
	epoch  string
	stream jetstream.Stream
	kv     jetstream.KeyValue
	groups *groupCache
	// ahead is how far the server's clock is ahead of ours, in nanoseconds, as it said last.
	ahead atomic.Int64
	// agedPast and forgotPast are up to which event retention by age, and by the TTL of ids, has found nothing at the
	// beginning but what a clock that was ahead stored. Of the sweeping goroutine.
	agedPast, forgotPast int64
}

// now is the server's time.
func (s *topic) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// said takes in what time the server says.
func (s *topic) said(now time.Time) { s.ahead.Store(int64(time.Until(now))) }

// epochField is where the stream keeps its epoch.
const epochField = "slack-webhook-server-epoch"

// markerTTL is how long the bucket remembers that a key was removed: longer than a
// watcher needs to receive that.
const markerTTL = time.Hour

// ready returns the store, and makes it or finds it first when that was not done yet.
func (q *Store) ready(ctx context.Context) (*topic, error) {
	if s := q.opened.Load(); s != nil {
		return s, nil
	}
	if !q.nc.IsConnected() {
		return nil, fmt.Errorf("nats: %w", errAway)
	}
	q.making.Lock()
	defer q.making.Unlock()
	if s := q.opened.Load(); s != nil {
		return s, nil
	}
	s, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	q.opened.Store(s)
	return s, nil
}

var errAway = errors.New("no connection")

// forget makes the next call look for the store again.
func (q *Store) forget() {
	if s := q.opened.Swap(nil); s != nil {
		s.groups.stop()
	}
}

// open finds the stream and the bucket of the topic, or makes them.
func (q *Store) open(ctx context.Context) (*topic, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, made, err := q.events(ctx)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	epoch := info.Config.Metadata[epochField]
	if epoch == "" {
		return nil, fmt.Errorf("stream %s exists and belongs to another program", q.names.stream)
	}
	if made {
		// What is left of an earlier store is about events that are not there any more.
		if err := q.js.DeleteKeyValue(ctx, q.names.bucket); err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
			return nil, err
		}
	}
	kv, err := q.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: q.names.bucket, Replicas: q.o.Replicas, LimitMarkerTTL: markerTTL, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, err
	}
	q.quota.reset()
	s := &topic{epoch: epoch, stream: stream, kv: kv}
	s.said(info.TimeStamp)
	s.groups = newGroupCache(kv, q.o.Logger)
	if err := q.life.Enter("open"); err != nil {
		return nil, err
	}
	go func() { //nolint:contextcheck // it lives as long as the store, not as this call
		defer q.life.Leave()
		s.groups.run(q.life)
	}()
	if err := s.groups.loaded(ctx); err != nil {
		s.groups.stop()
		return nil, err
	}
	return s, nil
}

// events finds the stream or makes it, and says which.
func (q *Store) events(ctx context.Context) (_ jetstream.Stream, made bool, _ error) {
	stream, err := q.js.Stream(ctx, q.names.stream)
	if err == nil {
		if config := stream.CachedInfo().Config; config.Replicas != q.o.Replicas {
			config.Replicas = q.o.Replicas
			stream, err = q.js.UpdateStream(ctx, config)
		}
		return stream, false, err
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, false, err
	}
	stream, err = q.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: q.names.stream, Subjects: []string{q.names.subject + ".*"}, Description: "events of slack-webhook-server",
		Storage: jetstream.FileStorage, Replicas: q.o.Replicas, Discard: jetstream.DiscardNew, AllowDirect: true,
		RePublish: &jetstream.RePublish{Source: q.names.subject + ".*", Destination: q.names.news, HeadersOnly: true},
		Metadata:  map[string]string{epochField: eventlog.NewEpoch()},
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		// Another process was quicker.
		stream, err = q.js.Stream(ctx, q.names.stream)
		return stream, false, err
	}
	return stream, true, err
}

// write puts a value on condition that the key still has the revision that the cache
// has; 0 is that there is no such key. A conflict is returned as it is.
func (q *Store) write(ctx context.Context, s *topic, key string, value []byte, rev uint64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var now uint64
	var err error
	if rev == 0 {
		now, err = s.kv.Create(ctx, key, value)
	} else {
		now, err = s.kv.Update(ctx, key, value, rev)
	}
	switch {
	case err == nil:
		s.groups.wrote(key, value, now)
		return nil
	case conflict(err):
		return err
	}
	return q.fault(err)
}

// remove takes a key away on condition of its revision.
func (q *Store) remove(ctx context.Context, s *topic, key string, rev uint64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := s.kv.Purge(ctx, key, jetstream.LastRevision(rev), jetstream.PurgeTTL(markerTTL))
	switch {
	case err == nil:
		s.groups.removed(key, rev)
		return nil
	case conflict(err):
		return err
	}
	return q.fault(err)
}

// A value is what the bucket has of a key, or the revision at which it was removed.
type value struct {
	data    []byte
	rev     uint64
	present bool
}

// value asks the server that takes the writes: a copy of the bucket may be behind.
func (q *Store) value(ctx context.Context, key string) (value, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := q.fromLeader(ctx, "KV_"+q.names.bucket, "$KV."+q.names.bucket+"."+key)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return value{}, nil
	}
	if err != nil {
		return value{}, q.fault(err)
	}
	// A message of the bucket has headers only where a key was removed.
	return value{data: m.Data, rev: m.Sequence, present: len(m.Data) > 0}, nil
}

// refresh reads one key anew, after a conflict: the cache may not have it yet.
func (q *Store) refresh(ctx context.Context, s *topic, key string) error {
	known := s.groups.revision(key)
	v, err := q.value(ctx, key)
	if err != nil {
		return err
	}
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	defer s.groups.notify()
	if v.present {
		return s.groups.write(key, v.data, v.rev)
	}
	// What the cache took over meanwhile is newer than the answer.
	s.groups.setTombstone(key, max(v.rev, known))
	return nil
}

// revision is the one that the cache has of a key; 0 is none.
func (c *groupCache) revision(key string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case key == logKey:
		return c.logRev
	case strings.HasPrefix(key, groupPrefix):
		if g := c.groups[key[len(groupPrefix):]]; g != nil {
			return g.rev
		}
	case strings.HasPrefix(key, workPrefix):
		name, seq, _ := parseWorkKey(key)
		if g := c.groups[name]; g != nil && g.items[seq] != nil {
			return g.items[seq].rev
		}
	}
	return 0
}

// What an event is to a group while it is neither new nor done, nor in its first attempt.
const (
	retrying = "retry"
	leased   = "lease"
	buried   = "dead"
)

// stateNames are those states as queue.Queue names them.
var stateNames = map[string]queue.State{retrying: queue.Retrying, leased: queue.InFlight, buried: queue.Dead}

// An item is what a group knows of such an event. In the bucket it is a line of JSON
// with the event's record behind it.
type item struct {
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	// At is when it is due, or when it died, by the server's clock, in Unix
	// microseconds.
	At     int64  `json:"at"`
	Reason string `json:"reason,omitempty"`
	// Owner is the consumer that holds the lease.
	Owner string `json:"owner,omitempty"`
	// Received is when the event was received, in Unix microseconds.
	Received int64 `json:"received"`

	rev uint64
	// observed is when this process first saw the revision. A lease that was not
	// renewed since for its whole length has ended, whatever the clocks say.
	observed time.Time
}

func (i item) encode(rec []byte) ([]byte, error) {
	head, err := json.Marshal(i)
	if err != nil {
		return nil, fmt.Errorf("encode item: %w", err)
	}
	return append(append(head, '\n'), rec...), nil
}

func decodeItem(b []byte) (i item, rec []byte, err error) {
	head, rec, _ := bytes.Cut(b, []byte{'\n'})
	if err := json.Unmarshal(head, &i); err != nil {
		return item{}, nil, fmt.Errorf("decode item: %w", err)
	}
	return i, rec, nil
}

// A groupRecord makes a group durable.
type groupRecord struct {
	Name string `json:"name"`
	// Born distinguishes this registration from another one of the same name.
	Born  string `json:"born"`
	Epoch string `json:"epoch"`
	// Start is behind which sequence number the group began.
	Start   int64 `json:"start"`
	Expired int64 `json:"expired"`
	// Took are the replayed events from before the start, while they are stored.
	Took []int64 `json:"took,omitempty"`
	// Adopted counts them, also those that are not stored any more.
	Adopted int64 `json:"adopted"`
}

// A logRecord is how far retention has removed the log.
type logRecord struct {
	Trimmed int64 `json:"trimmed"`
}
