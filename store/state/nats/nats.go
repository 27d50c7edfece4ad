// Package nats keeps state in a key-value bucket of NATS JetStream, nats-server 2.11 or
// later: shared by all processes that name the same topic, and as durable as that server
// is. Values expire by the server's own per-message TTL; conditions are the revision of a
// key, which the server compares as it writes.
//
// What is read comes from the server that takes the bucket's writes, so that a value is
// seen by every process once Put has returned.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/natsconn"
	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// DefaultTopic names the store inside JetStream when Options do not.
const DefaultTopic = "slack.events"

// callTimeout bounds one call.
const callTimeout = 3 * time.Second

// Options configure a Store.
type Options struct {
	// URL is where NATS is, as the queue takes it. Required. No error and no log line
	// repeats it.
	URL string
	// CredentialsFile is the path of a file with a user's JWT and seed; "" means none.
	CredentialsFile string
	// Topic names the store inside JetStream; "" means slack.events.
	Topic string
	// Replicas is on how many servers of a cluster the values are stored; 0 means 1.
	Replicas int
	// Logger hears of NATS's going and coming; nil discards.
	Logger *slog.Logger
}

// A Store is a state.Store. Make it with Open.
type Store struct {
	o      Options
	bucket string
	nc     *natsgo.Conn
	js     jetstream.JetStream
	hub    *values.Watchers
	fresh  chan struct{} // holds a token when NATS is back

	made   atomic.Pointer[bucket]
	making sync.Mutex

	end  context.CancelFunc
	wg   sync.WaitGroup
	once sync.Once
}

// A bucket is the opened one.
type bucket struct {
	kv     jetstream.KeyValue
	stream jetstream.Stream
	ahead  time.Duration // how far the server's clock is ahead of ours
}

var _ state.Store = (*Store)(nil)

// Open returns a store on the NATS of o.URL. One that cannot be reached is no error: each
// call says ErrUnavailable until it can. One that refuses the credentials is.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.URL == "" {
		return nil, errors.New("nats state: URL is missing, for example nats://localhost:4222")
	}
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{o: o, bucket: "STATE-" + natsconn.Escape(o.Topic), hub: values.NewWatchers(), fresh: make(chan struct{}, 1)}
	var err error
	s.nc, err = natsconn.Dial(ctx, natsconn.Options{URL: o.URL, CredentialsFile: o.CredentialsFile, Logger: o.Logger}, func(n *natsgo.Options) {
		n.ReconnectedCB = func(*natsgo.Conn) { s.again() }
	})
	if err != nil {
		return nil, err
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		s.nc.Close()
		return nil, fmt.Errorf("nats state: %w", err)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	f := &follower{store: s}
	if _, err := s.ready(ctx); err == nil {
		// Following begins before Open returns, so that no later change is missed.
		f.begin(ctx)
	}
	s.wg.Go(func() { f.run(life) })
	return s, nil
}

// again makes the follower begin anew.
func (s *Store) again() {
	select {
	case s.fresh <- struct{}{}:
	default:
	}
}

var errAway = errors.New("nats: no connection")

// ready returns the bucket, and makes it or finds it first when that was not done yet.
func (s *Store) ready(ctx context.Context) (*bucket, error) {
	if b := s.made.Load(); b != nil {
		return b, nil
	}
	if !s.nc.IsConnected() {
		return nil, errAway
	}
	s.making.Lock()
	defer s.making.Unlock()
	if b := s.made.Load(); b != nil {
		return b, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	kv, err := s.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: s.bucket, Description: "state of slack-webhook-server", Replicas: s.o.Replicas,
		History: 1, LimitMarkerTTL: markerTTL, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, err
	}
	stream, err := s.js.Stream(ctx, "KV_"+s.bucket)
	if err != nil {
		return nil, err
	}
	b := &bucket{kv: kv, stream: stream, ahead: time.Until(stream.CachedInfo().TimeStamp)}
	s.made.Store(b)
	return b, nil
}

// markerTTL is how long the bucket remembers that a key was removed: longer than a
// follower needs to hear of it.
const markerTTL = time.Hour

// do runs one operation on the bucket.
func (s *Store) do(ctx context.Context, op string, fn func(context.Context, *bucket) error) error {
	if err := ctx.Err(); err != nil {
		return values.Fault(ctx, op, err)
	}
	b, err := s.ready(ctx)
	if err == nil {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		err = fn(call, b)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) {
		s.made.CompareAndSwap(b, nil) // somebody deleted it; the next call makes it
	}
	return values.Fault(ctx, op, err)
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return s.hub.Watch(ctx, prefix, fn)
}

// Close ends the watchers and the connection. It is idempotent.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.end()
		s.hub.Close()
		s.wg.Wait()
		s.nc.Close()
	})
	return nil
}
