//go:build linux

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	servers "slackmcp/internal/testservers"
)

// TestDatabaseAway takes the database away from a running server: senders are answered 503,
// health says degraded, the process waits quietly, and when the database is back everything
// goes on without a restart, with every event that was acknowledged.
func TestDatabaseAway(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start func(t *testing.T) (*servers.Server, string)
	}{
		{"redis", func(t *testing.T) (*servers.Server, string) {
			s := servers.Redis(t, "--appendfsync", "always")
			return s, "REDIS_URL=" + s.URL
		}},
		{"nats", func(t *testing.T) (*servers.Server, string) {
			s := servers.NATS(t)
			return s, "NATS_URL=" + s.URL
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			database, env := tc.start(t)
			p := integrated(t, options{env: []string{env, "LOG_LEVEL=error"}})
			session := connect(t, p)
			acked := map[string]bool{}
			send := func(id string) int {
				status, _ := p.post(message(id, "C1", "event"))
				if status == http.StatusOK {
					acked[id] = true
				}
				return status
			}
			for i := range 100 {
				if status := send(fmt.Sprintf("EvBEFORE%03d", i)); status != http.StatusOK {
					t.Fatalf("post: %d", status)
				}
			}
			database.Kill()
			if status := send("EvAWAY"); status != http.StatusServiceUnavailable {
				t.Errorf("a post without the database: %d, want 503", status)
			}
			if _, body := p.get("/health"); !strings.Contains(body, `"degraded"`) {
				t.Errorf("health: %s, want degraded", body)
			}
			if status, _ := p.get("/readyz"); status != http.StatusOK {
				t.Errorf("readyz: %d, want 200: all replicas would leave at once", status)
			}
			if status, body := p.get("/health/detailed"); status != http.StatusServiceUnavailable {
				t.Errorf("detailed health: %d %s, want 503", status, body)
			}
			const away = 4 * time.Second
			before := cpu(t, p)
			<-time.After(away)
			used := cpu(t, p) - before
			t.Logf("%v of CPU in %v without the database", used, away)
			if used > away/4 {
				t.Errorf("it used %v of CPU in %v: is it asking without a pause?", used, away)
			}
			database.Start()
			// No sender posts: the process finds out by itself.
			eventually(t, time.Minute, func() error {
				if _, body := p.get("/health"); !strings.Contains(body, `"status":"healthy"`) {
					return fmt.Errorf("health: %s", body)
				}
				return nil
			})
			eventually(t, time.Minute, func() error {
				if status := send("EvAGAIN"); status != http.StatusOK {
					return fmt.Errorf("post: %d", status)
				}
				return nil
			})
			var page eventPage
			session.tool("slack_list_events", map[string]any{"limit": 200}, &page)
			for _, e := range page.Events {
				delete(acked, e.EventID)
			}
			if len(acked) > 0 {
				t.Errorf("%d acknowledged events are lost: %v", len(acked), acked)
			}
		})
	}
}

// cpu is what a process has used so far, in both modes.
func cpu(t *testing.T, p *process) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
