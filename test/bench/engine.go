package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// An engine is a Redis or NATS of the benchmark's own, in a directory of its own.
type engine struct {
	cmd *exec.Cmd
	dir string
	url string
}

// program finds an engine's program, also where `go install` puts it.
func program(ctx context.Context, name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOPATH").Output()
	if err != nil {
		return "", fmt.Errorf("%s: not found", name)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s: not found", name)
	}
	return path, nil
}

// startEngine starts a program on a free port. arguments says how, for a port and a
// directory.
func startEngine(ctx context.Context, name, scheme string, arguments func(port, dir string) []string) (*engine, error) {
	path, err := program(ctx, name)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-engine")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	e := &engine{dir: dir, url: scheme + "://" + addr}
	e.cmd = exec.CommandContext(ctx, path, arguments(port, dir)...)
	if err := e.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return e, c.Close()
		}
		if time.Now().After(deadline) {
			e.stop()
			return nil, fmt.Errorf("%s does not listen: %w", name, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (e *engine) stop() {
	if e == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
	_ = os.RemoveAll(e.dir)
}

// startRedis starts a Redis whose append-only file is synced as it says.
func startRedis(ctx context.Context, sync string) (*engine, error) {
	return startEngine(ctx, "redis-server", "redis", func(port, dir string) []string {
		return []string{
			"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes",
			"--appendfsync", sync, "--logfile", filepath.Join(dir, "log"),
		}
	})
}

// startNATS starts a nats-server with JetStream and its default sync interval.
func startNATS(ctx context.Context) (*engine, error) {
	return startEngine(ctx, "nats-server", "nats", func(port, dir string) []string {
		return []string{"-a", "127.0.0.1", "-p", port, "-js", "-sd", dir, "-l", filepath.Join(dir, "log")}
	})
}
