//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// The tests that kill or starve a process run this binary again, as a child that plays
// one of these parts in a directory.
var parts = map[string]func(dir string) error{
	"load":    playLoad,
	"poison":  playPoison,
	"starve":  playStarve,
	"migrate": playMigrate,
	"open":    playOpen,
	"locks":   playLocks,
}

func TestMain(m *testing.M) {
	flag.Parse()
	if part := parts[flag.Arg(0)]; part != nil {
		if err := part(flag.Arg(1)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A child is a process that plays a part; it says what it does in lines.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, part, dir string) *child {
	t.Helper()
	c := &child{cmd: exec.CommandContext(t.Context(), os.Args[0], part, dir)}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// say writes a line in one piece, so that a kill leaves none behind half written.
func say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stdout, format+"\n", args...)
}

func group() queue.Group {
	return queue.Group{Name: "g", Workers: 4, Policy: queue.Policy{MaxAttempts: 8, Base: 5 * time.Millisecond, Cap: 20 * time.Millisecond, Jitter: -1}}
}

// playLoad publishes and consumes until it is killed. It continues where an earlier
// child was killed by publishing ids of its own process.
func playLoad(dir string) error {
	ctx := context.Background()
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	say("open")
	var all sync.WaitGroup
	for p := range 8 {
		all.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), p, n)
				if _, err := q.Publish(ctx, message(id)); err == nil {
					say("acked %s", id)
				}
			}
		})
	}
	return q.Consume(ctx, group(), func(_ context.Context, d queue.Delivery) error {
		say("try %s %d", d.Event.ID, d.Attempt)
		if string(d.Event.Raw) != string(message(d.Event.ID).Raw) {
			say("torn %s", d.Event.ID)
		}
		return judge(d.Event.ID, d.Attempt)
	})
}

// judge lets a part of the events fail once, and a part always.
func judge(id string, attempt int) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	switch n := h.Sum32() % 40; {
	case n == 0, n < 6 && attempt == 1:
		return errors.New("refused")
	}
	return nil
}

// playPoison handles events until there is nothing to do. One of them kills it.
func playPoison(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			if s, err := q.Stats(ctx); err == nil && len(s.Groups) == 1 && s.Groups[0].Waiting == 0 {
				say("drained")
				cancel()
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
	g := group()
	g.Workers, g.Policy.MaxAttempts = 1, 3
	err = q.Consume(ctx, g, func(_ context.Context, d queue.Delivery) error {
		say("try %s %d", d.Event.ID, d.Attempt)
		if d.Event.ID == "poison" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
	return errors.Join(err, q.Close())
}

// playStarve takes the disk away from an open store and gives it back.
func playStarve(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	tailed := make(chan string, 100)
	go q.Tail(ctx, queue.Start{}, func(e event.Event) error { tailed <- e.ID; return nil }) //nolint:errcheck // ends with ctx
	handled := make(chan struct{})
	release := make(chan struct{})
	go q.Consume(ctx, group(), func(_ context.Context, d queue.Delivery) error { //nolint:errcheck // ends with ctx
		if d.Event.ID == "before" {
			close(handled)
			<-release // its end falls into the time when nothing can be written
		}
		return nil
	})
	if _, err := q.Publish(ctx, message("before")); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	<-handled
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	small := limit
	small.Cur = 1
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		return err
	}
	for i := range 20 {
		begun := time.Now()
		if _, err := q.Publish(ctx, message(fmt.Sprint("during", i))); !errors.Is(err, queue.ErrUnavailable) {
			return fmt.Errorf("publish without a disk: %w, want ErrUnavailable", err)
		}
		if d := time.Since(begun); d > 5*time.Second {
			return fmt.Errorf("the refusal took %v", d)
		}
		<-time.After(20 * time.Millisecond)
	}
	close(release)
	if _, err := q.Stats(ctx); err != nil {
		return fmt.Errorf("stats without a disk: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for {
		_, err := q.Publish(ctx, message("after"))
		if err == nil {
			break
		}
		if !errors.Is(err, queue.ErrUnavailable) {
			return fmt.Errorf("publish after the disk came back: %w", err)
		}
		<-time.After(20 * time.Millisecond)
	}
	for id := ""; id != "after"; {
		select {
		case id = <-tailed:
		case <-ctx.Done():
			return errors.New("the tail did not see the event after the repair")
		}
	}
	for {
		s, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		g := s.Groups[0]
		if g.Waiting == 0 && g.Done == s.Accepted {
			say("done %d", g.Done)
			return q.Close()
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "us")
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.Publish(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v (%v), want 0700", info.Mode().Perm(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("ReadDir: %d files, %v, want the database, its log and the lock", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v (%v), want 0600", f.Name(), info.Mode().Perm(), err)
		}
	}
}
