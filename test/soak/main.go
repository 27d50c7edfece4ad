// Command soak runs the shipped binary for a long time under a steady load of events and
// MCP traffic, and judges that nothing grows: memory, goroutines, descriptors. A binary
// built with -race is judged by its races instead of its memory.
//
//	go run ./test/soak -server bin/slack-webhook-server
//	go run ./test/soak -server bin/slack-webhook-server-race -race
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"slackmcp/test/internal/driver"
)

// The bounds of resident memory at its peak, in MiB.
const (
	mostStandalone = 128.0
	mostIntegrated = 256.0
)

type settings struct {
	server   string
	rate     int
	duration time.Duration
	sessions int
	race     bool
}

func main() {
	var s settings
	flag.StringVar(&s.server, "server", "bin/slack-webhook-server", "the server's binary")
	flag.IntVar(&s.rate, "rate", 500, "events a second")
	flag.DurationVar(&s.duration, "duration", 10*time.Minute, "how long")
	flag.IntVar(&s.sessions, "sessions", 100, "clients that follow, in the integrated run")
	flag.BoolVar(&s.race, "race", false, "the binary was built with -race")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Fprintf(os.Stdout, "%d events/s for %s\n\n", s.rate, s.duration)
	fmt.Fprintln(os.Stdout, "| run | events | refused | MCP calls | failed | RSS after a quarter / at the end / peak | goroutines | descriptors | races |")
	fmt.Fprintln(os.Stdout, "|---|---:|---:|---:|---:|---|---|---|---:|")
	err := s.run(ctx, os.Stdout, "integrated", mostIntegrated, "--integrated", "--mcp-transport", "streamable-http")
	if !s.race {
		err = errors.Join(err, s.run(ctx, os.Stdout, "standalone", mostStandalone))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", strings.ReplaceAll(err.Error(), "\n", "\nsoak: "))
		os.Exit(1) //nolint:gocritic // the process ends, and with it the notification of signals
	}
}

// run soaks one server and writes its row.
func (s settings) run(ctx context.Context, out io.Writer, name string, most float64, args ...string) error {
	p, err := driver.Start(ctx, s.server, args...)
	if err != nil {
		return err
	}
	var t *traffic
	if len(args) > 0 {
		if t, err = s.traffic(ctx, p); err != nil {
			p.Stop()
			return err
		}
	}
	w := watch(ctx, p, s.duration)
	sent, err := driver.Load{Rate: s.rate, Duration: s.duration, Channels: max(s.sessions, 1), Run: "S"}.Post(ctx, p)
	samples := w.end()
	calls, failed := t.end()
	peak, _ := p.Memory()
	logs := p.Stop()
	races := strings.Count(logs, "WARNING: DATA RACE")
	quarter, last := halves(samples)
	_, _ = fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %.0f / %.0f / %.0f MiB | %d / %d | %d / %d | %d |\n",
		name, len(sent), refusals(err), calls, failed, quarter.rss, last.rss, peak, quarter.goroutines, last.goroutines, quarter.descriptors, last.descriptors, races)
	return errors.Join(err, s.judge(name, quarter, last, peak, most, failed, t.trouble(), races))
}

func refusals(err error) int {
	if err == nil {
		return 0
	}
	return 1 // Post tells the first of each sender
}

// How much more there may be at the end than after a quarter of the time.
const (
	memorySlack    = 16.0 // MiB
	goroutineSlack = 50
	fileSlack      = 50
)

func (s settings) judge(name string, quarter, last sample, peak, most float64, failed int64, trouble string, races int) error {
	var errs []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(name+": "+format, args...))
		}
	}
	complain(failed > 0, "%d MCP calls failed, the first so: %s", failed, trouble)
	complain(races > 0, "%d data races", races)
	complain(last.goroutines > quarter.goroutines+goroutineSlack, "goroutines grew from %d to %d", quarter.goroutines, last.goroutines)
	complain(last.descriptors > quarter.descriptors+fileSlack, "descriptors grew from %d to %d", quarter.descriptors, last.descriptors)
	if !s.race {
		complain(last.rss > quarter.rss+memorySlack, "memory grew from %.0f to %.0f MiB", quarter.rss, last.rss)
		complain(peak > most, "memory reached %.0f MiB, the bound is %.0f", peak, most)
	}
	return errors.Join(errs...)
}
