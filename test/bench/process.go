package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	addr string
	dir  string
	// anyAnswer says that whatever is answered shows that the server is ready.
	anyAnswer bool
}

// start runs the variant on a free port with a fresh store, or on the engine that runs
// beside it, and waits until it is ready.
func start(ctx context.Context, server string, v variant, beside *engine) (*process, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir}
	if v.bolt {
		return p, p.startBolt(ctx, v)
	}
	if len(v.args) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		p.cmd = exec.CommandContext(ctx, self, "-bare")
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := p.cmd.Start(); err != nil {
			return nil, err
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		p.addr = strings.TrimSpace(line)
		return p, err
	}
	if p.addr, err = freeAddr(ctx); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		return nil, err
	}
	args := append([]string{"--host", "127.0.0.1", "--port", port, "--no-env-file", "--data-dir", dir}, v.args...)
	p.cmd = v.command(ctx, server, args...)
	p.cmd.Env = []string{"SLACK_SIGNING_SECRET=" + secret, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	if beside != nil {
		p.cmd.Env = append(p.cmd.Env, v.env+"="+beside.url)
	}
	if err := p.launch(); err != nil {
		return nil, err
	}
	return p, p.await(ctx)
}

// command is a command that runs where the variant is to run.
func (v variant) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if v.cpu == "" {
		return exec.CommandContext(ctx, name, args...)
	}
	return exec.CommandContext(ctx, "taskset", append([]string{"-c", v.cpu, name}, args...)...)
}

// launch starts the command with its output in a file.
func (p *process) launch() error {
	logs, err := os.Create(p.dir + "/server.log")
	if err != nil {
		return err
	}
	defer logs.Close()
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	return p.cmd.Start()
}

func (p *process) await(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK || p.anyAnswer {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			logs, _ := os.ReadFile(p.dir + "/server.log")
			return fmt.Errorf("server is not ready after 10 s: %s", logs)
		}
	}
}

// stop ends the process and removes its store.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
	_ = os.RemoveAll(p.dir)
}

// clockTick is the unit of utime and stime in /proc/pid/stat on Linux (USER_HZ).
const clockTick = 10 * time.Millisecond

// cpuOf is the user and system time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name is in parentheses and may hold spaces; fields 14 and 15 follow.
	_, rest, ok := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("unexpected /proc/pid/stat")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	sys, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(user+sys) * clockTick, nil
}

// peakRSS is the peak resident memory in MiB.
func (p *process) peakRSS() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmHWM in /proc/pid/status")
}

func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// serveBare is the floor: read the body, check the HMAC, answer. It prints its address.
func serveBare(ctx context.Context, stdout io.Writer) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(bare), ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(stdout, l.Addr())
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func bare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:"))
	mac.Write([]byte(r.Header.Get("X-Slack-Request-Timestamp")))
	mac.Write([]byte(":"))
	mac.Write(body)
	got, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Slack-Signature"), "v0="))
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}
