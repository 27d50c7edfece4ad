// Command fanout measures how quickly events reach many assistants: it starts the
// server, opens sessions that follow resources, posts signed events at a steady rate,
// and times each notification from the answer to the event that it covers. It runs
// apart from the server, on the same machine.
//
// The last two scenarios of each era have the same channels: in one services follow them; in the other
// each session is of another person who has signed in, follows all events, and has to be told of those of the
// channel in which the person is, and of no others.
//
//	go run ./test/fanout -server bin/slack-webhook-server          # the whole
//	go run ./test/fanout -server bin/slack-webhook-server -short   # a quick look
//	go run ./test/fanout -server bin/slack-webhook-server -sessions 10000 -rate 50 -memory 1024 -only "a channel of its own"
//
// Each event must be notified, to every session that follows; the aims for time and
// memory are judged unless -short.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"slackmcp/test/internal/driver"
)

// aimP99 is the aim for the 99th percentile from the answer to an event until its notification.
const aimP99 = 100 * time.Millisecond

type settings struct {
	server   string
	sessions int
	rate     int
	duration time.Duration
	idle     time.Duration
	memory   float64 // the aim for the server's resident memory at its peak, in MiB
	short    bool
}

// A scenario says who follows what.
type scenario struct {
	name string
	era  driver.Era
	to   to
	rate int // events a second; 0 is that of the settings
}

// A to says to whom events are told.
type to uint8

const (
	toOne    to = iota // each session follows a channel of its own
	toAll              // all follow all events
	toRooms            // each follows one of a few channels
	toPeople           // each follows all events, and may see those of one of a few channels
)

// ofPeople is how many events a second come in the scenarios with few channels.
const ofPeople = 100

func scenarios() []scenario {
	var list []scenario
	for _, e := range []driver.Era{driver.Session, driver.Stateless} {
		list = append(list,
			scenario{"each a channel of its own, " + string(e), e, toOne, 0},
			scenario{"all the same resource, " + string(e), e, toAll, 0},
			scenario{"services, each one of a few channels, " + string(e), e, toRooms, ofPeople},
			scenario{"people, each in one of a few channels, " + string(e), e, toPeople, ofPeople})
	}
	return list
}

// uri is what a session follows.
func (s settings) uri(sc scenario, session int) string {
	switch sc.to {
	case toOne:
		return "slack://channels/" + driver.Channel(session) + "/events"
	case toRooms:
		return "slack://channels/" + driver.Channel(s.room(session)) + "/events"
	case toAll, toPeople:
	}
	return "slack://events"
}

func main() {
	var s settings
	flag.StringVar(&s.server, "server", "bin/slack-webhook-server", "the server's binary")
	flag.IntVar(&s.sessions, "sessions", 1000, "sessions that follow")
	flag.IntVar(&s.rate, "rate", 500, "events a second")
	flag.DurationVar(&s.duration, "duration", 30*time.Second, "how long events are posted")
	only := flag.String("only", "", "run the scenarios whose name contains this")
	flag.DurationVar(&s.idle, "idle", 5*time.Minute, "how long the servers are left alone before their memory is read again")
	flag.Float64Var(&s.memory, "memory", 256, "the most memory that the server may take, in MiB")
	flag.BoolVar(&s.short, "short", false, "100 sessions and 100 events a second for 3 s; only completeness is judged")
	flag.Parse()
	if s.short {
		s.sessions, s.rate, s.duration, s.idle = 100, 100, 3*time.Second, 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Fprintf(os.Stdout, "%d sessions, %d events/s for %s\n\n", s.sessions, s.rate, s.duration)
	fmt.Fprintln(os.Stdout, "| who follows what | events/s | notifications | missed | p50 | p95 | p99 | max | CPU | peak RSS | fds before/after | goroutines before/after |")
	fmt.Fprintln(os.Stdout, "|---|---|---|---|---|---|---|---|---|---|---|---|")
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
	errs = append(errs, s.besides(os.Stdout, quiet))
	errs = append(errs, s.settleMemory(ctx, os.Stdout, quiet))
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", strings.ReplaceAll(err.Error(), "\n", "\nfanout: "))
		os.Exit(1) //nolint:gocritic // the process ends, and with it the notification of signals
	}
}

// besides writes what it costs that events are people's, for each era of which both scenarios were run.
func (s settings) besides(out io.Writer, done []idle) error {
	var errs []error
	for _, services := range done {
		for _, people := range done {
			if services.to == toRooms && people.to == toPeople && services.era == people.era {
				errs = append(errs, s.beside(out, services, people))
			}
		}
	}
	return errors.Join(errs...)
}

// load is one load of a scenario, by the name of its run.
func (s settings) load(sc scenario, run string) driver.Load {
	l := driver.Load{Rate: cmp.Or(sc.rate, s.rate), Duration: s.duration, Channels: s.sessions, Run: run}
	if sc.to == toRooms || sc.to == toPeople {
		l.Channels = s.rooms()
	}
	return l
}

// An idle server is one whose scenario is over.
type idle struct {
	scenario
	*driver.Process
	begun, peak float64 // resident memory, in MiB: with its window full and no session, and at most
	told        verdict
	cpu         time.Duration // while events came
	read        pages         // of people
	workspace   *workspace    // of people; else nil
}

// Stop ends the server, and the workspace of its people.
func (i idle) Stop() {
	i.Process.Stop()
	if i.workspace != nil {
		i.workspace.stop()
	}
}

// usualSessions is for how many sessions the server's bounds are left as they are.
const usualSessions = 1000

// args are the server's. Most of its streams are of one token.
func (s settings) args() []string {
	args := []string{"--integrated", "--mcp-transport", "streamable-http"}
	if s.sessions > usualSessions {
		const calls = 256
		n, connections := s.sessions+100, (s.sessions+100+calls)*8/5+1 // of which five eighths may be those of assistants
		args = append(args, "--mcp-share", "100", "--mcp-max-calls", strconv.Itoa(calls), "--mcp-max-sessions", strconv.Itoa(n),
			"--mcp-max-streams", strconv.Itoa(n), "--max-connections", strconv.Itoa(connections))
	}
	return args
}

// start starts the server of a scenario.
func (s settings) start(ctx context.Context, sc scenario) (left idle, err error) {
	args := s.args()
	left = idle{scenario: sc}
	if sc.to != toPeople {
		left.Process, err = driver.Start(ctx, s.server, args...)
		return left, err
	}
	if left.workspace, err = s.openWorkspace(ctx); err != nil {
		return idle{}, err
	}
	left.Process, err = driver.StartWith(ctx, s.server, left.workspace.env, append(args, "--data-dir", left.workspace.data())...)
	if err != nil {
		left.workspace.stop()
		return idle{}, err
	}
	if err = s.warm(ctx, left.Process); err != nil {
		err = fmt.Errorf("%w\n%s", err, left.Logs())
		left.Stop()
		return idle{}, err
	}
	return left, nil
}

// run measures one scenario against a fresh server and writes its row. The server is
// left running, unless there was an error; the caller stops it.
func (s settings) run(ctx context.Context, out io.Writer, sc scenario) (left idle, err error) {
	if left, err = s.start(ctx, sc); err == nil {
		defer func() {
			if err != nil && left.told.latencies == nil {
				left.Stop()
				left = idle{}
			}
		}()
		err = s.follow(ctx, out, &left)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", sc.name, err)
	}
	return left, err
}

// follow measures the scenario of a server that runs.
func (s settings) follow(ctx context.Context, out io.Writer, left *idle) error {
	sc, p := left.scenario, left.Process
	// The window on the newest events is filled first, so that its memory is not taken for
	// the sessions'.
	if _, err := s.load(sc, "W").Post(ctx, p); err != nil {
		return err
	}
	_, left.begun = p.Memory()
	fds := p.Descriptors()
	goroutines, err := p.Goroutines(ctx)
	if err != nil {
		return err
	}
	before := p.CPU()
	v, sent, err := s.measure(ctx, *left)
	left.cpu = p.CPU() - before
	if err == nil {
		err = p.AwaitQuiet(ctx, fds, goroutines)
	}
	if err == nil && sc.to == toPeople {
		left.read, err = s.read(ctx, p, left.workspace)
	}
	if err != nil {
		return err
	}
	left.told = v
	left.peak, _ = p.Memory()
	after, err := p.Goroutines(ctx)
	_, _ = fmt.Fprintf(out, "| %s | %.0f | %d | %d | %s | %s | %s | %s | %s | %.0f MiB | %d / %d | %d / %d |\n",
		sc.name, driver.Achieved(sent), v.notifications, v.missed, round(v.at(50)), round(v.at(95)), round(v.at(99)), round(v.at(100)), round(left.cpu), left.peak, fds, p.Descriptors(), goroutines, after)
	return errors.Join(err, s.verdict(v, left.peak))
}

// measure opens the sessions, posts events, and judges what they were notified.
func (s settings) measure(ctx context.Context, on idle) (verdict, []driver.Posted, error) {
	sc := on.scenario
	followers, err := driver.Follow(ctx, on.Process, s.sessions, sc.era, func(session int) driver.Client {
		c := driver.Client{URI: s.uri(sc, session)}
		if on.workspace != nil {
			c.Token = on.workspace.tokens[session]
		}
		return c
	})
	if err != nil {
		return verdict{}, nil, err
	}
	sent, err := s.load(sc, "R").Post(ctx, on.Process)
	own := s.shares(sent, sc)
	if err == nil {
		settle(ctx, followers, own)
	}
	notified := make([][]time.Time, len(followers))
	var ended []error
	for i, f := range followers {
		if gone := f.Ended(); gone != nil {
			ended = append(ended, fmt.Errorf("the stream of session %d ended: %w", i, gone))
		}
		f.Leave()
		notified[i] = f.Notified()
	}
	if err != nil {
		return verdict{}, nil, err
	}
	v := judge(notified, own)
	v.ended = errors.Join(ended...)
	return v, sent, nil
}

// verdict holds a scenario's figures against the aims.
func (s settings) verdict(v verdict, peak float64) error {
	switch {
	case v.missed > 0:
		return errors.Join(fmt.Errorf("%d notifications are missing", v.missed), v.ended)
	case v.others > 0:
		return fmt.Errorf("%d notifications are of nothing that the session was to be told", v.others)
	case s.short:
		return nil
	case v.at(99) >= aimP99:
		return fmt.Errorf("p99 is %s, the aim is under %s", round(v.at(99)), aimP99)
	case peak >= s.memory:
		return fmt.Errorf("the server took %.0f MiB, the aim is under %.0f", peak, s.memory)
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
	others        int             // more than a session had events
	latencies     []time.Duration // sorted
	ended         error           // of each stream that ended before its client left it
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
		v.others += max(0, len(notified)-len(shares[i]))
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
func (s settings) shares(sent []driver.Posted, sc scenario) [][]driver.Posted {
	of, channels := map[int][]driver.Posted{}, s.load(sc, "").Channels
	for e, p := range sent {
		of[e%channels] = append(of[e%channels], p)
	}
	if sc.to == toAll {
		of = map[int][]driver.Posted{0: slices.Clone(sent)}
	}
	for _, events := range of {
		slices.SortFunc(events, func(a, b driver.Posted) int { return a.AckedAt.Compare(b.AckedAt) })
	}
	own := make([][]driver.Posted, s.sessions)
	for i := range own {
		own[i] = of[map[to]int{toOne: i, toRooms: s.room(i), toPeople: s.room(i)}[sc.to]]
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
