//go:build linux

// Command bench measures what a user feels of the shipped binary, as ratios to floors that
// run in the same minutes: a durable 200 at one connection beside an append and a sync of
// the same disk, at 32 connections beside a bare net/http handler that checks the HMAC and
// beside Bolt for JavaScript, the peak of its memory, and a tools/call beside plain
// mcp-go. It prints tables in Markdown and fails where an aim is missed.
//
//	go run ./test/bench -server bin/slack-webhook-server
//
// With -before it measures another build instead, and prints what this one takes in that one's: receiving, and reading
// with a service's token. With -subscriptions it measures what an event costs beside that many that match nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"slackmcp/test/internal/driver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	server, before, write, bare string
	events, rounds              int
	subscriptions               int
}

func run(ctx context.Context, args []string, stdout, log io.Writer) error {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(log)
	fs.StringVar(&o.server, "server", "bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.before, "before", "", "another build's binary, with which to compare this one, and nothing else")
	fs.StringVar(&o.write, "write", "", "also write the tables to this file, between its markers")
	fs.IntVar(&o.events, "events", 40_000, "events of one run at 32 connections; a quarter of it at one")
	fs.IntVar(&o.rounds, "rounds", 5, "rounds, in each of which every server runs once; medians are reported")
	fs.IntVar(&o.subscriptions, "subscriptions", 0, "measure what an event costs beside so many subscriptions that match nothing, and nothing else")
	fs.StringVar(&o.bare, "bare", "", "serve the bare handler on this address (the command starts itself with it)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.bare != "" {
		return serveBare(ctx, o.bare)
	}
	if o.rounds < 1 || o.events < 4 {
		return errors.New("-rounds must be at least 1 and -events at least 4")
	}
	var err error
	if o.server, err = filepath.Abs(o.server); err != nil {
		return err
	}
	if o.before != "" {
		return compare(ctx, o, stdout, log)
	}
	if o.subscriptions > 0 {
		return compareSubscriptions(ctx, o, stdout, log)
	}
	return measure(ctx, o, stdout, log)
}

// measure makes all tables, and fails where an aim is missed.
func measure(ctx context.Context, o options, stdout, log io.Writer) error {
	one, err := measureAt(ctx, o, 1, log)
	if err != nil {
		return err
	}
	many, err := measureAt(ctx, o, 32, log)
	if err != nil {
		return err
	}
	calls, err := measureCalls(ctx, o.rounds, log)
	if err != nil {
		return err
	}
	aims, missed := judge(one, many, calls)
	text := driver.Heading() + "\n\n" + aims + "\n" + one.table("1 connection") + "\n" + many.table("32 connections") + "\n" + calls.table()
	fmt.Fprint(stdout, text)
	if o.write != "" {
		if err := driver.Replace(o.write, "bench", text); err != nil {
			return err
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d aims were missed", missed)
	}
	return nil
}

// judge holds the figures against the aims.
func judge(one, many comparison, calls toolCalls) (table string, missed int) {
	var b strings.Builder
	b.WriteString("| what | aim | measured | |\n|---|---|---:|---|\n")
	row := func(what, aim string, got float64, unit string, met bool) {
		verdict := "met"
		switch {
		case got == 0:
			verdict = "not measured"
		case !met:
			verdict, missed = "missed", missed+1
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f%s | %s |\n", what, aim, got, unit, verdict)
	}
	sync := one.syncs()
	row("a durable 200 at 1 connection: p50 of sqlite less that of memory, in appends of 1 KB with fdatasync", "at most 3", sync, "", sync <= 3)
	s, m := many.ratio("sqlite", "bare"), many.ratio("memory", "bare")
	row("CPU of an event at 32 connections, sqlite, in that of the bare handler", "at most 3.2", s, "", s <= 3.2)
	row("the same, memory", "at most 2.0", m, "", m <= 2)
	bolt := 0.0
	if r := many.ratio("sqlite", "Bolt"); r > 0 {
		bolt = 1 / r
	}
	row("events of a CPU second at 32 connections, sqlite, in those of Bolt", "at least 3", bolt, "", bolt >= 3)
	peak := many.middle("sqlite", func(r result) float64 { return r.peak })
	row("peak memory under that load, sqlite", "at most 64 MiB", peak, " MiB", peak <= 64)
	row("CPU of a tools/call, in that of plain mcp-go", "at most 1.3", calls.ratio(), "", calls.ratio() <= 1.3)
	return b.String(), missed
}
