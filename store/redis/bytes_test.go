package redis_test

import (
	"strconv"
	"strings"
	"testing"

	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// TestBytesAreOfTheEvents has another program fill most of a Redis: its bytes are none of the store's, and the store has
// only what is left.
func TestBytesAreOfTheEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const others, room = 16 << 20, 16 << 20
	c := s.client()
	if err := c.Set(t.Context(), "other", strings.Repeat("x", others), 0).Err(); err != nil {
		t.Fatal(err)
	}
	q := s.open(redis.Options{})
	defer q.Close()
	const n, body = 100, 1000
	for i := range n {
		if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: strconv.Itoa(i), Raw: []byte(strings.Repeat("x", body))}); err != nil {
			t.Fatal(err)
		}
	}
	_, used, _ := strings.Cut(c.Info(t.Context(), "memory").Val(), "used_memory:")
	used, _, _ = strings.Cut(used, "\r\n")
	most, err := strconv.Atoi(used)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(most+room)).Err(); err != nil {
		t.Fatal(err)
	}
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Bytes < n*body || stats.Bytes > 4*n*body {
		t.Errorf("%d bytes are taken (%v), want about %d", stats.Bytes, err, n*body)
	}
	if most := stats.MostBytes - stats.Bytes; most <= 0 || most > room*5/4 {
		t.Errorf("%d bytes more may be taken, want about %d", most, room)
	}
}
