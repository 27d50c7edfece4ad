package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// maxGrowth is how much an attack may add to the server's resident memory.
const maxGrowth = 64 << 20

// TestFloodLeavesSignedSendersAlone attacks the shipped binary with slow senders and
// with posts of 1 MiB that nobody signed, from another address and from the address
// of a signed sender: every signed event is answered 200 meanwhile, and the memory
// grows by less than 64 MiB. FLOOD_SLOW and FLOOD_POSTS make it longer; then the log
// shows the signed sender's latency beside its quiet one.
func TestFloodLeavesSignedSendersAlone(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		requires.Missing(t, "every address of 127.0.0.0/8, and /proc: run it on Linux")
	}
	slow, posts := number(t, "FLOOD_SLOW", 100), number(t, "FLOOD_POSTS", 1000)
	p := start(t, options{env: []string{"LOG_LEVEL=error", "GOTRACEBACK=all"}})
	quiet := newSignedSender(p)
	// As much as the attack will take to be answered, so that the runtime has what it needs.
	quiet.sendFor(t, 500)
	before := residentMemory(t, p)

	ctx, stop := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	for i := range slow {
		attackers.Go(func() { slowSender(ctx, p.url, attacker(i), i) })
	}
	highest := make(chan int64, 1)
	go func() { highest <- watchMemory(ctx, p.cmd.Process.Pid) }()
	answers := &tally{}
	var flood sync.WaitGroup
	next := atomic.Int64{}
	for range 16 {
		flood.Go(func() {
			for i := next.Add(1); i <= int64(posts); i = next.Add(1) {
				answers.add(unsignedPost(ctx, p.url, attacker(int(i)), int(i)))
			}
		})
	}
	loud := newSignedSender(p)
	finished := make(chan struct{})
	go func() { flood.Wait(); close(finished) }()
	for n := 0; ; n++ {
		loud.sendFor(t, 20)
		select {
		case <-finished:
		default:
			continue
		}
		if n >= 10 {
			break
		}
	}
	stop()
	attackers.Wait()
	peak := <-highest
	t.Logf("memory %d MiB, at most %d MiB during the attack; %d signed events; unsigned posts answered %v", before>>20, peak>>20, len(loud.took), answers)
	t.Logf("signed p99 %s, quiet %s", loud.p99(), quiet.p99())
	if peak-before >= maxGrowth {
		t.Errorf("resident memory grew by %d MiB, want less than %d", (peak-before)>>20, maxGrowth>>20)
	}
	if n := answers.of(http.StatusOK); n != 0 {
		t.Errorf("%d unsigned posts were answered 200", n)
	}
	if answers.of(http.StatusTooManyRequests) == 0 {
		t.Errorf("no unsigned post was held back: %v", answers)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with %d\n%s", code, p.logs)
	}
}

// attacker is the address that an attack comes from: one of six, of which one is the
// signed sender's own.
func attacker(i int) string { return fmt.Sprintf("127.0.0.%d", 1+i%6) }

// A signedSender posts signed events, one after the other, and remembers how long each
// took.
type signedSender struct {
	p    *process
	took []time.Duration
}

func newSignedSender(p *process) *signedSender { return &signedSender{p: p} }

var signedID atomic.Int64

func (s *signedSender) sendFor(t *testing.T, n int) {
	t.Helper()
	for range n {
		id := fmt.Sprintf("Ev0FLOOD%06d", signedID.Add(1))
		began := time.Now()
		if status, body := s.p.post(message(id, "C1", "signed")); status != http.StatusOK {
			t.Fatalf("%s was answered %d %s\n%s", id, status, body, s.p.logs)
		}
		s.took = append(s.took, time.Since(began))
	}
}

func (s *signedSender) p99() time.Duration {
	sorted := slices.Sorted(slices.Values(s.took))
	return sorted[len(sorted)*99/100]
}

// slowSender holds connections in one of three ways until ctx ends: headers that never
// end, a short body that does not come, and a long one that trickles.
func slowSender(ctx context.Context, url, from string, i int) {
	headers := "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	forged := fmt.Sprintf("X-Slack-Request-Timestamp: %d\r\nX-Slack-Signature: v0=%064d\r\n", time.Now().Unix(), i)
	opening, trickle := headers, "X-Slow: yes\r\n"
	switch i % 3 {
	case 1:
		opening, trickle = headers+forged+"Content-Length: 8000\r\n\r\n", "x"
	case 2:
		opening, trickle = headers+forged+"Content-Length: 1048576\r\n\r\n"+strings.Repeat("x", 20_000), strings.Repeat("x", 1000)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		conn, err := dialFrom(ctx, strings.TrimPrefix(url, "http://"), from)
		if err != nil {
			<-tick.C
			continue
		}
		_, err = io.WriteString(conn, opening)
		for err == nil {
			select {
			case <-tick.C:
				_, err = io.WriteString(conn, trickle)
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		_ = conn.Close()
	}
}

func dialFrom(ctx context.Context, addr, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", addr)
}

var megabyte = bytes.Repeat([]byte("x"), 1<<20)

// unsignedPost posts 1 MiB, every other time with a signature that is well-formed and
// wrong, and returns the status; 0 when the connection was ended before an answer.
func unsignedPost(ctx context.Context, url, from string, i int) int {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return dialFrom(ctx, addr, from)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/slack/events", bytes.NewReader(megabyte))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	if i%2 == 0 {
		req.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
		req.Header.Set("X-Slack-Signature", fmt.Sprintf("v0=%064d", i))
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// A tally counts answers by status.
type tally struct {
	mu sync.Mutex
	n  map[int]int
}

func (a *tally) add(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == nil {
		a.n = map[int]int{}
	}
	a.n[status]++
}

func (a *tally) of(status int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n[status]
}

// String lists the counts by status.
func (a *tally) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprint(a.n)
}

// residentMemory is a process's resident memory in bytes.
func residentMemory(t *testing.T, p *process) int64 {
	t.Helper()
	n, err := readResident(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readResident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}

// watchMemory returns the most that a process had until ctx ended.
func watchMemory(ctx context.Context, pid int) (most int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if n, err := readResident(pid); err == nil {
			most = max(most, n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return most
		}
	}
}
