// Command startup measures how long the shipped binary takes from the start of its
// process to its first 200 of /readyz, with many events in its store and while Slack is a sandbox with many channels and
// users, and what the first #name costs: its time, and the pages of conversations.list.
// It prints a table in Markdown.
//
//	go run ./test/startup -server bin/slack-webhook-server
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
	"runtime"
	"slices"
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
	server, write   string
	channels, users int
	events, runs    int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("startup", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.server, "server", "bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.write, "write", "", "also write the table to this file, between its startup markers")
	fs.IntVar(&o.channels, "channels", 10_000, "further channels in the workspace")
	fs.IntVar(&o.users, "users", 50_000, "further users in the workspace")
	fs.IntVar(&o.events, "events", 100_000, "events in the store")
	fs.IntVar(&o.runs, "runs", 5, "starts; the median is reported")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if o.runs < 1 {
		fmt.Fprintln(stderr, "startup: -runs must be at least 1")
		return 2
	}
	table, err := measure(ctx, o, stderr)
	if table != "" {
		fmt.Fprint(stdout, table)
		if o.write != "" {
			err = errors.Join(err, replaceBetween(o.write, table))
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "startup:", err)
		return 1
	}
	return 0
}

// A result is what one start came to.
type result struct {
	ready        time.Duration // from the start of the process to the first 200
	atReady      int64         // calls of Slack until then
	first, again lookup        // a #name, and another one
}

// A lookup is what a #name cost.
type lookup struct {
	took  time.Duration
	pages int64 // of conversations.list
}

func measure(ctx context.Context, o options, log io.Writer) (string, error) {
	server, err := filepath.Abs(o.server)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	slack, err := startSlack(ctx, server, o)
	if err != nil {
		return "", err
	}
	defer slack.stop()
	data, err := os.MkdirTemp("", "startup-data")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(data) }()
	if err := fill(ctx, data, o.events); err != nil {
		return "", fmt.Errorf("fill the store: %w", err)
	}
	var results []result
	for i := range o.runs {
		r, err := once(ctx, server, data, slack)
		if err != nil {
			return "", fmt.Errorf("start %d: %w", i+1, err)
		}
		fmt.Fprintf(log, "start %d: ready after %s (%d calls), #name after %s (%d pages), another after %s (%d pages)\n",
			i+1, ms(r.ready), r.atReady, ms(r.first.took), r.first.pages, ms(r.again.took), r.again.pages)
		results = append(results, r)
	}
	table := markdown(o, results)
	if m := middle(results, func(r result) time.Duration { return r.ready }); m >= aim {
		err = fmt.Errorf("a start takes %s, the aim is under %s", ms(m), ms(aim))
	}
	return table, err
}

// aim is the longest that a start may take.
const aim = 300 * time.Millisecond

// once starts the server, waits until it is ready, and lets it resolve two names.
func once(ctx context.Context, server, data string, slack *workspace) (r result, err error) {
	slack.reset()
	p, took, err := startServer(ctx, server, data, slack)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	r.ready, r.atReady = took, slack.calls.Load()
	if r.first, err = p.resolve(ctx, slack, slack.last); err != nil {
		return result{}, fmt.Errorf("the first #name: %w", err)
	}
	if r.again, err = p.resolve(ctx, slack, slack.other); err != nil {
		return result{}, fmt.Errorf("another #name: %w", err)
	}
	return r, nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1e3) }

// middle is the median of a figure.
func middle[T int64 | time.Duration](rs []result, get func(result) T) T {
	var list []T
	for _, r := range rs {
		list = append(list, get(r))
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func markdown(o options, rs []result) string {
	var b strings.Builder
	slowest := slices.MaxFunc(rs, func(x, y result) int { return int(x.ready - y.ready) })
	fmt.Fprintf(&b, "%s, %d cores, %s; %d events stored, %d further channels, %d further users, median of %d starts\n\n",
		runtime.Version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly), o.events, o.channels, o.users, len(rs))
	b.WriteString("| what | time | Slack was asked |\n|---|---:|---|\n")
	row := func(what string, took time.Duration, asked string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", what, ms(took), asked)
	}
	pages := func(n int64) string { return fmt.Sprintf("pages of conversations.list: %d", n) }
	row("process start to ready", middle(rs, func(r result) time.Duration { return r.ready }),
		fmt.Sprintf("calls until then: %d", middle(rs, func(r result) int64 { return r.atReady })))
	row("the slowest of the starts", slowest.ready, fmt.Sprintf("calls until then: %d", slowest.atReady))
	row("a tool call with the first #name, the last of the list", middle(rs, func(r result) time.Duration { return r.first.took }),
		pages(middle(rs, func(r result) int64 { return r.first.pages })))
	row("a tool call with another #name", middle(rs, func(r result) time.Duration { return r.again.took }),
		pages(middle(rs, func(r result) int64 { return r.again.pages })))
	return b.String()
}

const beginMark, endMark = "<!-- startup:begin -->", "<!-- startup:end -->"

// replaceBetween puts the table between the markers of a document.
func replaceBetween(path, table string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s … %s", path, beginMark, endMark)
	}
	return os.WriteFile(path, []byte(head+beginMark+"\n"+table+endMark+tail), 0o644)
}
