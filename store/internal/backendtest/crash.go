//go:build unix

package backendtest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/testservers"
	"slackmcp/store/queue"
)

// childPlace is set in the environment of a child and says where its queue is.
const childPlace = "BACKENDTEST_CHILD"

// Main runs a package's tests, or, in a child process that Crashes started, a consumer
// until it is killed. TestMain calls it.
func Main(m *testing.M, open func(ctx context.Context, place string) (queue.Queue, error)) {
	place := os.Getenv(childPlace) //nolint:forbidigo // how a test talks to its own child
	if place == "" {
		os.Exit(m.Run())
	}
	if err := child(place, open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child works events slowly and says so before and after.
func child(place string, open func(context.Context, string) (queue.Queue, error)) error {
	ctx := context.Background()
	q, err := open(ctx, place)
	if err != nil {
		return err
	}
	return q.Consume(ctx, queue.Group{Name: "work", Workers: 4, Policy: quick()}, func(_ context.Context, d queue.Delivery) error {
		say("try", d)
		wait(rand.N(20 * time.Millisecond)) //nolint:gosec // variety, no secret
		say("end", d)
		return nil
	})
}

// say writes one line with one system call.
func say(what string, d queue.Delivery) {
	fmt.Fprintf(os.Stdout, "%s %s %d\n", what, d.Event.ID, d.Attempt)
}

// Crashes kills consumer processes, n in all and two at a time, while they work: no
// event is lost, no attempt is counted twice, and the counts are right at the end.
func (r Rig) Crashes(t *testing.T, n int) {
	t.Helper()
	q := r.open(t)
	const events = 400
	for i := range events {
		if _, err := q.Publish(t.Context(), message(fmt.Sprint("Ev", i))); err != nil {
			t.Fatal(err)
		}
	}
	w := &witness{t: t, tried: map[string]bool{}, ended: map[string]bool{}}
	var hands sync.WaitGroup
	for range 2 {
		hands.Go(func() {
			for range n / 2 {
				w.watch(r.Place)
			}
		})
	}
	hands.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- q.Consume(ctx, queue.Group{Name: "work", Policy: quick()}, func(_ context.Context, d queue.Delivery) error {
			w.note("try", d.Event.ID, fmt.Sprint(d.Attempt))
			w.note("end", d.Event.ID, fmt.Sprint(d.Attempt))
			return nil
		})
	}()
	eventually(t, 60*time.Second, "working what the dead left", func() error { return balanced(t.Context(), q, "work") })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Consume: %v", err)
	}
	g, err := group(t.Context(), q, "work")
	if err != nil || g.Done != events {
		t.Errorf("group: %+v, %v, want %d done", g, err, events)
	}
	w.report(events)
}

// A witness notes what consumers said.
type witness struct {
	t     *testing.T
	mu    sync.Mutex
	tried map[string]bool // "id attempt"
	ended map[string]bool // id
	kills int
	again int // attempts after the first
}

// watch runs one child and kills it soon after it began to work.
func (w *witness) watch(place string) {
	cmd := exec.Command(os.Args[0], "-test.run", "^$")   //nolint:gosec,noctx // this test's own binary, which is killed below
	cmd.Env = append(os.Environ(), childPlace+"="+place) //nolint:forbidigo // how a test talks to its own child
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = testservers.Bound()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Error(err)
		return
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); first = false {
		if first {
			timer.Reset(20*time.Millisecond + rand.N(150*time.Millisecond)) //nolint:gosec // variety, no secret
		}
		if f := strings.Fields(lines.Text()); len(f) == 3 {
			w.note(f[0], f[1], f[2])
		}
	}
	_ = cmd.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kills++
}

func (w *witness) note(what, id, attempt string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if what == "end" {
		w.ended[id] = true
		return
	}
	if w.tried[id+" "+attempt] {
		w.t.Errorf("attempt %s at %s was made twice", attempt, id)
	}
	w.tried[id+" "+attempt] = true
	if attempt != "1" {
		w.again++
	}
}

func (w *witness) report(events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Logf("%d consumers killed, %d attempts at %d events, %d of them after a crash", w.kills, len(w.tried), events, w.again)
	if len(w.ended) != events {
		w.t.Errorf("%d of %d events were handled to the end", len(w.ended), events)
	}
	if w.again == 0 {
		w.t.Error("no kill interrupted an attempt: the test showed nothing")
	}
}
