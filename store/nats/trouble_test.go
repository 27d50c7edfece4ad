//go:build unix

package nats_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"slackmcp/store/internal/backendtest"
	"slackmcp/store/nats"
	"slackmcp/store/queue"
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
	return nats.Open(ctx, nats.Options{URL: url, Topic: topic, Lease: lease})
}

func rig(t testing.TB) backendtest.Rig {
	t.Helper()
	s := newServer(t)
	return backendtest.Rig{Name: "nats", Server: s, Place: s.url() + " rig", Open: func(t testing.TB, place string) queue.Queue {
		t.Helper()
		q, err := open(context.Background(), place)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}}
}

func TestKill(t *testing.T) {
	t.Parallel()
	rig(t).Kills(t, backendtest.KillCount())
}

func TestPause(t *testing.T) {
	t.Parallel()
	rig(t).Pauses(t, backendtest.PauseTime())
}

func TestAway(t *testing.T) {
	t.Parallel()
	rig(t).Away(t)
}

func TestConsumersCrash(t *testing.T) {
	t.Parallel()
	rig(t).Crashes(t, 10)
}
