package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// maxGrowth is how much an attack may add to the server's resident memory.
const maxGrowth = 64 << 20

// TestFloodLeavesSignedSendersAlone attacks the shipped binary with slow senders and
// with posts of 1 MiB that are not signed, from another address and from the address
// of a signed sender: every signed event is answered 200 meanwhile, and the memory
// grows by less than 64 MiB. FLOOD_SLOW, FLOOD_POSTS and FLOOD_POSTERS make it more, and
// FLOOD_ROUNDS divides the posts among rounds, each of them a quiet time and then an
// attack, so that what is compared was measured right after one another: the log shows
// the signed sender's latency under attack beside its quiet one.
func TestFloodLeavesSignedSendersAlone(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		requires.Missing(t, "every address of 127.0.0.0/8, and /proc: run it on Linux")
	}
	slow, posts, rounds := number(t, "FLOOD_SLOW", 100), number(t, "FLOOD_POSTS", 1000), number(t, "FLOOD_ROUNDS", 1)
	p := start(t, options{env: []string{"LOG_LEVEL=error", "GOTRACEBACK=all"}})
	// As much as the attack will take to be answered, so that the runtime has what it needs.
	newSignedSender(p).sendFor(t, max(500, posts/4))
	before := residentMemory(t, p)

	ctx, stop := context.WithCancel(t.Context())
	highest := make(chan int64, 1)
	go func() { highest <- watchMemory(ctx, p.cmd.Process.Pid) }()
	var all floodRounds
	for range rounds {
		all = append(all, flood(t, p, slow, posts/rounds))
	}
	stop()
	peak := <-highest
	t.Logf("memory %d MiB, at most %d MiB during the attack", before>>20, peak>>20)
	t.Logf("median of %d rounds: signed p99 %.1f times its quiet value", rounds, all.median())
	if peak-before >= maxGrowth {
		t.Errorf("resident memory grew by %d MiB, want less than %d", (peak-before)>>20, maxGrowth>>20)
	}
	if n := all.answered(http.StatusOK); n != 0 {
		t.Errorf("%d unsigned posts were answered 200", n)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with %d\n%s", code, p.logs)
	}
}

// A floodRound is what a quiet time and the attack after it came to.
type floodRound struct {
	answers map[int]int // of the unsigned posts, by status
	ratio   float64     // of the signed sender's p99 to its quiet one
}

type floodRounds []floodRound

// flood is one round.
func flood(t *testing.T, p *process, slow, posts int) floodRound {
	t.Helper()
	quiet := newSignedSender(p)
	quiet.sendFor(t, max(500, posts/2))
	attack := startAttack(t, p.url, slow, posts)
	loud := newSignedSender(p)
	for n := 0; ; n++ {
		loud.sendFor(t, 20)
		if n >= 10 && attack.finished() {
			break
		}
	}
	r := floodRound{answers: attack.stop(t), ratio: float64(loud.percentile(99)) / float64(quiet.percentile(99))}
	t.Logf("%d signed events; unsigned posts answered %v; signed p50 %s, quiet %s; p99 %s, quiet %s: %.1f times", len(loud.took), r.answers,
		loud.percentile(50), quiet.percentile(50), loud.percentile(99), quiet.percentile(99), r.ratio)
	return r
}

func (all floodRounds) answered(status int) (n int) {
	for _, r := range all {
		n += r.answers[status]
	}
	return n
}

func (all floodRounds) median() float64 {
	var ratios []float64
	for _, r := range all {
		ratios = append(ratios, r.ratio)
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

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

func (s *signedSender) percentile(n int) time.Duration {
	sorted := slices.Sorted(slices.Values(s.took))
	return sorted[len(sorted)*n/100]
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
