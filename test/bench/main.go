// Command bench measures the receive path of the shipped binary beside a bare
// net/http handler that only checks the HMAC and answers: same client, same
// payload, same run, over TCP. It prints a table in Markdown: CPU per event (by
// the operating system's accounting of the server process) and events per second,
// as ratios to the bare handler, and the peak of the resident memory.
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
	events, runs  int
	conns         string
	bare          bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.server, "server", "bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.write, "write", "", "also write the table to this file, between its bench markers")
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
	table, err := measure(ctx, o, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	fmt.Fprint(stdout, table)
	if o.write != "" {
		if err := replaceBetween(o.write, table); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return 1
		}
	}
	return 0
}

// A variant is one server that is measured.
type variant struct {
	name string
	args []string // empty is the bare handler
}

func variants() []variant {
	return []variant{
		{name: "bare handler (HMAC only)"},
		{name: "memory", args: []string{"--queue-backend", "memory"}},
		{name: "sqlite (default)", args: []string{"--queue-backend", "sqlite"}},
	}
}

// measure runs every variant at every number of connections, interleaved, so that
// a noisy minute of the machine falls on all of them.
func measure(ctx context.Context, o options, log io.Writer) (string, error) {
	server, err := filepath.Abs(o.server)
	if err != nil {
		return "", err
	}
	var rows []row
	for field := range strings.SplitSeq(o.conns, ",") {
		conns, err := parsePositive(field)
		if err != nil {
			return "", fmt.Errorf("-conns: %w", err)
		}
		more, err := measureAt(ctx, server, o, conns, log)
		if err != nil {
			return "", err
		}
		rows = append(rows, more...)
	}
	return markdown(rows), nil
}

// measureAt is measure at one number of connections.
func measureAt(ctx context.Context, server string, o options, conns int, log io.Writer) ([]row, error) {
	events := o.events
	if conns == 1 {
		events /= 4
	}
	results := map[string][]result{}
	for i := range o.runs {
		for _, v := range variants() {
			r, err := once(ctx, server, v, conns, events)
			if err != nil {
				return nil, fmt.Errorf("%s at %d connections: %w", v.name, conns, err)
			}
			fmt.Fprintf(log, "%d conns, run %d, %-26s %s\n", conns, i+1, v.name, r)
			results[v.name] = append(results[v.name], r)
		}
	}
	var rows []row
	for _, v := range variants() {
		rows = append(rows, row{conns: conns, name: v.name, median: median(results[v.name])})
	}
	return rows, nil
}

// once starts a server, sends it events over conns connections and stops it.
func once(ctx context.Context, server string, v variant, conns, events int) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := start(ctx, server, v)
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
	before, err := p.cpu()
	if err != nil {
		return result{}, err
	}
	lat, elapsed, err := blast(ctx, p.addr, requests, conns)
	if err != nil {
		return result{}, err
	}
	after, err := p.cpu()
	if err != nil {
		return result{}, err
	}
	rss, err := p.peakRSS()
	if err != nil {
		return result{}, err
	}
	return result{
		cpu:    (after - before) / time.Duration(events),
		rate:   float64(events) / elapsed.Seconds(),
		p50:    percentile(lat, 0.50),
		p99:    percentile(lat, 0.99),
		rssMiB: rss,
	}, nil
}
