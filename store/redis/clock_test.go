package redis_test

import (
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// TestEventsOfAClockThatWasAheadKeepNothing has events that the database accepted while its clock was a year ahead,
// more than a step of retention looks at, before others: all of them end once the others are old, and their ids.
func TestEventsOfAClockThatWasAheadKeepNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := s.open(redis.Options{RetentionAge: 3 * time.Second, DedupeTTL: 3 * time.Second})
	defer q.Close()
	publish := func(from, n int) {
		for i := range n {
			if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: strconv.Itoa(from + i), Raw: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, keys := s.client(), redis.PublishKeys("slack.events")
	const early = 300
	publish(0, early)
	// The same events, as they would be there.
	meta, log, ids := keys[0], keys[1], keys[3]
	list, err := c.XRange(t.Context(), log, "-", "+").Result()
	if err != nil || len(list) == 0 {
		t.Fatalf("the log has %d events, %v", len(list), err)
	}
	ahead := strconv.FormatInt(time.Now().AddDate(1, 0, 0).UnixMicro(), 10)
	p := c.TxPipeline()
	p.Del(t.Context(), log)
	for _, m := range list {
		p.XAdd(t.Context(), &goredis.XAddArgs{Stream: log, ID: m.ID, Values: []any{"m", m.Values["m"], "a", ahead, "d", m.Values["d"], "e", m.Values["e"]}})
	}
	p.HSet(t.Context(), meta, "head", ahead)
	places := c.HGetAll(t.Context(), ids).Val()
	for digest, place := range places {
		p.HSet(t.Context(), ids, digest, place[:len(place)-len(ahead)]+ahead)
	}
	if _, err := p.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(early, 3)
	for end := time.Now().Add(40 * time.Second); ; pause(100 * time.Millisecond) {
		stats, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Events == 0 && stats.SeenIDs == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d events and %d ids are kept", stats.Events, stats.SeenIDs)
		}
	}
}
