//go:build unix

package testservers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	goredis "github.com/redis/go-redis/v9"

	"slackmcp/internal/requires"
)

// A Server is one running database. It ends with its test.
type Server struct {
	// URL is how clients reach it.
	URL string

	t    testing.TB
	port string
	log  string
	argv []string
	ask  func(ctx context.Context) error
	cmd  *exec.Cmd
}

// Redis starts a redis-server that keeps an append-only file. args are added to its
// command line.
func Redis(t testing.TB, args ...string) *Server {
	t.Helper()
	program := requires.Program(t, "redis-server", "apt-get install redis-server")
	port, dir := FreePort(t), t.TempDir()
	s := &Server{t: t, port: port, log: filepath.Join(dir, "redis.log"), URL: "redis://127.0.0.1:" + port + "/0"}
	s.argv = append([]string{
		program, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no",
		"--logfile", s.log, "--appendonly", "yes", "--appendfsync", "everysec",
	}, args...)
	s.ask = func(ctx context.Context) error {
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr()); err != nil {
			return err // which the client would also tell the terminal
		} else if err := conn.Close(); err != nil {
			return err
		}
		c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
		defer c.Close()
		return c.Ping(ctx).Err()
	}
	return s.begin()
}

// NATS starts a nats-server with JetStream. args are added to its command line.
func NATS(t testing.TB, args ...string) *Server {
	t.Helper()
	program := natsServer(t)
	port, dir := FreePort(t), t.TempDir()
	s := &Server{t: t, port: port, log: filepath.Join(dir, "nats.log"), URL: "nats://127.0.0.1:" + port}
	s.argv = append([]string{program, "-a", "127.0.0.1", "-p", port, "-l", s.log, "-js", "-sd", dir}, args...)
	s.ask = func(ctx context.Context) error {
		nc, err := natsgo.Connect(s.URL, natsgo.Timeout(time.Second), natsgo.NoReconnect())
		if err != nil {
			return err
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		_, err = js.AccountInfo(ctx)
		return err
	}
	return s.begin()
}

// natsServer finds the program, also where `go install` puts it.
func natsServer(t testing.TB) string {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), "go", "env", "GOPATH").Output(); err == nil {
		path := filepath.Join(strings.TrimSpace(string(out)), "bin", "nats-server")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return requires.Program(t, "nats-server", "make tools")
}

func (s *Server) begin() *Server {
	s.t.Helper()
	s.Start()
	s.t.Cleanup(s.Kill)
	return s
}

// patience is how long a server may take to answer, on a machine with much else to do.
const patience = 2 * time.Minute

// Start starts it, again with what it stored, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = exec.CommandContext(context.Background(), s.argv[0], s.argv[1:]...)
	s.cmd.SysProcAttr = Bound()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := s.ask(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(s.log)
			s.t.Fatalf("%s does not answer: %v\n%s", s.argv[0], err, text)
		}
	}
}

// Addr is the host and port on which it listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

// Kill ends it as a crash would.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Pause stops its process where it is, and returns when it stands still: a thread that runs
// goes on for a while after the signal, on a busy machine for long enough to answer. Resume
// lets it go on.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(s.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case err == nil && status.Stopped():
			return
		case err != nil && !errors.Is(err, syscall.EINTR):
			s.t.Fatalf("pause: %v", err)
		case err == nil:
			s.t.Fatal("pause: the server has ended")
		}
	}
}

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(fmt.Errorf("signal: %w", err))
	}
}

// FreePort finds a port on which no program listens.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 20_000 + rand.IntN(30_000)
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port")
	return ""
}
