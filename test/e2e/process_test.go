package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the path of the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	if order := os.Getenv(attackEnv); order != "" {
		os.Exit(attackMain(order))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "slack-webhook-server")
		build := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, "slackmcp/cmd/slack-webhook-server")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

const (
	signingSecret = "e2e-signing-secret"
	authToken     = "e2e-auth-token-0123456789"
)

// A process is a running server.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	logs *safeBuffer
	done chan struct{}
}

// options say how a server is started.
type options struct {
	args []string
	env  []string
	// wrap is put before the command, for example strace and its flags.
	wrap []string
	// program is the server's; empty is the program under test.
	program string
	port    string
	data    string
}

// start runs the binary on a free port of the loopback and waits until it is ready.
func start(t testing.TB, o options) *process {
	t.Helper()
	p := spawn(t, o)
	if err := p.awaitReady(20 * time.Second); err != nil {
		p.kill()
		t.Fatalf("start: %v\n%s", err, p.logs)
	}
	return p
}

func spawn(t testing.TB, o options) *process {
	t.Helper()
	if o.port == "" {
		o.port = freePort(t)
	}
	if o.data == "" {
		o.data = t.TempDir()
	}
	args := append([]string{"--host", "127.0.0.1", "--port", o.port, "--no-env-file", "--data-dir", o.data}, o.args...)
	line := append(append([]string{}, o.wrap...), cmp.Or(o.program, binary))
	line = append(line, args...)
	p := &process{t: t, url: "http://127.0.0.1:" + o.port, logs: &safeBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + o.data, "TMPDIR=" + os.TempDir(),
		"SLACK_SIGNING_SECRET=" + signingSecret, "MCP_AUTH_TOKEN=" + authToken,
	}, o.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.logs, p.logs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", line, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.kill()
		p.keepsSecrets(o)
	})
	return p
}

// awaitReady polls /readyz until it answers 200 or the process ends.
func (p *process) awaitReady(within time.Duration) error {
	deadline := time.After(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := http.Get(p.url + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.done:
			return errors.New("the process ended")
		case <-deadline:
			return fmt.Errorf("not ready within %s", within)
		}
	}
}

// kill ends the process and what it wraps with SIGKILL and waits for its end.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// stop asks the process to end and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	// To the whole group: strace keeps what it is sent from what it traces.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
		p.t.Errorf("the process did not end within 20 s of SIGTERM\n%s", p.logs)
	}
	return p.cmd.ProcessState.ExitCode()
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// get fetches a path and returns status and body.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
	return res.StatusCode, string(b)
}

// safeBuffer is a bytes.Buffer that may be read while the process writes to it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually calls fn every few milliseconds until it returns nil, and fails the test
// with its last error after the time given.
func eventually(t testing.TB, within time.Duration, fn func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := fn()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %s: %v", within, err)
		}
	}
}
