//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

// measureReads lets each build be asked once in each round.
func measureReads(ctx context.Context, o options, r read, log io.Writer) (comparison, error) {
	c := comparison{results: map[string][]result{}}
	for round := range o.rounds {
		for name, server := range map[string]string{now: o.server, before: o.before} {
			got, err := readOnce(ctx, server, r)
			if err != nil {
				return comparison{}, fmt.Errorf("%s, %s: %w", r.name, name, err)
			}
			fmt.Fprintf(log, "%s, round %d, %-7s %7.1f µs CPU, p50 %s, p99 %s, %.0f MiB\n", r.name, round+1, name, micros(got.cpu), got.p50, got.p99, got.peak)
			c.results[name] = append(c.results[name], got)
		}
	}
	return c, nil
}

// readTimes is how often one server is asked.
const readTimes = 300

// readOnce starts a server, gives it events, and asks it.
func readOnce(ctx context.Context, server string, r read) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := driver.Start(ctx, server, "--integrated", "--mcp-transport", "streamable-http")
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	if _, err := (driver.Load{Rate: 500, Duration: 2 * time.Second, Channels: 20, Run: "B"}).Post(ctx, p); err != nil {
		return result{}, err
	}
	web := &http.Client{}
	defer web.CloseIdleConnections()
	var took []time.Duration
	var cpu time.Duration
	for n := range readTimes + 50 {
		if n == 50 { // what comes first is not counted
			took, cpu = nil, p.CPU()
		}
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
