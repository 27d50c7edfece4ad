package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/test/internal/driver"
)

// traffic is what assistants do meanwhile: clients follow channels, come and go, list
// and read events.
type traffic struct {
	stop          context.CancelFunc
	all           sync.WaitGroup
	calls, failed atomic.Int64
	first         atomic.Pointer[string] // how the first failed
	followers     []*driver.Follower
}

// callEvery is the pause between two calls of one caller, of which there are four.
const (
	callEvery = 200 * time.Millisecond
	callers   = 4
)

func (s settings) traffic(ctx context.Context, p *driver.Process) (*traffic, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{stop: cancel}
	var err error
	if t.followers, err = driver.Follow(ctx, p, s.sessions, driver.Session, channel); err != nil {
		cancel()
		return nil, err
	}
	for range callers {
		t.all.Go(func() { t.repeat(ctx, func(c *http.Client) error { return t.call(ctx, c, p) }) })
	}
	t.all.Go(func() { t.repeat(ctx, func(*http.Client) error { return comeAndGo(ctx, p) }) })
	return t, nil
}

func channel(i int) string { return "slack://channels/" + driver.Channel(i) + "/events" }

// comeAndGo lets a few clients of each era follow for a moment.
func comeAndGo(ctx context.Context, p *driver.Process) error {
	for _, era := range []driver.Era{driver.Session, driver.Stateless} {
		some, err := driver.Follow(ctx, p, 5, era, channel)
		if err != nil {
			return err
		}
		for _, f := range some {
			f.Leave()
		}
	}
	return nil
}

// call lists events and reads a resource.
func (t *traffic) call(ctx context.Context, c *http.Client, p *driver.Process) error {
	if err := driver.Call(ctx, c, p, "tools/call", "slack_list_events", `"name":"slack_list_events","arguments":{"limit":20}`); err != nil {
		return err
	}
	return driver.Call(ctx, c, p, "resources/read", "slack://events", `"uri":"slack://events"`)
}

func (t *traffic) repeat(ctx context.Context, do func(*http.Client) error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := do(client)
		if ctx.Err() != nil {
			return
		}
		t.calls.Add(1)
		if err != nil {
			t.failed.Add(1)
			how := err.Error()
			t.first.CompareAndSwap(nil, &how)
		}
	}
}

// end stops the traffic and counts. A nil traffic was none.
func (t *traffic) end() (calls, failed int64) {
	if t == nil {
		return 0, 0
	}
	t.stop()
	t.all.Wait()
	for _, f := range t.followers {
		f.Leave()
	}
	return t.calls.Load(), t.failed.Load()
}

// trouble is how the first call failed, or empty.
func (t *traffic) trouble() string {
	if t == nil || t.first.Load() == nil {
		return ""
	}
	return *t.first.Load()
}
