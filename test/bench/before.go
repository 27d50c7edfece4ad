//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"slackmcp/test/internal/driver"
)

// The names of the two builds that are compared.
const now, before = "now", "before"

// compare measures another build beside this one, in the same rounds, and writes what this one takes in that one's.
func compare(ctx context.Context, o options, stdout, log io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| this build in the one before | CPU | p50 | p99 | peak memory |\n|---|---:|---:|---:|---:|\n", driver.Heading())
	for _, conns := range []int{1, 32} {
		for _, backend := range []string{"memory", "sqlite"} {
			list := []variant{ours(before, o.before, backend), ours(now, o.server, backend)}
			c, err := measureEach(ctx, o, list, conns, log)
			if err != nil {
				return err
			}
			b.WriteString(c.row(fmt.Sprintf("an event, %s, connections: %d", backend, conns)))
		}
	}
	for _, r := range reads {
		c, err := measureReads(ctx, o, r, log)
		if err != nil {
			return err
		}
		b.WriteString(c.row(r.name))
	}
	_, err := io.WriteString(stdout, b.String())
	return err
}

// row is what this build takes in the one before.
func (c comparison) row(what string) string {
	ratio := func(get func(result) float64) float64 { return c.ratioOf(now, before, get) }
	return fmt.Sprintf("| %s | %.2f | %.2f | %.2f | %.2f |\n", what, ratio(func(r result) float64 { return float64(r.cpu) }),
		ratio(func(r result) float64 { return float64(r.p50) }), ratio(func(r result) float64 { return float64(r.p99) }),
		ratio(func(r result) float64 { return r.peak }))
}

// A read is what an assistant with a service's token asks for.
type read struct{ name, method, of, params string }

var reads = []read{
	{"slack_list_events, 50 events", "tools/call", "slack_list_events", `"name":"slack_list_events","arguments":{"limit":50}`},
	{"slack_list_events of a channel", "tools/call", "slack_list_events", `"name":"slack_list_events","arguments":{"limit":50,"channel":"` + driver.Channel(7) + `"}`},
	{"the resource slack://events", "resources/read", "slack://events", `"uri":"slack://events"`},
}

// measureReads lets both builds run at once and asks them in turn, in each round the other one first.
func measureReads(ctx context.Context, o options, r read, log io.Writer) (comparison, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	c := comparison{results: map[string][]result{}}
	names := []string{before, now}
	servers := map[string]*driver.Process{}
	for name, path := range map[string]string{now: o.server, before: o.before} {
		p, err := startFull(ctx, path)
		if err != nil {
			return comparison{}, fmt.Errorf("%s, %s: %w", r.name, name, err)
		}
		defer p.Stop()
		servers[name] = p
	}
	for round := range o.rounds + 1 {
		for _, name := range names {
			got, err := readOften(ctx, servers[name], r)
			if err != nil {
				return comparison{}, fmt.Errorf("%s, %s: %w", r.name, name, err)
			}
			if round == 0 { // what comes first is not counted
				continue
			}
			fmt.Fprintf(log, "%s, round %d, %-7s %7.1f µs CPU, p50 %s, p99 %s, %.0f MiB\n", r.name, round, name, micros(got.cpu), got.p50, got.p99, got.peak)
			c.results[name] = append(c.results[name], got)
		}
		slices.Reverse(names)
	}
	return c, nil
}

// startFull starts a server and gives it events.
func startFull(ctx context.Context, server string) (*driver.Process, error) {
	p, err := driver.Start(ctx, server, "--integrated", "--mcp-transport", "streamable-http")
	if err != nil {
		return nil, err
	}
	if _, err := (driver.Load{Rate: 500, Duration: 2 * time.Second, Channels: 20, Run: "B"}).Post(ctx, p); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// readTimes is how often one server is asked in a round.
const readTimes = 300

// readOften asks a server.
func readOften(ctx context.Context, p *driver.Process, r read) (result, error) {
	web := &http.Client{}
	defer web.CloseIdleConnections()
	var took []time.Duration
	cpu := p.CPU()
	for range readTimes {
		at := time.Now()
		if err := driver.Call(ctx, web, p, r.method, r.of, r.params); err != nil {
			return result{}, err
		}
		took = append(took, time.Since(at))
	}
	peak, _ := p.Memory()
	return result{
		cpu: (p.CPU() - cpu) / readTimes, p50: percentile(took, 0.50), p99: percentile(took, 0.99), peak: peak,
	}, nil
}
