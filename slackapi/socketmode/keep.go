package socketmode

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// keep keeps one connection at a time, and the one that it replaces, until ctx is done.
func (c *Client) keep(ctx context.Context) {
	var old sync.WaitGroup
	defer old.Wait()
	pause := firstPause
	for ctx.Err() == nil {
		conn, err := c.connect(ctx)
		if err != nil {
			wait := c.failed(ctx, err, pause)
			pause = min(2*pause, maxPause)
			sleep(ctx, wait)
			continue
		}
		began := time.Now()
		old.Go(func() { conn.serve(ctx) })
		select {
		case <-conn.retired:
		case <-conn.closed:
		case <-ctx.Done():
			return
		}
		if time.Since(began) >= settled {
			pause = firstPause
		}
		sleep(ctx, c.after(conn, pause))
		pause = min(2*pause, maxPause)
	}
}

// after is the pause between a connection that ends and the next.
func (c *Client) after(conn *conn, pause time.Duration) time.Duration {
	switch conn.reason() {
	case "link_disabled":
		c.note("disabled")
		return permanentPause
	case "too_many_websockets":
		return crowdedPause
	case "warning", "refresh_requested":
		return 0 // the old one ends soon
	}
	return jitter(pause)
}

// failed logs why there is no connection and returns how long to wait.
func (c *Client) failed(ctx context.Context, err error, pause time.Duration) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	if c.opt.Permanent(err) {
		c.note("refused")
		c.opt.Logger.LogAttrs(ctx, slog.LevelError, "slack refuses the app token", slog.String("error", err.Error()),
			slog.String("remedy", "check SLACK_APP_TOKEN: at api.slack.com/apps, Basic Information, App-Level Tokens, make one with connections:write; and turn Socket Mode on"),
			slog.Duration("again_in", permanentPause))
		return permanentPause
	}
	wait := max(jitter(pause), c.opt.Wait(err))
	c.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "no socket mode connection", slog.String("error", err.Error()), slog.Duration("again_in", wait))
	return wait
}

func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
