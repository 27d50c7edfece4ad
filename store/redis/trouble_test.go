//go:build unix

package redis_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"slackmcp/store/internal/backendtest"
	"slackmcp/store/queue"
	"slackmcp/store/redis"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait far more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	backendtest.Main(m, open)
}

// lease is short, so that what the dead held is taken over soon.
const lease = 500 * time.Millisecond

// open opens a queue at a place, which is a URL and a topic with a space between.
func open(ctx context.Context, place string) (queue.Queue, error) {
	url, topic, _ := strings.Cut(place, " ")
	return redis.Open(ctx, redis.Options{URL: url, Topic: topic, Lease: lease})
}

// rig starts a server.
func rig(t testing.TB, args ...string) backendtest.Rig {
	t.Helper()
	s := newServer(t, args...)
	r := rigOn(s.url() + " rig")
	r.Server, r.Name = s, "redis, appendfsync "+args[len(args)-1]
	return r
}

func rigOn(place string) backendtest.Rig {
	return backendtest.Rig{Place: place, Open: func(t testing.TB, place string) queue.Queue {
		t.Helper()
		q, err := open(context.Background(), place)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}}
}

func TestKillAlways(t *testing.T) {
	t.Parallel()
	rig(t, always...).Kills(t, backendtest.KillCount())
}

// TestKillEverysec: with this policy redis-server holds writes back while a sync runs,
// and answers all the same, so that its crash may take what it answered last.
func TestKillEverysec(t *testing.T) {
	t.Parallel()
	r := rig(t, everysec...)
	r.MayLose = 2 * time.Second
	r.Kills(t, backendtest.KillCount())
}

func TestPause(t *testing.T) {
	t.Parallel()
	rig(t, everysec...).Pauses(t, backendtest.PauseTime())
}

func TestPauseAlways(t *testing.T) {
	t.Parallel()
	rig(t, always...).Pauses(t, backendtest.PauseTime())
}

func TestAway(t *testing.T) {
	t.Parallel()
	rig(t, everysec...).Away(t)
}

func TestConsumersCrash(t *testing.T) {
	t.Parallel()
	rig(t, everysec...).Crashes(t, 10)
}
