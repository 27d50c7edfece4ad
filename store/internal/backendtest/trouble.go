//go:build unix

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Kills kills the server n times under load and starts it again: nothing acknowledged is
// lost, everything is worked, and a tail sees all, without anybody being restarted.
func (r Rig) Kills(t *testing.T, n int) {
	t.Helper()
	l := start(t, r.open(t), 16)
	var kills []time.Time
	var back recovery
	for i := range n {
		l.more(300)
		kills = append(kills, time.Now())
		r.Server.Kill()
		if i%2 == 0 {
			wait(300 * time.Millisecond) // long enough for everybody to notice
		}
		r.Server.Start()
		back.await(l)
		t.Logf("kill %d: %s after the server was up", i+1, back.last())
	}
	l.more(300)
	l.quiet()
	var excused func(time.Time) bool
	if r.MayLose > 0 {
		excused = func(at time.Time) bool {
			return slices.ContainsFunc(kills, func(k time.Time) bool { return at.Before(k.Add(r.MayLose)) && at.After(k.Add(-r.MayLose)) })
		}
	}
	r.tell(t, fmt.Sprintf("kill -9, %d times", n), l.check(excused), back)
}

// Pauses stops the server's processes for a while under load.
func (r Rig) Pauses(t *testing.T, d time.Duration) {
	t.Helper()
	l := start(t, r.open(t), 16)
	l.more(300)
	r.Server.Pause()
	before := l.count()
	wait(d)
	during := l.count() - before
	r.Server.Resume()
	var back recovery
	back.await(l)
	t.Logf("paused for %v: %s after it went on", d, back.last())
	if during > 16 { // what was on its way
		t.Errorf("%d events were acknowledged by a server that stood still", during)
	}
	l.more(300)
	l.quiet()
	r.tell(t, fmt.Sprintf("SIGSTOP for %v", d), l.check(nil), back)
}

// A recovery is how long it took, each time the server was back, until something was
// acknowledged and until something was handled.
type recovery struct{ acked, handled []time.Duration }

// await waits for both.
func (b *recovery) await(l *load) {
	l.t.Helper()
	up := time.Now()
	l.more(1)
	b.acked = append(b.acked, time.Since(up))
	l.works(1)
	b.handled = append(b.handled, time.Since(up))
}

func (b *recovery) last() string {
	i := len(b.acked) - 1
	return fmt.Sprintf("first acknowledgement %v, first event handled %v", b.acked[i].Round(time.Millisecond), b.handled[i].Round(time.Millisecond))
}

// tell logs the figures as a row of a table, which scripts/chaos.sh collects.
func (r Rig) tell(t *testing.T, what string, f figures, b recovery) {
	t.Helper()
	t.Logf("chaos: | %s | %s | %d | %d | %d | %d | %v | %v |", r.Name, what, f.acked, f.refused, f.lost, f.again,
		slices.Max(b.acked).Round(time.Millisecond), slices.Max(b.handled).Round(time.Millisecond))
}

// Away holds what a queue does while its server is not there: Publish says so within its
// time, consumers and tails neither end nor ask all the time, and all go on by
// themselves.
func (r Rig) Away(t *testing.T) {
	t.Helper()
	l := start(t, r.open(t), 2)
	l.more(20)
	r.Server.Kill()
	asked := count(t, r.Server.Addr())
	eventually(t, 10*time.Second, "refusals", func() error {
		if err := refusal(l.q); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.refused < 5 {
			return fmt.Errorf("%d refused", l.refused)
		}
		return nil
	})
	close(l.quit)
	l.send.Wait()
	// The senders are silent: what asks now are the consumer, the tail and the rest.
	wait(time.Second)
	before := asked.n.Load()
	const long = 2 * time.Second
	wait(long)
	if n := asked.n.Load() - before; n > 60 {
		t.Errorf("%d connections within %v to a server that is away, want a pause between tries", n, long)
	}
	asked.close()
	r.Server.Start()
	eventually(t, 30*time.Second, "publishing again", func() error {
		ctx, cancel := context.WithTimeout(l.ctx, publishTime)
		defer cancel()
		_, err := l.q.Publish(ctx, message("EvAgain"))
		return err
	})
	eventually(t, 30*time.Second, "working again", func() error { return balanced(l.ctx, l.q, "work") })
	eventually(t, 30*time.Second, "following again", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !slices.ContainsFunc(l.tailed, func(e event.Event) bool { return e.ID == "EvAgain" }) {
			return errors.New("the tail did not see it")
		}
		return nil
	})
}

// refusal checks that Publish answers within its context, and how.
func refusal(q queue.Queue) error {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := q.Publish(ctx, message("EvRefused"))
		answered <- err
	}()
	select {
	case err := <-answered:
		if !errors.Is(err, queue.ErrUnavailable) {
			return fmt.Errorf("publish without a server: %w, want ErrUnavailable", err)
		}
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("publish does not answer although its context has ended")
	}
}

// A counter listens in the place of a server, and closes every connection.
type counter struct {
	n     atomic.Int64
	close func()
}

func count(t *testing.T, addr string) *counter {
	t.Helper()
	var l net.Listener
	eventually(t, 10*time.Second, "listening in the server's place", func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		return err
	})
	c := &counter{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.n.Add(1)
			_ = conn.Close()
		}
	}()
	c.close = func() {
		_ = l.Close()
		<-ended
	}
	t.Cleanup(c.close)
	return c
}
