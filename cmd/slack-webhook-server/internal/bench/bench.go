// Package bench measures what this machine and this disk make of the receiving side: it
// runs the program itself as a server with a store of its own, sends it signed events,
// and says how long the answers took, how many came a second, what one cost, and what
// was lost when the server was killed.
//
// It measures sqlite, the embedded store, in a new folder inside the directory that it
// is given, which it removes when it is done. Traffic goes to the loopback only. The
// sender runs on the same machine and takes its share of it.
package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"slackmcp/webhook/signature"
)

// Options are what Run needs. Program and Dir are required.
type Options struct {
	// Program is the server's binary.
	Program string
	// Dir is a directory on the disk to measure.
	Dir string
	// Duration is how long each load lasts; 0 is ten seconds.
	Duration time.Duration
	// Connections are how many requests are under way at once, a load each; nil is 1 and 32.
	Connections []int
	// Kills is how often the server is killed under load; 0 leaves that out.
	Kills int
	// Progress, unless nil, is called with what is being done.
	Progress func(what string)
}

// A Result is what was measured.
type Result struct {
	Dir string `json:"dir"`
	// Sync is what one small write and fdatasync cost alone: the floor of an answer.
	Sync  Latency `json:"sync"`
	Loads []Load  `json:"loads"`
	Kills *Kills  `json:"kills,omitempty"`
}

// A Load is one run at full speed.
type Load struct {
	Connections int     `json:"connections"`
	Events      int     `json:"events"`
	PerSecond   float64 `json:"events_per_second"`
	// CPU is what the server spent on an event.
	CPU time.Duration `json:"cpu_per_event_ns"`
	Ack Latency       `json:"ack"`
}

// Kills are what became of the events of a server that was killed under load.
type Kills struct {
	Kills int `json:"kills"`
	// Acknowledged were answered 200. Lost of them are not in the store, Twice are there
	// more than once: both must be 0.
	Acknowledged int `json:"acknowledged"`
	Lost         int `json:"lost"`
	Twice        int `json:"stored_twice"`
	// Unanswered were cut off; each may be in the store or not.
	Unanswered int `json:"unanswered"`
	// Restart is the slowest of the starts after a kill, until ready.
	Restart time.Duration `json:"slowest_restart_ns"`
}

// ErrLost says that acknowledged events were not in the store, or more than once.
var ErrLost = errors.New("acknowledged events were lost or stored twice")

// Run measures. It returns what it has with the error that ended it early; ErrLost
// comes with a whole result.
func Run(ctx context.Context, o Options) (_ Result, err error) {
	if o.Duration <= 0 {
		o.Duration = 10 * time.Second
	}
	if o.Connections == nil {
		o.Connections = []int{1, 32}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	dir, err := os.MkdirTemp(o.Dir, "bench-")
	if err != nil {
		return Result{}, fmt.Errorf("make a folder to measure in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := Result{Dir: o.Dir}
	o.Progress("syncing small writes")
	if r.Sync, err = syncs(ctx, dir); err != nil {
		return r, err
	}
	for _, connections := range o.Connections {
		o.Progress(fmt.Sprintf("%d connections for %s", connections, o.Duration))
		load, err := o.load(ctx, filepath.Join(dir, fmt.Sprint("load-", connections)), connections)
		if err != nil {
			return r, err
		}
		r.Loads = append(r.Loads, load)
	}
	if o.Kills == 0 {
		return r, nil
	}
	k, err := o.kill(ctx, filepath.Join(dir, "kills"))
	r.Kills = &k
	if err == nil && k.Lost+k.Twice > 0 {
		err = ErrLost
	}
	return r, err
}

// load runs a server of its own under one load.
func (o Options) load(ctx context.Context, dir string, connections int) (Load, error) {
	s, err := start(ctx, o.Program, dir)
	if err != nil {
		return Load{}, err
	}
	defer s.kill()
	before, _ := s.cpu()
	limited, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	began := time.Now()
	sent := s.blast(limited, connections)
	took := time.Since(began)
	after, known := s.cpu()
	if err := errors.Join(ctx.Err(), sent.refused); err != nil {
		return Load{}, err
	}
	n := len(sent.acked)
	if n == 0 {
		return Load{}, errors.New("the server answered nothing in time")
	}
	l := Load{Connections: connections, Events: n, PerSecond: float64(n) / took.Seconds(), Ack: latencies(sent.took)}
	if known {
		l.CPU = (after - before) / time.Duration(n)
	}
	return l, s.stop()
}

// syncs times small writes that are synced one by one.
func syncs(ctx context.Context, dir string) (Latency, error) {
	const most, enough = 500, 2 * time.Second
	f, err := os.Create(filepath.Join(dir, "sync")) //nolint:gosec // inside the folder that Run made
	if err != nil {
		return Latency{}, err
	}
	defer func() { _ = f.Close() }() // thrown away
	block := make([]byte, 4<<10)
	var took []time.Duration
	for began := time.Now(); len(took) < most && time.Since(began) < enough && ctx.Err() == nil; {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return Latency{}, err
		}
		if err := f.Sync(); err != nil {
			return Latency{}, err
		}
		took = append(took, time.Since(at))
	}
	return latencies(took), ctx.Err()
}

// A Latency is a distribution of times.
type Latency struct {
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
	// Late is the share that took longer than Slack waits.
	Late float64 `json:"share_over_3s"`
	// Buckets are the times from below 125 µs on, each twice as long as the one before.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// A Bucket counts the times below its bound that were not below the one before.
type Bucket struct {
	Below time.Duration `json:"below_ns"`
	Count int           `json:"count"`
}

// slackWaits is how long Slack waits for an answer.
const slackWaits = 3 * time.Second

func latencies(took []time.Duration) Latency {
	if len(took) == 0 {
		return Latency{}
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[int(share*float64(len(took)-1))] }
	l := Latency{P50: at(.5), P90: at(.9), P99: at(.99), Max: at(1)}
	late, _ := slices.BinarySearch(took, slackWaits)
	l.Late = float64(len(took)-late) / float64(len(took))
	for begin, below := 0, 125*time.Microsecond; begin < len(took); below *= 2 {
		end, _ := slices.BinarySearch(took, below)
		if end > begin || len(l.Buckets) > 0 {
			l.Buckets = append(l.Buckets, Bucket{below, end - begin})
		}
		begin = end
	}
	return l
}

// Write prints the result for people.
func (r Result) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "disk        %s\n", r.Dir)
	fmt.Fprintf(&b, "one sync    p50 %s, p99 %s: what an answer waits for at least\n\n", round(r.Sync.P50), round(r.Sync.P99))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "connections\tevents\tevents/s\tCPU per event\tp50\tp90\tp99\tmax\tover 3 s") // a Builder never fails
	for _, l := range r.Loads {
		cpu := "unknown"
		if l.CPU > 0 {
			cpu = round(l.CPU).String()
		}
		_, _ = fmt.Fprintf(t, "%d\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t%.2f %%\n", l.Connections, l.Events, l.PerSecond, cpu,
			round(l.Ack.P50), round(l.Ack.P90), round(l.Ack.P99), round(l.Ack.Max), 100*l.Ack.Late)
	}
	_ = t.Flush()
	for _, l := range r.Loads {
		fmt.Fprintf(&b, "\nanswers with %d connections\n%s", l.Connections, l.Ack.histogram())
	}
	if k := r.Kills; k != nil {
		fmt.Fprintf(&b, "\nkilled %d times: %d acknowledged, %d lost, %d stored twice, %d cut off; ready again within %s\n",
			k.Kills, k.Acknowledged, k.Lost, k.Twice, k.Unanswered, round(k.Restart))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON prints one object.
func (r Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// histogram draws a bar for each bucket.
func (l Latency) histogram() string {
	const width = 50
	most := 0
	for _, b := range l.Buckets {
		most = max(most, b.Count)
	}
	var s strings.Builder
	for _, b := range l.Buckets {
		bar := strings.Repeat("#", (b.Count*width+most-1)/most)
		fmt.Fprintf(&s, "  below %8s  %-*s %d\n", round(b.Below), width, bar, b.Count)
	}
	return s.String()
}

// round keeps as many digits as a person reads.
func round(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond)
	case d < time.Second:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}

// A sent is what came of a load.
type sent struct {
	acked      []string // ids that were answered 200
	took       []time.Duration
	unanswered int
	refused    error // the first answer that was not 200
}

// blast sends events over so many connections, as fast as they are answered, until ctx
// ends or the server is gone.
func (c *child) blast(ctx context.Context, connections int) sent {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	run, next := rand.Text()[:8], new(atomic.Int64)
	var (
		all sync.WaitGroup
		mu  sync.Mutex
		sum sent
	)
	for range connections {
		all.Go(func() {
			one := c.send(ctx, client, run, next)
			mu.Lock()
			defer mu.Unlock()
			sum.acked = append(sum.acked, one.acked...)
			sum.took = append(sum.took, one.took...)
			sum.unanswered += one.unanswered
			if sum.refused == nil {
				sum.refused = one.refused
			}
		})
	}
	all.Wait()
	return sum
}

// send is one connection's share.
func (c *child) send(ctx context.Context, client *http.Client, run string, next *atomic.Int64) (s sent) {
	for ctx.Err() == nil {
		id := "EvBENCH" + run + strconv.FormatInt(next.Add(1), 10)
		at := time.Now()
		status, err := c.post(context.WithoutCancel(ctx), client, id)
		switch {
		case err != nil: // the server was killed
			s.unanswered++
			return s
		case status != http.StatusOK:
			s.refused = fmt.Errorf("an event was answered %d", status)
			return s
		}
		s.acked = append(s.acked, id)
		s.took = append(s.took, time.Since(at))
	}
	return s
}

// post sends one message of about 1 KB, as Slack does. Its ctx is not bounded by the load's
// time, so that each event is either answered or not: an answer takes six seconds at
// most, or the server is broken.
func (c *child) post(ctx context.Context, client *http.Client, id string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*slackWaits)
	defer cancel()
	now := time.Now()
	body := fmt.Appendf(nil, `{"team_id":"T0BENCH","api_app_id":"A0BENCH","type":"event_callback","event_id":%q,"event_time":%d,`+
		`"event":{"type":"message","channel":"C0BENCH","channel_type":"channel","user":"U0BENCH","ts":"%d.%06d","text":%q},`+
		`"authorizations":[{"team_id":"T0BENCH","user_id":"U0BOT","is_bot":true}],"event_context":"4-bench"}`,
		id, now.Unix(), now.Unix(), now.Nanosecond()/1000, filler)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/slack/events", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	signature.SignSlack(req.Header, c.secret, now, body)
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end below
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// filler makes an event as long as a usual message.
var filler = strings.Repeat("the quick brown fox jumps over the lazy dog ", 14)
