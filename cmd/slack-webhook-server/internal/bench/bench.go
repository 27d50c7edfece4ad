package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
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
	// Progress, unless nil, is told what is being done.
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
