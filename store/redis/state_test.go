//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/internal/testservers"
	"slackmcp/store/redis"
	"slackmcp/store/storetest"
)

// TestStateCommandsOfRedis62 holds every command that the scripts of small values and the follower send against
// the server's own table of which version brought it.
func TestStateCommandsOfRedis62(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"evalsha": true, "xread": true, "xrevrange": true, "zrangebylex": true, "ping": true}
	scripts, err := filepath.Glob("lua/state-*.lua")
	if err != nil || len(scripts) != 6 {
		t.Fatalf("scripts: %v, %v", scripts, err)
	}
	call := regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			used[strings.ToLower(m[1])] = true
		}
	}
	if len(used) < 12 {
		t.Errorf("only %d commands were found: has the way of calling them changed?", len(used))
	}
	c := goredis.NewClient(&goredis.Options{Addr: testservers.Redis(t).Addr()})
	defer c.Close()
	for command := range used {
		doc, err := c.Do(t.Context(), "COMMAND", "DOCS", command).Result()
		if err != nil {
			t.Fatal(err)
		}
		since := ""
		for _, d := range doc.(map[any]any) {
			since, _ = d.(map[any]any)["since"].(string)
		}
		if since == "" || slices.Compare(strings.Split(since, "."), []string{"6", "2", "99"}) > 0 {
			t.Errorf("%s came with Redis %q, want 6.2 or before", command, since)
		}
	}
}

func TestStateConformance(t *testing.T) {
	t.Parallel()
	server := testservers.Redis(t)
	var places atomic.Int64
	storetest.RunState(t, storetest.StateHarness{
		Persistent: true, Shared: true,
		Place: func(testing.TB) string { return fmt.Sprintf("topic.%d", places.Add(1)) },
		Open: func(t testing.TB, place string) storetest.StateStore {
			t.Helper()
			s, err := redis.Open(t.Context(), redis.Options{URL: server.URL, Topic: place, MaxConnections: 5, StateOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			return storetest.StateOf(s)
		},
	})
}

func TestStateAway(t *testing.T) {
	t.Parallel()
	server := testservers.Redis(t)
	storetest.Away(t, server, func(t testing.TB) storetest.StateStore {
		t.Helper()
		s, err := redis.Open(context.Background(), redis.Options{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.StateOf(s)
	})
}
