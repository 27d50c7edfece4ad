//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"slackmcp/test/internal/driver"
)

// A variant is one server that is measured.
type variant struct {
	name    string
	command driver.Command
	prepare func(ctx context.Context, p *driver.Process) error // what is done with it first; nil is nothing
}

// boltDir is where Bolt's server is, seen from the module's root.
const boltDir = "test/bench/bolt"

// ours is a build's server with one of its stores.
func ours(name, server, backend string) variant {
	return variant{name: name, command: driver.Command{
		Args:  []string{server, "--no-env-file", "--host", "127.0.0.1", "--port", "{port}", "--data-dir", "{dir}/data", "--queue-backend", backend},
		Env:   []string{"SLACK_SIGNING_SECRET=" + driver.SigningSecret},
		Ready: "/readyz",
	}}
}

// variants lists what can be measured here; Bolt needs Node and runs at many connections.
func variants(ctx context.Context, o options, conns int, log io.Writer) ([]variant, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	list := []variant{
		{name: "bare", command: driver.Command{Args: []string{self, "-bare", "127.0.0.1:{port}"}}},
		ours("memory", o.server, "memory"), ours("sqlite", o.server, "sqlite"),
	}
	if conns == 1 {
		return list, nil
	}
	if err := installBolt(ctx, log); err != nil {
		fmt.Fprintf(log, "bench: Bolt is left out: %v\n", err)
		return list, nil
	}
	return append(list, variant{name: "Bolt", command: driver.Command{
		Args: []string{"node", boltDir + "/server.mjs"},
		Env:  []string{"SLACK_SIGNING_SECRET=" + driver.SigningSecret, "PORT={port}", "NODE_ENV=production"},
	}}), nil
}

func installBolt(ctx context.Context, log io.Writer) error {
	for _, needs := range []string{"node", "npm"} {
		if _, err := exec.LookPath(needs); err != nil {
			return fmt.Errorf("it needs %s: install Node 20 or newer", needs)
		}
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir, install.Stdout, install.Stderr = boltDir, log, log
	return install.Run()
}

// A result is what one run of one variant came to.
type result struct {
	cpu      time.Duration // of the server, per event
	rate     float64       // events a second
	p50, p99 time.Duration
	peak     float64 // resident memory in MiB
}

// A comparison has the results of each variant, by its name and then by the round.
type comparison struct {
	names   []string
	results map[string][]result
	appends []time.Duration // p50 of an append with fdatasync, by the round
}

// measureAt runs every variant once in each round.
func measureAt(ctx context.Context, o options, conns int, log io.Writer) (comparison, error) {
	list, err := variants(ctx, o, conns, log)
	if err != nil {
		return comparison{}, err
	}
	return measureEach(ctx, o, list, conns, log)
}

// measureEach runs each of some variants once in each round.
func measureEach(ctx context.Context, o options, list []variant, conns int, log io.Writer) (comparison, error) {
	events := o.events
	if conns == 1 {
		events /= 4
	}
	c := comparison{results: map[string][]result{}}
	for _, v := range list {
		c.names = append(c.names, v.name)
	}
	for round := range o.rounds {
		for _, v := range list {
			r, err := once(ctx, v, conns, events)
			if err != nil {
				return comparison{}, fmt.Errorf("%s at %d connections: %w", v.name, conns, err)
			}
			fmt.Fprintf(log, "%d connections, round %d, %-7s %7.1f µs CPU, %7.0f events/s, p50 %s, p99 %s, %.0f MiB\n",
				conns, round+1, v.name, micros(r.cpu), r.rate, r.p50, r.p99, r.peak)
			c.results[v.name] = append(c.results[v.name], r)
		}
		p50, err := appendAndSync(events)
		if err != nil {
			return comparison{}, err
		}
		c.appends = append(c.appends, p50)
	}
	return c, nil
}

// once starts a server, sends it events over conns connections and stops it.
func once(ctx context.Context, v variant, conns, events int) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := driver.Launch(ctx, v.command)
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	if v.prepare != nil {
		if err := v.prepare(ctx, p); err != nil {
			return result{}, err
		}
	}
	addr := strings.TrimPrefix(p.Base, "http://")
	if _, _, err := blast(ctx, addr, makeRequests(500, addr), 4); err != nil {
		return result{}, fmt.Errorf("warm up: %w", err)
	}
	requests := makeRequests(events, addr)
	before := p.CPU()
	lat, elapsed, err := blast(ctx, addr, requests, conns)
	if err != nil {
		return result{}, err
	}
	cpu := p.CPU() - before
	peak, _ := p.Memory()
	return result{
		cpu: cpu / time.Duration(events), rate: float64(events) / elapsed.Seconds(),
		p50: percentile(lat, 0.50), p99: percentile(lat, 0.99), peak: peak,
	}, nil
}

// appendAndSync is the p50 of a bare append of 1 KB with fdatasync, in the folder where the
// servers keep their stores.
func appendAndSync(n int) (p50 time.Duration, err error) {
	f, err := os.CreateTemp("", "append")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 1<<10)
	times := make([]time.Duration, n)
	for i := range times {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		times[i] = time.Since(at)
	}
	return percentile(times, 0.50), nil
}

// middle is the median of a figure over the rounds; 0 was not measured.
func (c comparison) middle(name string, get func(result) float64) float64 {
	var list []float64
	for _, r := range c.results[name] {
		list = append(list, get(r))
	}
	return median(list)
}

// ratio is the CPU of an event in that of another server in the same round, as a median.
func (c comparison) ratio(name, base string) float64 {
	return c.ratioOf(name, base, func(r result) float64 { return float64(r.cpu) })
}

// ratioOf is a figure in that of another server in the same round, as a median.
func (c comparison) ratioOf(name, base string, get func(result) float64) float64 {
	var list []float64
	for i, b := range c.results[base] {
		list = append(list, get(c.results[name][i])/get(b))
	}
	return median(list)
}

// syncs is how many bare appends with a sync the durability of sqlite takes, as a median of
// the rounds.
func (c comparison) syncs() float64 {
	var list []float64
	for i, bare := range c.appends {
		list = append(list, float64(c.results["sqlite"][i].p50-c.results["memory"][i].p50)/float64(bare))
	}
	return median(list)
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func (c comparison) table(what string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | CPU of an event | to the bare handler | events of a CPU second | events/s | p50 | p99 | peak memory |\n|---|---:|---:|---:|---:|---:|---:|---:|\n", what)
	for _, name := range c.names {
		cpu := c.middle(name, func(r result) float64 { return micros(r.cpu) })
		fmt.Fprintf(&b, "| %s | %.1f µs | %.2f | %.0f | %.0f | %.0f µs | %.0f µs | %.0f MiB |\n", name, cpu, c.ratio(name, "bare"), 1e6/cpu,
			c.middle(name, func(r result) float64 { return r.rate }),
			c.middle(name, func(r result) float64 { return micros(r.p50) }),
			c.middle(name, func(r result) float64 { return micros(r.p99) }),
			c.middle(name, func(r result) float64 { return r.peak }))
	}
	var appends []float64
	for _, d := range c.appends {
		appends = append(appends, micros(d))
	}
	fmt.Fprintf(&b, "| append of 1 KB with fdatasync | | | | | %.0f µs | | |\n", median(appends))
	return b.String()
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// makeRequests writes whole HTTP requests in advance, each a signed Slack message of
// about 1 KB with an id of its own, so that the client's work stays small.
func makeRequests(n int, host string) [][]byte {
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	run := rand.Text()[:8]
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 9)
	requests := make([][]byte, n)
	for i := range requests {
		body := fmt.Appendf(nil, `{"token":"z","team_id":"T0BENCH","context_team_id":"T0BENCH","api_app_id":"A0BENCH","event":{"client_msg_id":"%032d","type":"message","text":%q,"user":"U%07d","ts":"%s.%06d","blocks":[{"type":"rich_text","block_id":"b1","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"hello there, this is the same text once more"}]}]}],"team":"T0BENCH","channel":"C%03d","event_ts":"%s.%06d","channel_type":"channel"},"type":"event_callback","event_id":"Ev%s%07d","event_time":%s,"authorizations":[{"enterprise_id":null,"team_id":"T0BENCH","user_id":"U0BOT","is_bot":true,"is_enterprise_install":false}],"is_ext_shared_channel":false,"event_context":"4-bench"}`,
			i, text, i%500, ts, i, i%50, ts, i, run, i, ts)
		mac := hmac.New(sha256.New, []byte(driver.SigningSecret))
		fmt.Fprintf(mac, "v0:%s:%s", ts, body)
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST /slack/events HTTP/1.1\r\nHost: %s\r\nUser-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept: */*\r\nAccept-Encoding: gzip,deflate\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Slack-Request-Timestamp: %s\r\nX-Slack-Signature: v0=%s\r\n\r\n",
			host, len(body), ts, hex.EncodeToString(mac.Sum(nil)))
		b.Write(body)
		requests[i] = b.Bytes()
	}
	return requests
}

// blast sends the requests over conns connections and returns the latencies of the
// answers and the time of the whole. An answer that is not 200 ends the run.
func blast(ctx context.Context, addr string, requests [][]byte, conns int) ([]time.Duration, time.Duration, error) {
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		mu    sync.Mutex
		all   = make([]time.Duration, 0, len(requests))
		first error
	)
	begin := time.Now()
	for range conns {
		wg.Go(func() {
			lat, err := sendOn(ctx, addr, requests, &next)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, lat...)
			if err != nil && first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return all, time.Since(begin), first
}

func sendOn(ctx context.Context, addr string, requests [][]byte, next *atomic.Int64) ([]time.Duration, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	r := bufio.NewReader(c)
	var lat []time.Duration
	for {
		i := int(next.Add(1)) - 1
		if i >= len(requests) {
			return lat, nil
		}
		at := time.Now()
		if _, err := c.Write(requests[i]); err != nil {
			return lat, err
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return lat, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil {
			return lat, err
		}
		if res.StatusCode != http.StatusOK {
			return lat, fmt.Errorf("answer %s", res.Status)
		}
		lat = append(lat, time.Since(at))
	}
}

// percentile sorts d. It is 0 of nothing.
func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(float64(len(d))*p), len(d)-1)]
}

// serveBare is the floor on an address: it reads the body, checks the HMAC and answers.
func serveBare(ctx context.Context, addr string) error {
	srv := &http.Server{Addr: addr, Handler: http.HandlerFunc(bare), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	return srv.ListenAndServe()
}

func bare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(driver.SigningSecret))
	mac.Write([]byte("v0:"))
	mac.Write([]byte(r.Header.Get("X-Slack-Request-Timestamp")))
	mac.Write([]byte(":"))
	mac.Write(body)
	got, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Slack-Signature"), "v0="))
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}
