package redis

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/remote"
)

// A bell rings in a process when the log grows, whoever let it grow. One blocked read on
// a connection of its own serves all that wait; there is none while nobody does.
type bell struct {
	log     string // the stream's key
	logger  *slog.Logger
	connect func() goredis.UniversalClient

	mu     sync.Mutex
	last   int64         // the highest sequence known
	rung   chan struct{} // closed at the next ring
	wanted chan struct{} // holds a token when somebody began to wait
	joined int
	stop   func() // ends the listening and waits for it
}

func newBell(log string, logger *slog.Logger, connect func() goredis.UniversalClient) *bell {
	return &bell{log: log, logger: logger, connect: connect, rung: make(chan struct{}), wanted: make(chan struct{}, 1)}
}

// join keeps the bell listening until leave is called, which waits for its end when it
// is the last.
func (b *bell) join(ctx context.Context) (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.joined++
	if b.joined == 1 {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		stopped := make(chan struct{})
		b.stop = func() {
			cancel()
			<-stopped
		}
		go func() {
			defer close(stopped)
			b.listen(ctx)
		}()
	}
	return b.leave
}

func (b *bell) leave() {
	stop := func() {}
	b.mu.Lock()
	b.joined--
	if b.joined == 0 {
		stop = b.stop
	}
	b.mu.Unlock()
	stop()
}

// ring wakes all that wait, so that they look again.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
}

// wait returns when the log has something behind a sequence, at the latest after most.
func (b *bell) wait(ctx context.Context, after int64, most time.Duration) {
	b.mu.Lock()
	grown := b.last > after
	// What was known is believed once: a store can also lose its end.
	b.last = after
	rung := b.rung
	b.mu.Unlock()
	if grown {
		return
	}
	select {
	case b.wanted <- struct{}{}:
	default:
	}
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-rung:
	case <-t.C:
	case <-ctx.Done():
	}
}

// block is how long Redis holds a read that finds nothing.
const block = 5 * time.Second

// listen reads behind what is known while somebody waits.
func (b *bell) listen(ctx context.Context) {
	client := b.connect()
	defer closeWith(ctx, client)()
	trouble := remote.NewOutage(slog.New(slog.DiscardHandler), "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wanted:
		}
		if err := b.read(ctx, client); err == nil {
			trouble.Over(ctx)
		} else if !trouble.Wait(ctx, err) {
			return
		}
	}
}

// read waits for an event behind what is known, and rings.
func (b *bell) read(ctx context.Context, client goredis.UniversalClient) error {
	b.mu.Lock()
	from := b.last
	b.mu.Unlock()
	streams, err := client.XRead(ctx, &goredis.XReadArgs{
		Streams: []string{b.log, strconv.FormatInt(from, 10) + "-" + strconv.FormatUint(math.MaxUint64, 10)}, Count: 1, Block: block,
	}).Result()
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	seq, _, _ := strings.Cut(streams[0].Messages[0].ID, "-")
	n, err := strconv.ParseInt(seq, 10, 64)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.last = max(b.last, n)
	b.mu.Unlock()
	b.ring()
	return nil
}

// closeWith closes a client when ctx ends, which is what ends a blocked read, and returns a
// function that waits for that.
func closeWith(ctx context.Context, client goredis.UniversalClient) (wait func()) {
	var closing sync.WaitGroup
	closing.Go(func() {
		<-ctx.Done()
		_ = client.Close()
	})
	return closing.Wait
}
