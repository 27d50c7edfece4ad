//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// TestDurabilityInWords starts servers of every kind and reads what the queue says that a
// crash takes.
func TestDurabilityInWords(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"always":    {always, []string{"appendfsync always", "nothing"}},
		"everysec":  {everysec, []string{"everysec", "1 to 2 seconds"}},
		"no fsync":  {[]string{"--appendonly", "yes", "--appendfsync", "no"}, []string{"appendfsync no", "30 seconds"}},
		"nothing":   {nil, []string{"no snapshots", "everything", "appendonly yes"}},
		"snapshots": {[]string{"--save", "900 1"}, []string{"since its last snapshot", "appendonly yes"}},
		"evicting":  {append([]string{"--maxmemory-policy", "allkeys-lru"}, always...), []string{"appendfsync always", "allkeys-lru", "noeviction"}},
		"a service that forbids CONFIG": {
			append([]string{"--rename-command", "CONFIG", "", "--maxmemory-policy", "allkeys-random"}, always...),
			[]string{"append-only file on", "not told", "allkeys-random"},
		},
		"a service that forbids CONFIG and has no file": {[]string{"--rename-command", "CONFIG", ""}, []string{"no append-only file", "appendonly yes"}},
		"a service that tells nothing": {
			append([]string{"--rename-command", "CONFIG", "", "--rename-command", "INFO", ""}, always...), []string{"does not tell"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newServer(t, tc.args...).open(redis.Options{})
			s, err := q.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(s.Durability, want) {
					t.Errorf("Durability = %q, want it to say %q", s.Durability, want)
				}
			}
		})
	}
}

// TestFullMemory: a server that has no memory left is a full queue, and takes events
// again when it has some.
func TestFullMemory(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
	q := s.open(redis.Options{})
	body := []byte(strings.Repeat("x", 50_000))
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = q.Publish(t.Context(), event.Event{Source: "slack", ID: fmt.Sprint(n), Raw: body})
	}
	if !errors.Is(err, queue.ErrFull) {
		t.Fatalf("Publish number %d into a server without memory: %v, want ErrFull", n, err)
	}
	if err := s.client().ConfigSet(context.Background(), "maxmemory", "100mb").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "again", Raw: body}); err != nil {
		t.Errorf("Publish with memory again: %v", err)
	}
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Accepted != int64(n) || stats.Events != int64(n) || stats.SeenIDs != int64(n) {
		t.Errorf("Stats = %+v, %v, want %d events and as many ids: nothing half stored", stats, err, n)
	}
}
