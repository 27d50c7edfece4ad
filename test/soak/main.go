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
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	return 1 // Post returns the first of each sender
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

// A sample is what a server had at one moment.
type sample struct {
	rss                     float64 // MiB
	goroutines, descriptors int
}

// A watcher samples a server until end is called.
type watcher struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	samples []sample
}

// watch samples a hundred times in the time given.
func watch(ctx context.Context, p *driver.Process, d time.Duration) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{stop: cancel}
	w.done.Go(func() {
		tick := time.NewTicker(max(d/100, 50*time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			n, err := p.Goroutines(ctx)
			if err != nil {
				continue // too busy to say
			}
			_, rss := p.Memory()
			w.samples = append(w.samples, sample{rss, n, p.Descriptors()})
		}
	})
	return w
}

func (w *watcher) end() []sample {
	w.stop()
	w.done.Wait()
	return w.samples
}

// halves are the medians of the second and of the last quarter: the first one fills the
// window on the newest events.
func halves(all []sample) (second, last sample) {
	n := len(all) / 4
	if n == 0 {
		return sample{}, sample{}
	}
	return median(all[n : 2*n]), median(all[len(all)-n:])
}

func median(list []sample) sample {
	rss, goroutines, descriptors := make([]float64, len(list)), make([]int, len(list)), make([]int, len(list))
	for i, s := range list {
		rss[i], goroutines[i], descriptors[i] = s.rss, s.goroutines, s.descriptors
	}
	slices.Sort(rss)
	slices.Sort(goroutines)
	slices.Sort(descriptors)
	m := len(list) / 2
	return sample{rss[m], goroutines[m], descriptors[m]}
}

// traffic is what assistants do meanwhile: clients follow channels, come and go, list
// and read events.
type traffic struct {
	stop          context.CancelFunc
	all           sync.WaitGroup
	calls, failed atomic.Int64
	first         atomic.Pointer[string] // how the first failed
	followers     []*driver.Follower
}

// callEvery is the pause between two calls of one caller, of which there are four.
const (
	callEvery = 200 * time.Millisecond
	callers   = 4
)

func (s settings) traffic(ctx context.Context, p *driver.Process) (*traffic, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{stop: cancel}
	var err error
	if t.followers, err = driver.Follow(ctx, p, s.sessions, driver.Session, channel); err != nil {
		cancel()
		return nil, err
	}
	for range callers {
		t.all.Go(func() { t.repeat(ctx, func(c *http.Client) error { return t.call(ctx, c, p) }) })
	}
	t.all.Go(func() { t.repeat(ctx, func(*http.Client) error { return comeAndGo(ctx, p) }) })
	return t, nil
}

func channel(i int) driver.Client {
	return driver.Client{URI: "slack://channels/" + driver.Channel(i) + "/events"}
}

// comeAndGo lets a few clients of each era follow for a moment.
func comeAndGo(ctx context.Context, p *driver.Process) error {
	for _, era := range []driver.Era{driver.Session, driver.Stateless} {
		some, err := driver.Follow(ctx, p, 5, era, channel)
		if err != nil {
			return err
		}
		for _, f := range some {
			f.Leave()
		}
	}
	return nil
}

// call lists events and reads a resource.
func (t *traffic) call(ctx context.Context, c *http.Client, p *driver.Process) error {
	if err := driver.Call(ctx, c, p, "tools/call", "slack_list_events", `"name":"slack_list_events","arguments":{"limit":20}`); err != nil {
		return err
	}
	return driver.Call(ctx, c, p, "resources/read", "slack://events", `"uri":"slack://events"`)
}

func (t *traffic) repeat(ctx context.Context, do func(*http.Client) error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := do(client)
		if ctx.Err() != nil {
			return
		}
		t.calls.Add(1)
		if err != nil {
			t.failed.Add(1)
			how := err.Error()
			t.first.CompareAndSwap(nil, &how)
		}
	}
}

// end stops the traffic and counts. A nil traffic was none.
func (t *traffic) end() (calls, failed int64) {
	if t == nil {
		return 0, 0
	}
	t.stop()
	t.all.Wait()
	for _, f := range t.followers {
		f.Leave()
	}
	return t.calls.Load(), t.failed.Load()
}

// trouble is how the first call failed, or empty.
func (t *traffic) trouble() string {
	if t == nil || t.first.Load() == nil {
		return ""
	}
	return *t.first.Load()
}
