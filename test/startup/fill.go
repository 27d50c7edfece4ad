package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// fillers is how many events are stored at once, so that they share their syncs.
const fillers = 256

// fill stores n messages of about 1 KB in a directory, as a server would that received
// them.
func fill(ctx context.Context, dir string, n int) (err error) {
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	numbers := make(chan int)
	errs := make([]error, fillers)
	var all sync.WaitGroup
	for w := range fillers {
		all.Go(func() {
			for i := range numbers {
				e, err := made(i)
				if err == nil {
					_, err = q.Publish(ctx, e)
				}
				errs[w] = errors.Join(errs[w], err)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	return errors.Join(errs...)
}

// made is a message as Slack sends it.
func made(i int) (event.Event, error) {
	now := time.Now()
	raw := fmt.Appendf(nil, `{"team_id":"T1","api_app_id":"A1","type":"event_callback","event_id":"EvSTART%d","event_time":%d,`+
		`"event":{"type":"message","channel":"C%03d","channel_type":"channel","user":"U%03d","ts":"%d.%06d","text":%q}}`,
		i, now.Unix(), i%200, i%500, now.Unix(), i%1_000_000, strings.Repeat("the quick brown fox jumps over the lazy dog ", 16))
	env, err := event.DecodeSlack(raw, event.JSON)
	env.ReceivedAt = now
	return env.Event, err
}
