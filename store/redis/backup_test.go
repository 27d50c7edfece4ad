//go:build unix

package redis_test

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"slackmcp/internal/requires"
	"slackmcp/internal/testservers"
	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// TestTheEnginesOwnBackup copies Redis with redis-cli --rdb while it is used, and starts another one on the copy: it has
// the events with their positions, the seen ids, the groups and the small values.
func TestTheEnginesOwnBackup(t *testing.T) {
	t.Parallel()
	cli := requires.Program(t, "redis-cli", "apt-get install redis-tools")
	s := newServer(t, everysec...)
	q, err := redis.Open(t.Context(), redis.Options{URL: s.url()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	one := event.Event{Source: "slack", ID: "1", Raw: []byte("{}")}
	receipt, err := q.Publish(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := q.Consume(ctx, queue.Group{Name: "g", Workers: 1}, func(context.Context, queue.Delivery) error { stop(); return nil }); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), cli, "-p", port, "--rdb", filepath.Join(dir, "dump.rdb")).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --rdb: %v: %s", err, out)
	}
	again, err := redis.Open(t.Context(), redis.Options{URL: testservers.Redis(t, "--dir", dir, "--appendonly", "no").URL})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if r, err := again.Publish(t.Context(), one); err != nil || !r.Duplicate || r.Position != receipt.Position {
		t.Errorf("the event in the copy is %+v, %v, want a duplicate at %s", r, err, receipt.Position)
	}
	if v, err := again.State().Get(t.Context(), "key"); err != nil || string(v.Value) != "value" {
		t.Errorf("a small value in the copy is %q, %v", v.Value, err)
	}
	if stats, err := again.Stats(t.Context()); err != nil || len(stats.Groups) != 1 || stats.Groups[0].Done != 1 {
		t.Errorf("the groups in the copy are %+v, %v, want one that has done its event", stats.Groups, err)
	}
}
