// Command growth measures the shipped binary while its store grows: the start, the memory,
// what each kind of read takes, the acknowledgement of events under load, and the bytes of
// an event. It prints a table in Markdown, and fails where a read with a filter is not flat.
//
//	go run ./test/growth -server bin/slack-webhook-server -sizes 10000,100000
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
	"strconv"
	"strings"
	"time"

	"slackmcp/test/internal/driver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	server, write string
	sizes         []int
	calls         int
	load          time.Duration
	aim           time.Duration
}

func run(ctx context.Context, args []string, stdout, log io.Writer) error {
	var o options
	var sizes string
	fs := flag.NewFlagSet("growth", flag.ContinueOnError)
	fs.SetOutput(log)
	fs.StringVar(&o.server, "server", "bin/slack-webhook-server", "the binary to measure")
	fs.StringVar(&o.write, "write", "", "also write the table to this file, between its growth markers")
	fs.StringVar(&sizes, "sizes", "10000,100000,300000,1000000", "how many events are stored, ascending")
	fs.IntVar(&o.calls, "calls", 40, "calls of each read")
	fs.DurationVar(&o.load, "load", 10*time.Second, "how long 100 events a second are posted at each size")
	fs.DurationVar(&o.aim, "aim", 50*time.Millisecond, "the longest p95 of a read with a filter; 0 judges nothing")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return fmt.Errorf("-sizes has %q: give numbers from %d on", s, least)
		}
		o.sizes = append(o.sizes, n)
	}
	var err error
	if o.server, err = filepath.Abs(o.server); err != nil {
		return err
	}
	columns, err := measure(ctx, o, log)
	if err != nil {
		return err
	}
	table := tableOf(columns)
	fmt.Fprint(stdout, table)
	if o.write != "" {
		err = driver.Replace(o.write, "growth", table)
	}
	return errors.Join(err, judge(columns, o.aim))
}

// A column is what one size came to.
type column struct {
	events       int
	start        time.Duration
	memory, peak float64 // MiB
	bytes        float64 // of the files, for each event
	reads        []timing
	ack          timing
}

// A timing is how long something took that was done often.
type timing struct {
	name     string
	p50, p95 time.Duration
	cpu      time.Duration // what the server used for one of them; 0 for what it had no part in, or less than can be seen
}

func measure(ctx context.Context, o options, log io.Writer) ([]column, error) {
	data, err := os.MkdirTemp("", "growth-data")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(data) }()
	slack, err := driver.Launch(ctx, driver.Command{
		Args:  []string{o.server, "sandbox", "--no-env-file", "--host", "127.0.0.1", "--port", "{port}", "--extra-channels", "300", "--extra-users", "5000"},
		Ready: "/api/api.test",
	})
	if err != nil {
		return nil, err
	}
	defer slack.Stop()
	var columns []column
	stored := 0
	for _, n := range o.sizes {
		began := time.Now()
		if err := fill(ctx, data, stored, n); err != nil {
			return nil, fmt.Errorf("fill the store: %w", err)
		}
		stored = n
		fmt.Fprintf(log, "%d events are stored, after %s\n", n, time.Since(began).Round(time.Second))
		c, err := at(ctx, o, slack, data, n)
		if err != nil {
			return nil, fmt.Errorf("at %d events: %w", n, err)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// at measures one size.
func at(ctx context.Context, o options, slack *driver.Process, data string, n int) (column, error) {
	c := column{events: n}
	size, err := sizeOf(data)
	if err != nil {
		return c, err
	}
	c.bytes = float64(size) / float64(n)
	p, err := driver.StartWith(ctx, o.server, append(envOf(slack), "RETENTION_COUNT=2000000"),
		"--integrated", "--data-dir", data, "--mcp-transport", "streamable-http")
	if err != nil {
		return c, err
	}
	defer p.Stop()
	c.start = p.Took
	for _, r := range reads(o.server, data) {
		t, err := r.time(ctx, p, o.calls)
		if err != nil {
			return c, fmt.Errorf("%s: %w", r.name, err)
		}
		c.reads = append(c.reads, t)
	}
	sent, err := driver.Load{Rate: 100, Duration: o.load, Channels: 200, Run: "G" + strconv.Itoa(n)}.Post(ctx, p)
	if err != nil {
		return c, err
	}
	var took []time.Duration
	for _, e := range sent {
		took = append(took, e.AckedAt.Sub(e.SentAt))
	}
	c.ack = timingOf("an acknowledgement, at 100 events a second", took)
	c.peak, c.memory = p.Memory()
	return c, nil
}

// envOf is how a server uses the sandbox.
func envOf(slack *driver.Process) (env []string) {
	for line := range strings.Lines(slack.Logs()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "SLACK_") && !strings.HasPrefix(line, "SLACK_SIGNING_SECRET=") {
			env = append(env, line)
		}
	}
	return env
}

// sizeOf is how many bytes the files of a directory take.
func sizeOf(dir string) (n int64, err error) {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n, err
}

func tableOf(columns []column) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; p50 / p95 in ms, and in brackets the server's CPU time of one\n\n| what |", driver.Heading())
	for _, c := range columns {
		fmt.Fprintf(&b, " %d events |", c.events)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	row := func(name string, cell func(c column) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", cell(c))
		}
		b.WriteString("\n")
	}
	row("process start to ready", func(c column) string { return fmt.Sprintf("%.0f", ms(c.start)) })
	for i := range columns[0].reads {
		row(columns[0].reads[i].name, func(c column) string { return c.reads[i].String() })
	}
	row(columns[0].ack.name, func(c column) string { return c.ack.String() })
	row("memory at the end, and its peak, MiB", func(c column) string { return fmt.Sprintf("%.0f / %.0f", c.memory, c.peak) })
	row("bytes of the files for each event", func(c column) string { return fmt.Sprintf("%.0f", c.bytes) })
	return b.String()
}

// String returns p50 and p95, and the CPU time.
func (t timing) String() string {
	s := fmt.Sprintf("%.1f / %.1f", ms(t.p50), ms(t.p95))
	if t.cpu > 0 {
		s += fmt.Sprintf(" (%.1f)", ms(t.cpu))
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// judge fails where a read takes longer than the aim.
func judge(columns []column, aim time.Duration) error {
	var errs []error
	for _, c := range columns {
		for _, r := range c.reads {
			if aim > 0 && r.p95 > aim && !strings.Contains(r.name, commandLine) {
				errs = append(errs, fmt.Errorf("at %d events %q has a p95 of %.0f ms, the aim is %.0f", c.events, r.name, ms(r.p95), ms(aim)))
			}
		}
	}
	return errors.Join(errs...)
}
