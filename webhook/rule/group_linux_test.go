package rule_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// runDir is the variable by which this test is a process that runs a command, in that directory.
const runDir = "RULE_TEST_RUN_DIR"

// TestACommandEndsWithItsProcess kills a process that runs a command with a child of its own: both end.
func TestACommandEndsWithItsProcess(t *testing.T) {
	if dir := os.Getenv(runDir); dir != "" {
		h, err := rule.RunHandler("g", rule.Run{
			Command: []string{"/bin/sh", "-c", "sleep 600 & echo $! $$ > pids.part && mv pids.part pids; wait"}, Timeout: time.Hour, Dir: dir,
		}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		_ = h(context.Background(), queue.Delivery{Event: event.Event{Source: "slack", ID: "Ev1", Raw: []byte("{}")}, Attempt: 1})
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestACommandEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), runDir+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	await(t, "the command", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pids"))
		for field := range strings.FieldsSeq(string(text)) {
			pid, _ := strconv.Atoi(field)
			pids = append(pids, pid)
		}
		return err == nil
	})
	// The guard is there as soon as the group has three processes: those of the command, and itself.
	await(t, "the guard", func() bool { return inGroup(t, pids[1]) == 3 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.
	for _, pid := range pids {
		await(t, "the end of the command", func() bool { return gone(pid) })
	}
}

// inGroup counts the processes of a group.
func inGroup(t *testing.T, group int) (n int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		text, _ := os.ReadFile(name) // A process may have ended meanwhile.
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 2 && fields[2] == strconv.Itoa(group) {
			n++
		}
	}
	return n
}

// gone reports whether a process has ended; one that waits to be collected has.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}
