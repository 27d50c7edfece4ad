package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"slackmcp/test/internal/driver"
)

// TestFanOut runs the driver's scenarios briefly: every notification must arrive, and
// the server must let go of every stream. Times are judged by `make fanout` alone.
func TestFanOut(t *testing.T) {
	t.Parallel()
	server := filepath.Join(t.TempDir(), "server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", server, "slackmcp/cmd/slack-webhook-server").CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	s := settings{server: server, sessions: 50, rate: 100, duration: time.Second, short: true}
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			left, err := s.run(t.Context(), t.Output(), sc)
			if err != nil {
				t.Error(err)
			}
			if left.Process != nil {
				left.Stop()
			}
		})
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	base := time.Now().Truncate(window)
	at := func(d time.Duration) time.Time { return base.Add(d) }
	event := func(sent, acked time.Duration) driver.Posted {
		return driver.Posted{SentAt: at(sent), AckedAt: at(acked)}
	}
	ms := time.Millisecond
	// Two events in one window, one in the next, one of which no session was notified.
	events := [][]driver.Posted{{event(1*ms, 2*ms), event(10*ms, 12*ms), event(60*ms, 61*ms), event(500*ms, 501*ms)}}
	notified := []time.Time{at(3 * ms), at(52 * ms), at(103 * ms)}
	v := judge([][]time.Time{notified}, events)
	if v.missed != 1 || v.notifications != 3 || v.others != 0 || len(v.latencies) != 2 {
		t.Fatalf("got %+v", v)
	}
	// Whoever is told more often than there was something for them, was told of somebody else's.
	if v := judge([][]time.Time{notified, notified}, append(events, nil)); v.others != 3 {
		t.Fatalf("got %+v, want three that are of others", v)
	}
	if v.at(0) != 40*ms || v.at(100) != 42*ms {
		t.Errorf("latencies %v", v.latencies)
	}
}
