package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// boltDir is where the rival is, seen from the module's root.
const boltDir = "test/bench/bolt"

// bolt measures the whole process beside Bolt for JavaScript: the same payloads, the
// same client, the same minutes. Bolt verifies and answers, and stores nothing.
func bolt(ctx context.Context, o options, log io.Writer) (string, error) {
	for _, needs := range []string{"node", "npm"} {
		if _, err := exec.LookPath(needs); err != nil {
			return "", fmt.Errorf("the rival needs %s: install Node 20 or newer", needs)
		}
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir, install.Stdout, install.Stderr = boltDir, log, log
	if err := install.Run(); err != nil {
		return "", fmt.Errorf("npm ci in %s: %w", boltDir, err)
	}
	server, err := filepath.Abs(o.server)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(heading())
	b.WriteString("| processors | server, 32 connections | stores | events per CPU second | to Bolt | events/s | to Bolt | p99 | peak memory |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n")
	if err := besideBolt(ctx, server, o, "all, the client's too", "", &b, log); err != nil {
		return "", err
	}
	release, err := pinned(ctx)
	if err != nil {
		fmt.Fprintf(log, "bench: the rows on a processor of their own are left out: %v\n", err)
		return b.String(), nil
	}
	defer release()
	err = besideBolt(ctx, server, o, "one of its own", serverCPU, &b, log)
	return b.String(), err
}

// besideBolt adds the rows of the servers on a processor; empty is all of them.
func besideBolt(ctx context.Context, server string, o options, where, cpu string, b *strings.Builder, log io.Writer) error {
	list := []variant{
		{name: "Bolt 5.1 for JavaScript", bolt: true, cpu: cpu},
		{name: "memory", args: []string{"--queue-backend", "memory"}, cpu: cpu},
		{name: "sqlite (default)", args: []string{"--queue-backend", "sqlite"}, cpu: cpu},
	}
	rows, err := measureAt(ctx, server, o, list, 32, log)
	if err != nil {
		return err
	}
	stores := []string{"nothing", "in memory", "on disk, synced"}
	for i, r := range rows {
		m := r.median
		fmt.Fprintf(b, "| %s | %s | %s | %.0f | %.1f | %.0f | %.1f | %s | %.0f MiB |\n", where, r.name, stores[i],
			1e9/float64(m.cpu.Nanoseconds()), 1/m.toBase.cpu, m.rate, m.toBase.rate, m.p99.Round(10*time.Microsecond), m.rssMiB)
	}
	return nil
}

// serverCPU is the processor of a server that has one of its own.
const serverCPU = "0"

// pinned takes this process, the client, to the processors that a server leaves it.
func pinned(ctx context.Context) (release func(), err error) {
	last := runtime.NumCPU() - 1
	if last < 1 {
		return nil, errors.New("there is but one")
	}
	move := func(cpus string) error {
		out, err := exec.CommandContext(ctx, "taskset", "-apc", cpus, strconv.Itoa(os.Getpid())).CombinedOutput()
		if err != nil {
			return fmt.Errorf("taskset: %w %s", err, out)
		}
		return nil
	}
	if err := move(fmt.Sprintf("1-%d", last)); err != nil {
		return nil, err
	}
	return func() { _ = move(fmt.Sprintf("0-%d", last)) }, nil
}

// startBolt runs the rival on a free port.
func (p *process) startBolt(ctx context.Context, v variant) error {
	var err error
	if p.addr, err = freeAddr(ctx); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		return err
	}
	p.anyAnswer = true
	p.cmd = v.command(ctx, "node", filepath.Join(boltDir, "server.mjs"))
	p.cmd.Env = []string{"SLACK_SIGNING_SECRET=" + secret, "PORT=" + port, "PATH=" + os.Getenv("PATH"), "NODE_ENV=production"}
	if err := p.launch(); err != nil {
		return err
	}
	return p.await(ctx)
}
