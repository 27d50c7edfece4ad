//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// kills is how often TestKill kills; QUEUE_KILLS asks for more.
func kills(t *testing.T) int {
	t.Helper()
	s := os.Getenv("QUEUE_KILLS")
	if s == "" {
		return 20
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("QUEUE_KILLS: %v", err)
	}
	return n
}

// A witness writes down what children said before they died.
type witness struct {
	acked    map[string]bool
	attempts map[string]int // id -> the latest attempt
}

func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &witness{acked: map[string]bool{}, attempts: map[string]int{}}
	for range kills(t) {
		c := start(t, "load", dir)
		opened := make(chan struct{})
		go func() {
			<-opened
			<-time.After(time.Duration(20+rand.IntN(200)) * time.Millisecond)
			_ = c.cmd.Process.Kill()
		}()
		w.listen(t, c, opened)
		_ = c.cmd.Wait()
	}
	if len(w.acked) == 0 || len(w.attempts) == 0 {
		t.Fatalf("%d events were acknowledged and %d tried, want load", len(w.acked), len(w.attempts))
	}
	w.check(t, dir)
}

// listen reads a child's lines to the end. The attempts at an event have to go on from
// where an earlier child was killed.
func (w *witness) listen(t *testing.T, c *child, opened chan struct{}) {
	t.Helper()
	defer func() {
		if opened != nil {
			close(opened)
		}
	}()
	for c.lines.Scan() {
		f := strings.Fields(c.lines.Text())
		switch {
		case len(f) == 1 && f[0] == "open":
			close(opened)
			opened = nil
		case len(f) == 2 && f[0] == "acked":
			w.acked[f[1]] = true
		case len(f) == 2 && f[0] == "torn":
			t.Errorf("%s was delivered with another body", f[1])
		case len(f) == 3 && f[0] == "try":
			w.try(t, f[1], f[2])
		}
	}
}

func (w *witness) try(t *testing.T, id, attempt string) {
	t.Helper()
	n, err := strconv.Atoi(attempt)
	if err != nil {
		return
	}
	if n <= w.attempts[id] {
		t.Errorf("attempt %d at %s came after attempt %d", n, id, w.attempts[id])
	}
	w.attempts[id] = n
}

// check reads the store after the last kill: everything acknowledged is there once, and
// the counts add up; then it works what is left and looks again.
func (w *witness) check(t *testing.T, dir string) {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	stored := map[string]int{}
	for query := (event.Query{Order: event.OldestFirst, Limit: event.MaxLimit}); ; {
		p, err := q.History(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events {
			stored[e.ID]++
			if string(e.Raw) != string(message(e.ID).Raw) {
				t.Errorf("%s is stored with another body", e.ID)
			}
		}
		if !p.More {
			break
		}
		query.After = p.Next
	}
	for id := range w.acked {
		if stored[id] == 0 {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id, n := range stored {
		if n != 1 {
			t.Errorf("%s is stored %d times", id, n)
		}
		if r, err := q.Publish(t.Context(), message(id)); err != nil || !r.Duplicate {
			t.Fatalf("Publish of a copy of %s = %+v, %v, want a duplicate", id, r, err)
		}
	}
	conserved(t, q, int64(len(stored)))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	go watch(ctx, q, cancel)
	err = q.Consume(ctx, group(), func(_ context.Context, d queue.Delivery) error {
		return judge(d.Event.ID, d.Attempt)
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := conserved(t, q, int64(len(stored))); s.Waiting != 0 || s.Dead == 0 {
		t.Errorf("after everything was worked: %+v, want nothing waiting, and the dead", s)
	}
	t.Logf("%d kills: %d acknowledged, %d stored, %d tried", kills(t), len(w.acked), len(stored), len(w.attempts))
}

// conserved checks that a group's counts add up to what is stored.
func conserved(t *testing.T, q queue.Queue, accepted int64) queue.GroupStats {
	t.Helper()
	s, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := s.Groups[0]
	if sum := g.Done + g.Waiting + g.Dead + g.Expired; s.Accepted != accepted || sum != accepted || g.Done < 0 {
		t.Errorf("%d are stored, %d accepted, and %+v adds up to %d", accepted, s.Accepted, g, sum)
	}
	return g
}

// watch calls done when nothing waits any more.
func watch(ctx context.Context, q queue.Queue, done func()) {
	for ctx.Err() == nil {
		if s, err := q.Stats(ctx); err == nil && s.Groups[0].Waiting == 0 {
			done()
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestEventThatKills has an event whose handler kills the process each time. The
// attempts are counted nevertheless, and it ends in the dead letters.
func TestEventThatKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "poison", "b"} {
		if _, err := q.Publish(t.Context(), message(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	w := &witness{attempts: map[string]int{}}
	died := 0
	for range 10 {
		c := start(t, "poison", dir)
		w.listen(t, c, make(chan struct{}))
		if c.cmd.Wait() == nil {
			break
		}
		died++
	}
	if died != 3 || w.attempts["poison"] != 3 {
		t.Errorf("the process died %d times in %d attempts, want 3 and 3", died, w.attempts["poison"])
	}
	if q, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	letters, err := q.DeadLetters(t.Context(), "g", queue.LetterQuery{})
	if err != nil || len(letters) != 1 || letters[0].Event.ID != "poison" || letters[0].Attempts != 3 || letters[0].Reason == "" {
		t.Errorf("dead letters: %+v, %v", letters, err)
	}
	if g := conserved(t, q, 3); g.Done != 2 || g.Dead != 1 {
		t.Errorf("counts: %+v, want two done and one dead", g)
	}
}

// TestDiskTakenAway has a process whose files may not grow for a while, as on a full
// disk: it refuses, and recovers by itself.
func TestDiskTakenAway(t *testing.T) {
	t.Parallel()
	c := start(t, "starve", t.TempDir())
	var last string
	for c.lines.Scan() {
		last = c.lines.Text()
	}
	if err := c.cmd.Wait(); err != nil || !strings.HasPrefix(last, "done ") {
		t.Errorf("the child ended with %v after saying %q", err, last)
	}
}

// TestOneOwner has a second process, and a second opening by the first.
func TestOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, "load", dir)
	defer c.cmd.Wait()         //nolint:errcheck // it is killed
	defer c.cmd.Process.Kill() //nolint:errcheck // as above
	for c.lines.Scan() && c.lines.Text() != "open" {
		continue
	}
	go func() {
		for c.lines.Scan() {
			continue
		}
	}()
	_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if !errors.Is(err, queue.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(c.cmd.Process.Pid)) {
		t.Errorf("Open of a store that is in use: %v, want ErrLocked with the owner's pid", err)
	}
}
