package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSmallContainer has sixteen clients at once, and then two of each kind that reads pages, read a store of
// events of a megabyte in a container of 128 MiB, whose kernel ends a process that needs more: it is
// not ended, and every signed event that is posted meanwhile is answered 200.
func TestSmallContainer(t *testing.T) {
	const limit = 128 << 20
	group := newMemoryGroup(t, limit)
	dir := shortDir(t)
	p := pushing(t, options{data: dir, wrap: []string{"/bin/sh", "-c", "echo $$ > " + group.procs() + ` && exec "$0" "$@"`}, env: []string{
		"LOG_LEVEL=error", "SLACK_BOT_TOKEN=xoxb-e2e", "SLACK_API_URL=http://127.0.0.1:9/", "SLACK_TIMEOUT=1s",
	}})
	events := number(t, "READ_EVENTS", 200)
	for i := range events {
		if status, body := p.post(largeEvent(i)); status != 200 {
			t.Fatalf("event %d was answered %d %s\n%s", i, status, body, p.logs)
		}
	}
	kinds := readerKinds(place{data: dir})
	read := func(kinds []readerKind, n int) {
		var readers sync.WaitGroup
		for _, k := range kinds {
			for i := range n {
				readers.Go(func() {
					if err := k.read(t, p, i); err != nil {
						t.Errorf("%s: %v", k.name, err)
					}
				})
			}
		}
		done := make(chan struct{})
		go func() { readers.Wait(); close(done) }()
		sender := newSignedSender(p)
		for reading := true; reading; {
			sender.sendFor(t, 1) // fails where it is not answered 200
			select {
			case <-done:
				reading = false
			case <-p.done:
				t.Fatalf("the process ended: %v\n%s", p.cmd.ProcessState, p.logs)
			case <-time.After(10 * time.Millisecond):
			}
		}
		t.Logf("%d clients of %d kinds: %d MiB resident now, %d MiB at most", n, len(kinds), residentMemory(t, p)>>20, group.peak(t)>>20)
	}
	kinds = slices.DeleteFunc(kinds, func(k readerKind) bool { return k.most < readersAtOnce }) // those take their time
	for _, k := range kinds {
		if strings.HasPrefix(k.name, "slack_list_events") {
			read([]readerKind{k}, readersAtOnce)
		}
	}
	read(kinds, 2)
	if killed := group.killed(t); killed > 0 {
		t.Errorf("the kernel ended %d processes for want of memory", killed)
	}
}

// A memoryGroup is a control group with a limit of memory.
type memoryGroup struct {
	dir string
	v1  bool
}

// newMemoryGroup makes one below the own one, of either version; it takes the right to.
func newMemoryGroup(t *testing.T, limit int64) memoryGroup {
	t.Helper()
	name := fmt.Sprintf("slackmcp-e2e-%d", os.Getpid())
	why := error(nil)
	for _, g := range []memoryGroup{{dir: filepath.Join("/sys/fs/cgroup/memory", name), v1: true}, {dir: filepath.Join("/sys/fs/cgroup", name)}} {
		if _, err := os.Stat(filepath.Dir(g.dir) + "/cgroup.procs"); err != nil {
			continue
		}
		if err := os.Mkdir(g.dir, 0o755); err != nil {
			why = err
			continue
		}
		t.Cleanup(func() {
			// A group goes when its last process has gone.
			for range 100 {
				if err := os.Remove(g.dir); err == nil || errors.Is(err, syscall.ENOENT) {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
		file := "memory.max"
		if g.v1 {
			file = "memory.limit_in_bytes"
		}
		if why = os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0); why == nil {
			return g
		}
	}
	// It is no program that could be installed, so that REQUIRE_ALL does not ask for it.
	t.Skipf("no control group for memory can be made (%v): run it as root on Linux, or in a container that may", why)
	return memoryGroup{}
}

func (g memoryGroup) procs() string { return filepath.Join(g.dir, "cgroup.procs") }

// peak is how much memory the group had at most, caches of files included; 0 where that is not told.
func (g memoryGroup) peak(t *testing.T) int64 {
	t.Helper()
	name := "memory.peak"
	if g.v1 {
		name = "memory.max_usage_in_bytes"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// killed is how many of the group's processes the kernel has ended.
func (g memoryGroup) killed(t *testing.T) int {
	t.Helper()
	name := "memory.events"
	if g.v1 {
		name = "memory.oom_control"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			killed, _ := strconv.Atoi(strings.TrimSpace(n))
			return killed
		}
	}
	return 0
}
