//go:build unix

package redis_test

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/internal/requires"
	"slackmcp/internal/testservers"
	"slackmcp/store/redis"
)

// A server is a redis-server of a test's own, with an append-only file in a directory of
// its own and a free port. It can be killed, paused and started again.
type server struct {
	t    testing.TB
	port string
	dir  string
	args []string
	cmd  *exec.Cmd
}

// newServer starts a server; args are added to its command line.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	return newServerAt(t, freePort(t), args...)
}

func newServerAt(t testing.TB, port string, args ...string) *server {
	t.Helper()
	s := &server{t: t, port: port, dir: t.TempDir(), args: args}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// everysec and always are when the append-only file is synced.
var (
	everysec = []string{"--appendonly", "yes", "--appendfsync", "everysec"}
	always   = []string{"--appendonly", "yes", "--appendfsync", "always"}
)

// Start implements backendtest.Server.
func (s *server) Start() {
	s.t.Helper()
	path := requires.Program(s.t, "redis-server", "apt-get install redis-server")
	log := filepath.Join(s.dir, "redis.log")
	args := append([]string{
		"--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--daemonize", "no", "--logfile", log,
	}, s.args...)
	s.cmd = exec.Command(path, args...)
	s.cmd.SysProcAttr = testservers.Bound()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer c.Close()
	deadline := time.Now().Add(90 * time.Second)
	for {
		if err := c.Ping(context.Background()).Err(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			s.t.Fatalf("redis-server does not answer:\n%s", text)
		}
		pause(5 * time.Millisecond)
	}
}

// Addr implements backendtest.Server.
func (s *server) Addr() string { return net.JoinHostPort("127.0.0.1", s.port) }
func (s *server) url() string  { return "redis://" + s.Addr() + "/0" }

// Pause and Resume implement backendtest.Server.
func (s *server) Pause()  { s.signal(syscall.SIGSTOP) }
func (s *server) Resume() { s.signal(syscall.SIGCONT) }

// Kill ends the server as a crash would.
func (s *server) Kill() {
	if s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// client returns a plain client.
func (s *server) client() *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
	s.t.Cleanup(func() { c.Close() })
	return c
}

// open opens a queue on the server.
func (s *server) open(o redis.Options) *redis.Store {
	s.t.Helper()
	o.URL = s.url()
	q, err := redis.Open(context.Background(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := q.Close(); err != nil {
			s.t.Errorf("Close: %v", err)
		}
	})
	return q
}

// freePort finds a port on which no program listens, low enough for the second port that a
// node of a cluster has, 10,000 above.
func freePort(t testing.TB) string {
	t.Helper()
	return freePorts(t, 20_000, 50_000, 0)
}

// freeBusPort is a port for a node of a cluster, whose bus listens 10,000 above: both are
// free, and neither is one that the system gives to connections.
func freeBusPort(t testing.TB) string {
	t.Helper()
	return freePorts(t, 10_000, 22_000, 10_000)
}

// freePorts finds a free port in a range, whose neighbour so far above is free, too.
func freePorts(t testing.TB, low, high, above int) string {
	t.Helper()
	for range 1000 {
		port := low + rand.IntN(high-low)
		if free(port) && free(port+above) {
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port")
	return ""
}

func free(port int) bool {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err == nil {
		_ = l.Close()
	}
	return err == nil
}

// pause waits on a timer: between looks at what another process does.
func pause(d time.Duration) { <-time.After(d) }

// snapshot saves the server's data and returns it.
func snapshot(t *testing.T, s *server) []byte {
	t.Helper()
	if err := s.client().Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	dump, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	return dump
}

// restore starts a killed server with data of another time.
func restore(t *testing.T, s *server, dump []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "dump.rdb"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
}
