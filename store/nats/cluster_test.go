//go:build unix

package nats_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"slackmcp/store/internal/backendtest"
	"slackmcp/store/nats"
	"slackmcp/store/queue"
)

// A cluster is three servers; killing it kills one of them, another one each time.
type cluster struct {
	nodes []*server
	turn  int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	var routes []string
	var ports []string
	for range 3 {
		port := freePort(t)
		ports = append(ports, port)
		routes = append(routes, "nats://"+net.JoinHostPort("127.0.0.1", port))
	}
	for i := range 3 {
		s := &server{t: t, port: freePort(t), dir: t.TempDir(), js: true, args: []string{
			"--name", fmt.Sprint("n", i), "--cluster_name", "c", "--cluster", "nats://127.0.0.1:" + ports[i], "--routes", strings.Join(routes, ","),
		}}
		s.launch()
		t.Cleanup(s.Kill)
		c.nodes = append(c.nodes, s)
	}
	for _, s := range c.nodes {
		s.answers()
	}
	return c
}

func (c *cluster) url() string {
	return c.nodes[0].url() + "," + c.nodes[1].url() + "," + c.nodes[2].url()
}

// Kill implements backendtest.Server.
func (c *cluster) Kill() { c.nodes[c.turn%3].Kill() }

// Start implements backendtest.Server.
func (c *cluster) Start() {
	c.nodes[c.turn%3].Start()
	c.turn++
}

// Pause, Resume and Addr implement backendtest.Server; they are of one node.
func (c *cluster) Pause()       { c.nodes[0].Pause() }
func (c *cluster) Resume()      { c.nodes[0].Resume() }
func (c *cluster) Addr() string { return c.nodes[0].Addr() }

// TestClusterLosesOne kills one server of three after the other under load.
func TestClusterLosesOne(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	backendtest.Rig{Name: "nats cluster of three, R3, one after the other", Server: c, Place: c.url(), Open: func(t testing.TB, place string) queue.Queue {
		t.Helper()
		q, err := nats.Open(context.Background(), nats.Options{URL: place, Replicas: 3, Lease: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}}.Kills(t, max(backendtest.KillCount()/4, 1))
}
