package redis

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/remote"
	"slackmcp/store/state"
)

const (
	block      = 5 * time.Second // how long Redis holds a read that finds nothing
	sweepEvery = 10 * time.Second
)

// A follower reads the stream of changes on a connection of its own, and tells the hub.
type follower struct {
	store  *Store
	client goredis.UniversalClient
	stream string
	last   string // the id up to which everything was told; "" is nothing known
}

// begin finds the stream's end.
func (f *follower) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	newest, err := f.newest(ctx)
	if err == nil {
		f.last = newest
	}
	return err
}

func (f *follower) newest(ctx context.Context) (string, error) {
	list, err := f.client.XRevRangeN(ctx, f.stream, "+", "-", 1).Result()
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "0-0", nil
	}
	return list[0].ID, nil
}

// run follows until ctx ends, and closes the connection.
func (f *follower) run(ctx context.Context) {
	// Closing the client is what ends a blocked read.
	var closing sync.WaitGroup
	closing.Go(func() {
		<-ctx.Done()
		_ = f.client.Close()
	})
	defer closing.Wait()
	trouble := remote.NewOutage(f.store.log, "state")
	away := f.last == ""
	for ctx.Err() == nil {
		err := f.step(ctx, away)
		switch {
		case err == nil:
			away = false
			trouble.Over(ctx)
		case ctx.Err() == nil:
			away = true
			trouble.Wait(ctx, err)
		}
	}
}

// step waits for changes and tells them. After Redis was away it first tells every key
// there is: what the stream had may be trimmed, or lost with a crash.
func (f *follower) step(ctx context.Context, away bool) error {
	if away {
		if err := f.again(ctx); err != nil {
			return err
		}
	}
	streams, err := f.client.XRead(ctx, &goredis.XReadArgs{Streams: []string{f.stream, f.last}, Count: 1000, Block: block}).Result()
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, m := range streams[0].Messages {
		key, _ := m.Values["k"].(string)
		gone, _ := m.Values["g"].(string)
		f.store.hub.Notify(state.Change{Key: key, Gone: gone == "1"})
		f.last = m.ID
	}
	return nil
}

// again tells every key, and goes on with the stream where it is now, should it have lost
// its end.
func (f *follower) again(ctx context.Context) error {
	newest, err := f.newest(ctx)
	if err != nil {
		return err
	}
	if f.last == "" || earlier(newest, f.last) {
		f.last = newest
	}
	for low := "-"; ; {
		keys, err := f.client.ZRangeByLex(ctx, f.store.keys[1], &goredis.ZRangeBy{Min: low, Max: "+", Count: 1000}).Result()
		if err != nil {
			return err
		}
		for _, key := range keys {
			f.store.hub.Notify(state.Change{Key: key})
		}
		if len(keys) < 1000 {
			return nil
		}
		low = "(" + keys[len(keys)-1]
	}
}

// earlier compares two ids of a stream.
func earlier(a, b string) bool {
	am, as := idOf(a)
	bm, bs := idOf(b)
	return am < bm || am == bm && as < bs
}

func idOf(id string) (ms, seq uint64) {
	m, s, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(m, 10, 64) // the server's own form
	seq, _ = strconv.ParseUint(s, 10, 64)
	return ms, seq
}

// sweep removes what has expired, now and then; any process does it for all.
func (s *Store) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		call, cancel := context.WithTimeout(ctx, callTimeout)
		if err := sweepScript.Run(call, s.client, s.keys).Err(); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelDebug, "expired state was not removed", slog.Any("error", err))
		}
		cancel()
	}
}
