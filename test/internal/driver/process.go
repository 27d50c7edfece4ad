// Package driver starts the shipped binary for measurements and posts signed events to it
// at a steady rate, from a process of its own. It is imported by the commands of test
// alone.
package driver

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	signingSecret = "a-signing-secret-of-the-load-driver"
	// Token opens the server's MCP side.
	Token    = "a-token-of-the-load-driver-0123"
	patience = 20 * time.Second
)

// A Process is the server under measurement.
type Process struct {
	// Base is its address.
	Base string

	cmd *exec.Cmd
	dir string
}

// Start runs the server on a free port of the loopback, with a fresh store, and waits
// until it is ready. args are added to its command line.
func Start(ctx context.Context, server string, args ...string) (*Process, error) {
	return StartWith(ctx, server, nil, args...)
}

// StartWith is [Start] with further environment variables, which win over its own.
func StartWith(ctx context.Context, server string, env []string, args ...string) (*Process, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fanout")
	if err != nil {
		return nil, err
	}
	p := &Process{Base: "http://" + addr, dir: dir}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, server, append([]string{
		"--no-env-file", "--host", "127.0.0.1", "--port", port,
		"--data-dir", dir, "--log-level", "error",
	}, args...)...)
	// Slack is out of reach, which is a warning; nothing here calls it.
	p.cmd.Env = append(p.cmd.Environ(), "SLACK_SIGNING_SECRET="+signingSecret, "SLACK_BOT_TOKEN=xoxb-fanout",
		"SLACK_API_URL=http://127.0.0.1:1/", "MCP_AUTH_TOKEN="+Token)
	p.cmd.Env = append(p.cmd.Env, env...)
	logs, err := os.Create(dir + "/server.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := Poll(ctx, func() error { return p.ready(ctx) }); err != nil {
		said, _ := os.ReadFile(dir + "/server.log")
		p.Stop()
		return nil, fmt.Errorf("the server is not ready: %w\n%s", err, said)
	}
	return p, nil
}

func (p *Process) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Base+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz answered %d", res.StatusCode)
	}
	return nil
}

// Poll tries until it works, the patience ends or ctx does.
func Poll(ctx context.Context, try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
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

// Stop ends the server, removes what it kept, and returns what it has written.
func (p *Process) Stop() (logs string) {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
	b, _ := os.ReadFile(p.dir + "/server.log")
	_ = os.RemoveAll(p.dir)
	return string(b)
}

// Descriptors is how many files and connections the server has open.
func (p *Process) Descriptors() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(list)
}

// Goroutines is how many the server runs now, as it says itself.
func (p *Process) Goroutines(ctx context.Context) (int, error) {
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
		if n, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, fmt.Errorf("/metrics answered %d, without go_goroutines", res.StatusCode)
}

// goroutineSlack is how many more goroutines a server may keep than it began with: two
// for each idle connection of this driver.
const goroutineSlack = 32

// fdSlack is how many more files a server may keep than it began with: idle
// connections of this driver.
const fdSlack = 16

// AwaitQuiet waits until the server let go of the streams and of what ran for them.
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

// CPU is what the server has spent so far.
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
