package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A store is the stream and the bucket of a topic, of one epoch.
type store struct {
	epoch  string
	stream jetstream.Stream
	kv     jetstream.KeyValue
	board  *board
	// ahead is how far the server's clock is ahead of ours.
	ahead time.Duration
}

// epochField is where the stream keeps its epoch.
const epochField = "slack-webhook-server-epoch"

// markerTTL is how long the bucket remembers that a key was removed: longer than a
// watcher needs to hear of it.
const markerTTL = time.Hour

// ready returns the store, and makes it or finds it first when that was not done yet.
func (q *Store) ready(ctx context.Context) (*store, error) {
	if s := q.store.Load(); s != nil {
		return s, nil
	}
	if !q.nc.IsConnected() {
		return nil, fmt.Errorf("nats: %w", errAway)
	}
	q.making.Lock()
	defer q.making.Unlock()
	if s := q.store.Load(); s != nil {
		return s, nil
	}
	s, err := q.open(ctx)
	if err != nil {
		return nil, err
	}
	q.store.Store(s)
	return s, nil
}

var errAway = errors.New("no connection")

// forget makes the next call look for the store again.
func (q *Store) forget() {
	if s := q.store.Swap(nil); s != nil {
		s.board.stop()
	}
}

// open finds the stream and the bucket of the topic, or makes them.
func (q *Store) open(ctx context.Context) (*store, error) {
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
		// What is left of an earlier store tells of events that are not there any more.
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
	q.room.tight()
	s := &store{epoch: epoch, stream: stream, kv: kv, ahead: time.Until(info.TimeStamp)}
	s.board = newBoard(kv, q.o.Logger)
	if err := q.enter("open"); err != nil {
		return nil, err
	}
	go func() {
		defer q.calls.Done()
		s.board.run(q.life)
	}()
	if err := s.board.loaded(ctx); err != nil {
		s.board.stop()
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
	var epoch [4]byte
	if _, err := rand.Read(epoch[:]); err != nil {
		return nil, false, fmt.Errorf("make an epoch: %w", err)
	}
	stream, err = q.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: q.names.stream, Subjects: []string{q.names.subject + ".*"}, Description: "events of slack-webhook-server",
		Storage: jetstream.FileStorage, Replicas: q.o.Replicas, Discard: jetstream.DiscardNew, AllowDirect: true,
		RePublish: &jetstream.RePublish{Source: q.names.subject + ".*", Destination: q.names.news, HeadersOnly: true},
		Metadata:  map[string]string{epochField: hex.EncodeToString(epoch[:])},
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		// Another process was quicker.
		stream, err = q.js.Stream(ctx, q.names.stream)
		return stream, false, err
	}
	return stream, true, err
}
