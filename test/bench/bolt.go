package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
	list := []variant{
		{name: "Bolt 5.1 for JavaScript", bolt: true},
		{name: "memory", args: []string{"--queue-backend", "memory"}},
		{name: "sqlite (default)", args: []string{"--queue-backend", "sqlite"}},
	}
	rows, err := measureAt(ctx, server, o, list, 32, log)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(heading())
	b.WriteString("| server, 32 connections | stores | events per CPU second | to Bolt | events/s | to Bolt | p99 | peak memory |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
	stores := []string{"nothing", "in memory", "on disk, synced"}
	for i, r := range rows {
		m := r.median
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.1f | %.0f | %.1f | %s | %.0f MiB |\n", r.name, stores[i],
			1e9/float64(m.cpu.Nanoseconds()), 1/m.toBase.cpu, m.rate, m.toBase.rate, m.p99.Round(10*time.Microsecond), m.rssMiB)
	}
	return b.String(), nil
}

// startBolt runs the rival on a free port.
func (p *process) startBolt(ctx context.Context) error {
	var err error
	if p.addr, err = freeAddr(ctx); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		return err
	}
	p.anyAnswer = true
	p.cmd = exec.CommandContext(ctx, "node", filepath.Join(boltDir, "server.mjs"))
	p.cmd.Env = []string{"SLACK_SIGNING_SECRET=" + secret, "PORT=" + port, "PATH=" + os.Getenv("PATH"), "NODE_ENV=production"}
	if err := p.launch(); err != nil {
		return err
	}
	return p.await(ctx)
}
