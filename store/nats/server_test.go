//go:build unix

package nats_test

import (
	"context"
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

	"slackmcp/internal/requires"
	"slackmcp/internal/testservers"
)

// A server is a nats-server of a test's own, with JetStream in a directory of its own and
// a free port. It can be killed, paused and started again.
type server struct {
	t    testing.TB
	user string // user and password with an at sign behind, or ""
	js   bool
	port string
	dir  string
	args []string
	cmd  *exec.Cmd
}

// newServer starts a server; args are added to its command line.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	return newServerAt(t, "", args...)
}

// newServerAt starts a server that wants a user.
func newServerAt(t testing.TB, user string, args ...string) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t), dir: t.TempDir(), user: user, js: true, args: args}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// newServerWithout starts a server without JetStream.
func newServerWithout(t testing.TB) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t), dir: t.TempDir()}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// program finds nats-server, also where `go install` puts it.
func program(t testing.TB) string {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), "go", "env", "GOPATH").Output(); err == nil {
		path := filepath.Join(strings.TrimSpace(string(out)), "bin", "nats-server")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return requires.Program(t, "nats-server", "make tools")
}

// Start implements backendtest.Server.
func (s *server) Start() {
	s.t.Helper()
	s.launch()
	s.answers()
}

// launch starts the process.
func (s *server) launch() {
	s.t.Helper()
	args := append([]string{"-a", "127.0.0.1", "-p", s.port, "-l", s.log()}, s.args...)
	if s.js {
		args = append(args, "-js", "-sd", s.dir)
	}
	s.cmd = exec.Command(program(s.t), args...)
	s.cmd.SysProcAttr = testservers.Bound()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) log() string { return filepath.Join(s.dir, "nats.log") }

// answers waits until JetStream has an account to tell of.
func (s *server) answers() {
	s.t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for {
		err := ask(s.url(), s.js)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(s.log())
			s.t.Fatalf("nats-server does not answer: %v\n%s", err, text)
		}
		pause(5 * time.Millisecond)
	}
}

func ask(url string, jetStream bool) error {
	nc, err := natsgo.Connect(url, natsgo.Timeout(time.Second), natsgo.NoReconnect())
	if err != nil {
		return err
	}
	defer nc.Close()
	if !jetStream {
		return nil
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = js.AccountInfo(ctx)
	return err
}

// Addr implements backendtest.Server.
func (s *server) Addr() string { return net.JoinHostPort("127.0.0.1", s.port) }
func (s *server) url() string  { return "nats://" + s.user + s.Addr() }

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

func freePort(t testing.TB) string {
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

// pause waits on a timer: between looks at what another process does.
func pause(d time.Duration) { <-time.After(d) }
