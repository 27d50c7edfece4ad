// Command fanout measures how quickly events reach many assistants: it starts the
// server, opens sessions that follow resources, posts signed events at a steady rate,
// and times each notification from the answer to the event that it covers. It runs
// apart from the server, on the same machine.
//
//	go run ./test/fanout -server bin/slack-webhook-server          # the whole
//	go run ./test/fanout -server bin/slack-webhook-server -short   # a quick look
//
// Each event must be notified, to every session that follows; the aims for time and
// memory are judged unless -short.
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
)

// The aims: the 99th percentile from the answer to an event until its notification,
// and the server's resident memory at its peak.
const (
	aimP99 = 100 * time.Millisecond
	aimRSS = 256.0 // MiB
)

type settings struct {
	server   string
	sessions int
	rate     int
	duration time.Duration
	short    bool
}

// A scenario says who follows what.
type scenario struct {
	name string
	era  era
	uri  func(session int) string
	// all says that every session is told of every event; otherwise an event is for the
	// session of its channel.
	all bool
}

func channel(i int) string { return fmt.Sprintf("C%04d", i) }

func scenarios() []scenario {
	own := scenario{
		uri: func(s int) string { return "slack://channels/" + channel(s) + "/events" },
	}
	all := scenario{
		uri: func(int) string { return "slack://events" },
		all: true,
	}
	var list []scenario
	for _, e := range []era{session, stateless} {
		own.name, own.era = "each a channel of its own, "+string(e), e
		all.name, all.era = "all the same resource, "+string(e), e
		list = append(list, own, all)
	}
	return list
}

func main() {
	var s settings
	flag.StringVar(&s.server, "server", "bin/slack-webhook-server", "the server's binary")
	flag.IntVar(&s.sessions, "sessions", 1000, "sessions that follow")
	flag.IntVar(&s.rate, "rate", 500, "events a second")
	flag.DurationVar(&s.duration, "duration", 30*time.Second, "how long events are posted")
	only := flag.String("only", "", "run the scenarios whose name contains this")
	flag.BoolVar(&s.short, "short", false, "100 sessions and 100 events a second for 3 s; only completeness is judged")
	flag.Parse()
	if s.short {
		s.sessions, s.rate, s.duration = 100, 100, 3*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Fprintf(os.Stdout, "%d sessions, %d events/s for %s\n\n", s.sessions, s.rate, s.duration)
	fmt.Fprintln(os.Stdout, "| who follows what | events/s | notifications | missed | p50 | p99 | max | CPU | peak RSS | RSS after | fds before/after |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|---|---|---|---|---|---|")
	var errs []error
	for _, sc := range scenarios() {
		if strings.Contains(sc.name, *only) {
			errs = append(errs, s.run(ctx, os.Stdout, sc))
		}
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", strings.ReplaceAll(err.Error(), "\n", "\nfanout: "))
		os.Exit(1) //nolint:gocritic // the process ends, and with it the notification of signals
	}
}

// run measures one scenario against a fresh server and writes its row.
func (s settings) run(ctx context.Context, out io.Writer, sc scenario) error {
	p, err := start(ctx, s.server)
	if err != nil {
		return err
	}
	defer p.stop()
	fds := p.fds()
	followers, err := s.follow(ctx, p, sc)
	if err != nil {
		return fmt.Errorf("%s: %w", sc.name, err)
	}
	sent, err := s.load(ctx, p)
	if err == nil {
		settle(ctx, followers, shares(sent, len(followers), sc))
	}
	for _, f := range followers {
		f.leave()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", sc.name, err)
	}
	v := judge(followers, shares(sent, len(followers), sc))
	if err := p.awaitQuiet(ctx, fds); err != nil {
		return fmt.Errorf("%s: %w", sc.name, err)
	}
	peak, after := p.memory()
	_, _ = fmt.Fprintf(out, "| %s | %.0f | %d | %d | %s | %s | %s | %s | %.0f MiB | %.0f MiB | %d / %d |\n",
		sc.name, achieved(sent), v.notifications, v.missed, round(v.at(50)), round(v.at(99)), round(v.at(100)), round(p.cpu()), peak, after, fds, p.fds())
	switch {
	case v.missed > 0:
		return fmt.Errorf("%s: %d notifications are missing", sc.name, v.missed)
	case s.short:
		return nil
	case v.at(99) >= aimP99:
		return fmt.Errorf("%s: p99 is %s, the aim is under %s", sc.name, round(v.at(99)), aimP99)
	case peak >= aimRSS:
		return fmt.Errorf("%s: the server took %.0f MiB, the aim is under %.0f", sc.name, peak, aimRSS)
	}
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
