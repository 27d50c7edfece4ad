// Package driver starts programs for measurements, posts signed events to the server at a
// steady rate, and follows its resources as MCP clients do, from a process of its own. The
// commands of test import it, and nothing else.
package driver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	// SigningSecret signs the events.
	SigningSecret = "a-signing-secret-of-the-load-driver"
	// Token opens the server's MCP side.
	Token = "a-token-of-the-load-driver-0123"
	// patience is how long a program may take to become ready.
	patience = 20 * time.Second
)

// A Command is a program to start. In Args and Env, {port} stands for a free port of the
// loopback and {dir} for a directory that lasts as long as the process.
type Command struct {
	// Args is the command line, the program first.
	Args []string
	// Env is added to PATH, HOME and TMPDIR; nothing else of the environment is handed on.
	Env []string
	// Ready is the path that answers 200 once the program is ready; if it is empty, any
	// answer shows that.
	Ready string
}

// A Process is a program under measurement.
type Process struct {
	// Base is its address, as a URL without a path.
	Base string
	// Took is the time from its start until it was ready.
	Took time.Duration

	cmd *exec.Cmd
	dir string
}

// Start runs the server on a free port of the loopback, with a fresh store, and waits
// until it is ready. args are added to its command line. No Slack is in reach.
func Start(ctx context.Context, server string, args ...string) (*Process, error) {
	return StartWith(ctx, server, nil, args...)
}

// StartWith is [Start] with further environment variables, which win over its own.
func StartWith(ctx context.Context, server string, env []string, args ...string) (*Process, error) {
	own := []string{
		"SLACK_SIGNING_SECRET=" + SigningSecret, "SLACK_BOT_TOKEN=xoxb-driver",
		"SLACK_API_URL=http://127.0.0.1:1/", "MCP_AUTH_TOKEN=" + Token,
	}
	return Launch(ctx, Command{
		Args: append([]string{
			server, "--no-env-file", "--host", "127.0.0.1", "--port", "{port}", "--data-dir", "{dir}/data", "--log-level", "error",
		}, args...),
		Env:   append(own, env...),
		Ready: "/readyz",
	})
}

// Launch runs a command and waits until it is ready.
func Launch(ctx context.Context, c Command) (*Process, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "driver")
	if err != nil {
		return nil, err
	}
	p := &Process{Base: "http://127.0.0.1:" + port, dir: dir}
	fill := strings.NewReplacer("{port}", port, "{dir}", dir)
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = fill.Replace(a)
	}
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir()}
	for _, e := range c.Env {
		p.cmd.Env = append(p.cmd.Env, fill.Replace(e))
	}
	logs, err := os.Create(p.log())
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := Poll(ctx, func() error { return p.ready(ctx, c.Ready) }); err != nil {
		return nil, fmt.Errorf("%s is not ready: %w\n%s", args[0], err, p.Stop())
	}
	p.Took = time.Since(began)
	return p, nil
}

// freePort finds a port below those that the system gives to clients, which take any of
// theirs at any time.
func freePort(ctx context.Context) (string, error) {
	var err error
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		l, e := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:"+port)
		if e == nil {
			return port, l.Close()
		}
		err = e
	}
	return "", err
}

func (p *Process) ready(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Base+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if path != "" && res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", path, res.StatusCode)
	}
	return nil
}

// Poll tries every 2 ms until it works, 20 s have passed or ctx ends.
func Poll(ctx context.Context, try func() error) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stop ends the process, removes its directory, and returns what it has written.
func (p *Process) Stop() (logs string) {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
	logs = p.Logs()
	_ = os.RemoveAll(p.dir)
	return logs
}

// Logs is what the process has written so far.
func (p *Process) Logs() string {
	b, _ := os.ReadFile(p.log())
	return string(b)
}

func (p *Process) log() string { return filepath.Join(p.dir, "output.log") }

// Descriptors is how many files and connections the server has open.
func (p *Process) Descriptors() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(list)
}

// Goroutines is how many the server runs now, by its own metrics.
func (p *Process) Goroutines(ctx context.Context) (int, error) {
	n, err := p.Metric(ctx, "go_goroutines")
	return int(n), err
}

// Metric reads one of the server's metrics that has no labels.
func (p *Process) Metric(ctx context.Context, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(n, 64)
		}
	}
	return 0, fmt.Errorf("/metrics answered %d, without %s", res.StatusCode, name)
}

// How many more goroutines and files a server may keep than it began with: what idle
// connections of this driver take.
const (
	goroutineSlack = 32
	fdSlack        = 16
)

// AwaitQuiet waits until the server has closed the streams and ended what ran for them.
func (p *Process) AwaitQuiet(ctx context.Context, fds, goroutines int) error {
	return Poll(ctx, func() error {
		if n := p.Descriptors(); n > fds+fdSlack {
			return fmt.Errorf("the server still has %d files open, it began with %d", n, fds)
		}
		n, err := p.Goroutines(ctx)
		if err == nil && n > goroutines+goroutineSlack {
			err = fmt.Errorf("the server still runs %d goroutines, it began with %d", n, goroutines)
		}
		return err
	})
}

// Memory is the resident memory in MiB, at its peak and now.
func (p *Process) Memory() (peak, now float64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmHWM":
			peak = kib / 1024
		case "VmRSS":
			now = kib / 1024
		}
	}
	return peak, now
}

// clockTick is the unit of the times in /proc/pid/stat on Linux.
const clockTick = 10 * time.Millisecond

// CPU is the user and system time that the process has used so far.
func (p *Process) CPU() time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	sys, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+sys) * clockTick
}

// Heading says on what and when a table was made.
func Heading() string {
	return fmt.Sprintf("%s, %d cores, %s", runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
}

// Replace puts text between the markers <!-- name:begin --> and <!-- name:end --> of a
// document.
func Replace(path, name, text string) error {
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no markers %s … %s", path, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(head+begin+text+end+tail), 0o644)
}
