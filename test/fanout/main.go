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
	"slices"
	"sort"
	"strings"
	"time"

	"slackmcp/test/internal/driver"
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
	idle     time.Duration
	short    bool
}

// A scenario says who follows what.
type scenario struct {
	name string
	era  driver.Era
	uri  func(session int) string
	// all says that every session is notified of every event; otherwise an event is for the
	// session of its channel.
	all bool
}

func scenarios() []scenario {
	own := scenario{
		uri: func(s int) string { return "slack://channels/" + driver.Channel(s) + "/events" },
	}
	all := scenario{
		uri: func(int) string { return "slack://events" },
		all: true,
	}
	var list []scenario
	for _, e := range []driver.Era{driver.Session, driver.Stateless} {
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
	flag.DurationVar(&s.idle, "idle", 5*time.Minute, "how long the servers are left alone before their memory is read again")
	flag.BoolVar(&s.short, "short", false, "100 sessions and 100 events a second for 3 s; only completeness is judged")
	flag.Parse()
	if s.short {
		s.sessions, s.rate, s.duration, s.idle = 100, 100, 3*time.Second, 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Fprintf(os.Stdout, "%d sessions, %d events/s for %s\n\n", s.sessions, s.rate, s.duration)
	fmt.Fprintln(os.Stdout, "| who follows what | events/s | notifications | missed | p50 | p99 | max | CPU | peak RSS | fds before/after | goroutines before/after |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|---|---|---|---|---|---|")
	var errs []error
	var quiet []idle
	for _, sc := range scenarios() {
		if strings.Contains(sc.name, *only) {
			left, err := s.run(ctx, os.Stdout, sc)
			errs = append(errs, err)
			if left.Process != nil {
				quiet = append(quiet, left)
			}
		}
	}
	errs = append(errs, s.settleMemory(ctx, os.Stdout, quiet))
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", strings.ReplaceAll(err.Error(), "\n", "\nfanout: "))
		os.Exit(1) //nolint:gocritic // the process ends, and with it the notification of signals
	}
}

// load is one load of a scenario, by the name of its run.
func (s settings) load(run string) driver.Load {
	return driver.Load{Rate: s.rate, Duration: s.duration, Channels: s.sessions, Run: run}
}

// An idle server is one whose scenario is over.
type idle struct {
	name string
	*driver.Process
	begun, peak float64 // resident memory, in MiB: with its window full and no session, and at most
}

// run measures one scenario against a fresh server and writes its row. The server is
// left running, unless there was an error; the caller stops it.
func (s settings) run(ctx context.Context, out io.Writer, sc scenario) (left idle, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", sc.name, err)
		}
	}()
	p, err := driver.Start(ctx, s.server, "--integrated", "--mcp-transport", "streamable-http")
	if err != nil {
		return idle{}, err
	}
	left = idle{name: sc.name, Process: p}
	// The window on the newest events is filled first, so that its memory is not taken for
	// the sessions'.
	if _, err := s.load("W").Post(ctx, p); err != nil {
		p.Stop()
		return idle{}, err
	}
	_, left.begun = p.Memory()
	fds := p.Descriptors()
	goroutines, err := p.Goroutines(ctx)
	if err != nil {
		p.Stop()
		return idle{}, err
	}
	v, sent, err := s.measure(ctx, p, sc)
	if err == nil {
		err = p.AwaitQuiet(ctx, fds, goroutines)
	}
	if err != nil {
		p.Stop()
		return idle{}, err
	}
	left.peak, _ = p.Memory()
	after, err := p.Goroutines(ctx)
	_, _ = fmt.Fprintf(out, "| %s | %.0f | %d | %d | %s | %s | %s | %s | %.0f MiB | %d / %d | %d / %d |\n",
		sc.name, driver.Achieved(sent), v.notifications, v.missed, round(v.at(50)), round(v.at(99)), round(v.at(100)), round(p.CPU()), left.peak, fds, p.Descriptors(), goroutines, after)
	return left, errors.Join(err, s.verdict(v, left.peak))
}

// measure opens the sessions, posts events, and judges what they were notified.
func (s settings) measure(ctx context.Context, p *driver.Process, sc scenario) (verdict, []driver.Posted, error) {
	followers, err := driver.Follow(ctx, p, s.sessions, sc.era, sc.uri)
	if err != nil {
		return verdict{}, nil, err
	}
	sent, err := s.load("R").Post(ctx, p)
	if err == nil {
		settle(ctx, followers, shares(sent, len(followers), sc))
	}
	notified := make([][]time.Time, len(followers))
	for i, f := range followers {
		f.Leave()
		notified[i] = f.Notified()
	}
	if err != nil {
		return verdict{}, nil, err
	}
	return judge(notified, shares(sent, len(followers), sc)), sent, nil
}

// verdict holds a scenario's figures against the aims.
func (s settings) verdict(v verdict, peak float64) error {
	switch {
	case v.missed > 0:
		return fmt.Errorf("%d notifications are missing", v.missed)
	case s.short:
		return nil
	case v.at(99) >= aimP99:
		return fmt.Errorf("p99 is %s, the aim is under %s", round(v.at(99)), aimP99)
	case peak >= aimRSS:
		return fmt.Errorf("the server took %.0f MiB, the aim is under %.0f", peak, aimRSS)
	}
	return nil
}

// memorySlack is how much more memory a server may keep than it had before, in MiB.
const memorySlack = 16.0

// settleMemory leaves the servers alone for a while, since the runtime gives memory back
// in its own time, and then reads their memory again.
func (s settings) settleMemory(ctx context.Context, out io.Writer, quiet []idle) error {
	defer func() {
		for _, q := range quiet {
			q.Stop()
		}
	}()
	if s.idle == 0 || len(quiet) == 0 {
		return nil
	}
	select {
	case <-time.After(s.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	_, _ = fmt.Fprintf(out, "\n| resident memory | before the sessions | peak | %s after |\n|---|---|---|---|\n", s.idle)
	var errs []error
	for _, q := range quiet {
		_, now := q.Memory()
		_, _ = fmt.Fprintf(out, "| %s | %.0f MiB | %.0f MiB | %.0f MiB |\n", q.name, q.begun, q.peak, now)
		if now > q.begun+memorySlack {
			errs = append(errs, fmt.Errorf("%s: the server keeps %.0f MiB, it had %.0f", q.name, now, q.begun))
		}
	}
	return errors.Join(errs...)
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// window is the server's: updates within it are joined.
const window = 50 * time.Millisecond

// A verdict is what came of a scenario.
type verdict struct {
	notifications int64
	missed        int
	latencies     []time.Duration // sorted
}

func (v verdict) at(percent int) time.Duration {
	if len(v.latencies) == 0 {
		return 0
	}
	return v.latencies[(len(v.latencies)-1)*percent/100]
}

// judge looks, for every session and every window that had events for it, for the
// notification that covers the last of them: the first since that event was sent. Its
// latency counts from the answer to the event; one that came before the answer has
// none.
func judge(notified [][]time.Time, shares [][]driver.Posted) verdict {
	var v verdict
	for i, notified := range notified {
		v.notifications += int64(len(notified))
		for _, e := range lastOfWindows(shares[i]) {
			at := sort.Search(len(notified), func(k int) bool { return !notified[k].Before(e.SentAt) })
			if at == len(notified) {
				v.missed++
				continue
			}
			v.latencies = append(v.latencies, max(0, notified[at].Sub(e.AckedAt)))
		}
	}
	slices.Sort(v.latencies)
	return v
}

// shares are the events that each session is notified of, in the order of their answers.
func shares(sent []driver.Posted, sessions int, sc scenario) [][]driver.Posted {
	sort := func(events []driver.Posted) []driver.Posted {
		slices.SortFunc(events, func(a, b driver.Posted) int { return a.AckedAt.Compare(b.AckedAt) })
		return events
	}
	own := make([][]driver.Posted, sessions)
	if sc.all {
		everything := sort(slices.Clone(sent))
		for i := range own {
			own[i] = everything
		}
		return own
	}
	for e, p := range sent {
		own[e%sessions] = append(own[e%sessions], p)
	}
	for i := range own {
		own[i] = sort(own[i])
	}
	return own
}

// lastOfWindows keeps the last event of each window.
func lastOfWindows(events []driver.Posted) []driver.Posted {
	var last []driver.Posted
	for i, e := range events {
		if i+1 == len(events) || events[i+1].AckedAt.Sub(e.AckedAt) >= window ||
			events[i+1].AckedAt.Truncate(window) != e.AckedAt.Truncate(window) {
			last = append(last, e)
		}
	}
	return last
}

var errWaiting = errors.New("a session still waits for its last notification")

// settle waits until every session was notified of its last event, at most the patience:
// what is missing then is missed.
func settle(ctx context.Context, followers []*driver.Follower, shares [][]driver.Posted) {
	for i, f := range followers {
		if len(shares[i]) == 0 {
			continue
		}
		last := shares[i][len(shares[i])-1].SentAt
		_ = driver.Poll(ctx, func() error {
			if notified := f.Notified(); len(notified) == 0 || notified[len(notified)-1].Before(last) {
				return errWaiting
			}
			return nil
		})
	}
}
