// Command bench measures the receive path of the shipped binary beside a bare
// net/http handler that only checks the HMAC and answers: same client, same
// payload, same run, over TCP. It prints a table in Markdown: CPU per event (by
// the operating system's accounting of the server process) and events per second,
// as ratios to the bare handler that ran just before, and the peak of the resident memory.
// With Redis and NATS it starts servers of its own, and says which it lacks. Two more
// tables come from the backends' own benchmarks: publishing as a ratio to what the engine
// takes by itself, and what a poisoned event costs the others of its group.
//
//	go run ./test/bench -server bin/slack-webhook-server
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the command's flags.
type options struct {
	server, write string
	part          string
	events, runs  int
	conns         string
	bare          bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.server, "server", "bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.write, "write", "", "also write the tables to this file, between their markers")
	fs.StringVar(&o.part, "part", "", "make only one table: bench (the receive path), bench-bolt (beside Bolt for JavaScript), bench-engines (publishing beside the engine's own ceiling) or bench-poison (a poisoned event among 10,000)")
	fs.IntVar(&o.events, "events", 40_000, "events in one run")
	fs.IntVar(&o.runs, "runs", 5, "runs of each variant; the median is reported")
	fs.StringVar(&o.conns, "conns", "1,32", "numbers of connections, comma separated")
	fs.BoolVar(&o.bare, "bare", false, "serve the bare handler (used by the command itself)")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if o.bare {
		if err := serveBare(ctx, stdout); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return 1
		}
		return 0
	}
	if err := tables(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// tables makes the parts that are asked for.
func tables(ctx context.Context, o options, stdout, log io.Writer) error {
	for _, p := range parts() {
		if o.part != "" && o.part != p.name {
			continue
		}
		table, err := p.measure(ctx, o, log)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s\n\n", table)
		if o.write == "" {
			continue
		}
		if err := replaceBetween(o.write, p.name, table); err != nil {
			return err
		}
	}
	return nil
}

// A variant is one server that is measured.
type variant struct {
	name string
	args []string // empty is the bare handler
	// bolt is Bolt for JavaScript in our place; args are not used then.
	bolt bool
	// engine starts what the server needs beside it, and env is the setting that names
	// its URL; nil needs nothing.
	engine func(ctx context.Context) (*engine, error)
	env    string
	// cpu is the processor that the server has to itself; empty is all of them.
	cpu string
}

// variants lists what can be measured here, and tells what cannot.
func variants(ctx context.Context, log io.Writer) []variant {
	list := []variant{
		{name: "bare handler (HMAC only)"},
		{name: "memory", args: []string{"--queue-backend", "memory"}},
		{name: "sqlite (default)", args: []string{"--queue-backend", "sqlite"}},
	}
	redis := func(sync string) variant {
		return variant{
			name: "redis, appendfsync " + sync, args: []string{"--queue-backend", "redis"}, env: "REDIS_URL",
			engine: func(ctx context.Context) (*engine, error) { return startRedis(ctx, sync) },
		}
	}
	if _, err := program(ctx, "redis-server"); err == nil {
		list = append(list, redis("everysec"), redis("always"))
	} else {
		fmt.Fprintln(log, "bench: the rows of Redis are left out: redis-server is missing (Debian: redis-server)")
	}
	if _, err := program(ctx, "nats-server"); err == nil {
		list = append(list, variant{
			name: "nats, default sync", args: []string{"--queue-backend", "nats"}, env: "NATS_URL", engine: startNATS,
		})
	} else {
		fmt.Fprintln(log, "bench: the row of NATS is left out: nats-server is missing (make tools)")
	}
	return list
}

// measure runs every variant at every number of connections.
func measure(ctx context.Context, o options, log io.Writer) (string, error) {
	server, err := filepath.Abs(o.server)
	if err != nil {
		return "", err
	}
	var rows []row
	list := variants(ctx, log)
	for field := range strings.SplitSeq(o.conns, ",") {
		conns, err := parsePositive(field)
		if err != nil {
			return "", fmt.Errorf("-conns: %w", err)
		}
		more, err := measureAt(ctx, server, o, list, conns, log)
		if err != nil {
			return "", err
		}
		rows = append(rows, more...)
	}
	return markdown(rows), nil
}

// measureAt is measure at one number of connections. The first variant is the base: it
// runs anew before each run of another, so that both halves of a ratio meet the same noise
// of the machine.
func measureAt(ctx context.Context, server string, o options, list []variant, conns int, log io.Writer) ([]row, error) {
	events := o.events
	if conns == 1 {
		events /= 4
	}
	results := map[string][]result{}
	for i := range o.runs {
		one := func(v variant) (result, error) {
			r, err := once(ctx, server, v, conns, events)
			if err != nil {
				return r, fmt.Errorf("%s at %d connections: %w", v.name, conns, err)
			}
			fmt.Fprintf(log, "%d conns, run %d, %-28s %s\n", conns, i+1, v.name, r)
			return r, nil
		}
		for _, v := range list[1:] {
			base, err := one(list[0])
			if err != nil {
				return nil, err
			}
			r, err := one(v)
			if err != nil {
				return nil, err
			}
			results[list[0].name] = append(results[list[0].name], base.against(base))
			results[v.name] = append(results[v.name], r.against(base))
		}
	}
	var rows []row
	for _, v := range list {
		rows = append(rows, row{conns: conns, name: v.name, median: median(results[v.name])})
	}
	return rows, nil
}

// once starts a server, sends it events over conns connections and stops it.
func once(ctx context.Context, server string, v variant, conns, events int) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var beside *engine
	if v.engine != nil {
		var err error
		if beside, err = v.engine(ctx); err != nil {
			return result{}, err
		}
		defer beside.stop()
	}
	p, err := start(ctx, server, v, beside)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	requests, err := makeRequests(events, p.addr)
	if err != nil {
		return result{}, err
	}
	if err := warm(ctx, p.addr); err != nil {
		return result{}, err
	}
	before, engineBefore, err := cpus(p, beside)
	if err != nil {
		return result{}, err
	}
	lat, elapsed, err := blast(ctx, p.addr, requests, conns)
	if err != nil {
		return result{}, err
	}
	after, engineAfter, err := cpus(p, beside)
	if err != nil {
		return result{}, err
	}
	rss, err := p.peakRSS()
	if err != nil {
		return result{}, err
	}
	return result{
		cpu:    (after - before) / time.Duration(events),
		engine: (engineAfter - engineBefore) / time.Duration(events),
		rate:   float64(events) / elapsed.Seconds(),
		p50:    percentile(lat, 0.50),
		p99:    percentile(lat, 0.99),
		rssMiB: rss,
	}, nil
}

// cpus is what the server has used so far, and the engine beside it.
func cpus(p *process, beside *engine) (server, engine time.Duration, err error) {
	if server, err = cpuOf(p.cmd.Process.Pid); err != nil || beside == nil {
		return server, 0, err
	}
	engine, err = cpuOf(beside.cmd.Process.Pid)
	return server, engine, err
}
