//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/internal/requires"
	"slackmcp/internal/testservers"
	"slackmcp/store/internal/backendtest"
	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// A cluster is three masters. Killing it kills the one that has the events.
type cluster struct {
	*server // the one that was killed last
	nodes   []*server
}

func newCluster(t *testing.T, sync []string) *cluster {
	t.Helper()
	var nodes []*server
	for range 3 {
		nodes = append(nodes, newServerAt(t, freeBusPort(t), append([]string{"--cluster-enabled", "yes"}, sync...)...))
	}
	const slots = 16384
	for i, n := range nodes {
		args := []any{"CLUSTER", "ADDSLOTS"}
		for slot := i * slots / 3; slot < (i+1)*slots/3; slot++ {
			args = append(args, slot)
		}
		must(t, n.client().Do(t.Context(), args...).Err())
		must(t, n.client().Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", nodes[0].port).Err())
	}
	c := &cluster{server: nodes[0], nodes: nodes}
	for _, n := range nodes {
		eventually(t, n.clustered)
	}
	return c
}

// clustered reports whether a node sees the whole cluster well.
func (s *server) clustered() error {
	info, err := s.client().ClusterInfo(context.Background()).Result()
	if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3")) {
		err = fmt.Errorf("cluster is not ready: %s", info)
	}
	return err
}

// Kill implements backendtest.Server.
func (c *cluster) Kill() {
	for _, n := range c.nodes {
		if keys, err := n.client().DBSize(context.Background()).Result(); err == nil && keys > 0 {
			c.server = n
		}
	}
	c.server.Kill()
}

// TestClusterKill kills the master that has the events, and starts it again.
func TestClusterKill(t *testing.T) {
	t.Parallel()
	c := newCluster(t, always)
	r := rigOn("redis://" + c.nodes[0].Addr() + "?cluster=true&addr=" + c.nodes[1].Addr() + "&addr=" + c.nodes[2].Addr() + " rig")
	r.Server, r.Name = c, "redis cluster of three masters, appendfsync always"
	r.Kills(t, max(backendtest.KillCount()/2, 1))
}

// TestCluster uses a cluster of three masters: all keys of a topic live on one of them.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, everysec).nodes
	for name, url := range map[string]string{
		"cluster=true": "redis://" + nodes[0].Addr() + "?cluster=true",
		"addresses":    "redis://" + nodes[1].Addr() + "?addr=" + nodes[2].Addr() + "&addr=" + nodes[0].Addr(),
	} {
		exercise2(t, name, url)
	}
	owners := 0
	for _, n := range nodes {
		keys, err := n.client().DBSize(t.Context()).Result()
		must(t, err)
		if keys > 0 {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("the keys of one topic are on %d nodes, want one", owners)
	}
}

// exercise2 is exercise with a reader that follows.
func exercise2(t *testing.T, name, url string) {
	t.Helper()
	t.Log(name)
	q, err := redis.Open(t.Context(), redis.Options{URL: url})
	must(t, err)
	t.Cleanup(func() { _ = q.Close() })
	r := attach(t, q)
	before, err := q.Stats(t.Context())
	must(t, err)
	for i := range 20 {
		_, err := q.Publish(t.Context(), event.Event{Source: url, ID: fmt.Sprint(i), Raw: []byte("{}")})
		must(t, err)
	}
	eventually(t, func() error {
		s, err := q.Stats(t.Context())
		if err == nil && (s.Accepted != before.Accepted+20 || len(s.Groups) != 1 || s.Groups[0].Done != s.Accepted) {
			err = fmt.Errorf("%+v, want 20 more accepted and done", s)
		}
		return err
	})
	eventually(t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.seen) != int(before.Accepted)+20 {
			return fmt.Errorf("the tail saw %d", len(r.seen))
		}
		return nil
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A sentinel watches a master and has its replica take over.
type sentinel struct{ addr string }

func newSentinel(t *testing.T, master *server) sentinel {
	t.Helper()
	path := requires.Program(t, "redis-server", "apt-get install redis-server")
	port, dir := freePort(t), t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\nsentinel monitor mymaster 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 5000\n",
		port, dir, filepath.Join(dir, "log"), master.port)
	must(t, os.WriteFile(conf, []byte(text), 0o600))
	cmd := exec.Command(path, conf, "--sentinel")
	cmd.SysProcAttr = testservers.Bound()
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s := sentinel{addr: net.JoinHostPort("127.0.0.1", port)}
	c := goredis.NewSentinelClient(&goredis.Options{Addr: s.addr})
	t.Cleanup(func() { _ = c.Close() })
	eventually(t, func() error {
		replicas, err := c.Replicas(context.Background(), "mymaster").Result()
		if err == nil && (len(replicas) != 1 || replicas[0]["flags"] != "slave" || replicas[0]["master-link-status"] != "ok") {
			err = fmt.Errorf("the sentinel sees %v", replicas)
		}
		return err
	})
	return s
}

// A pair is a master and its replica; killing it kills the master, and starting it again
// waits for the replica to have its place. That can be done once.
type pair struct {
	*server
	replica *server
}

// Start implements backendtest.Server.
func (p pair) Start() {
	p.t.Helper()
	c := p.replica.client()
	deadline := time.Now().Add(90 * time.Second)
	for {
		info, err := c.Info(context.Background(), "replication").Result()
		if err == nil && strings.Contains(info, "role:master") {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the replica did not become master: %v\n%s", err, info)
		}
		pause(10 * time.Millisecond)
	}
}

// TestSentinelFailover kills the master under load; the replica takes its place. What
// was acknowledged and not replicated is lost; all else is there, worked and seen.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	master := newServer(t, everysec...)
	replica := newServer(t, append([]string{"--replicaof", "127.0.0.1 " + master.port}, everysec...)...)
	s := newSentinel(t, master)
	r := rigOn("redis://" + s.addr + "?master_name=mymaster rig")
	r.Server, r.MayLose, r.Name = pair{master, replica}, 2*time.Second, "redis with Sentinel, the master lost for good"
	r.Kills(t, 1)
}
