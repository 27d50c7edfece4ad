package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const eventsFile = "queue-slack.events.db"

// TestDamageIsSaid kills the real process and damages what it leaves. The next start names the
// file, what is lost and the remedy, `check` finds it without a start, and `store accept` lets
// the server go on.
func TestDamageIsSaid(t *testing.T) {
	const n = 3000
	for name, damage := range map[string]func(t *testing.T, file string){
		"the store is emptied beside a whole log": func(t *testing.T, file string) { truncate(t, file, 0) },
		"the log is cut":               func(t *testing.T, file string) { truncate(t, file+"-wal", 0.3) },
		"a page of the log is damaged": func(t *testing.T, file string) { overwrite(t, file+"-wal", 0.3) },
		"the header is damaged":        func(t *testing.T, file string) { overwrite(t, file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options{args: []string{"--queue-backend", "sqlite"}, env: []string{"LOG_LEVEL=warning"}, data: t.TempDir(), port: freePort(t)}
			file := filepath.Join(o.data, eventsFile)
			p := start(t, o)
			senders := newSenders(p.url, n)
			stop := senders.run(t, 16)
			if err := senders.await(n, time.Minute); err != nil {
				t.Fatal(err)
			}
			stop()
			time.Sleep(1100 * time.Millisecond) // what is noted is at most a second late
			p.kill()
			damage(t, file)

			at := place{data: o.data, env: append(o.env, "SLACK_SIGNING_SECRET="+signingSecret)}
			_, said, code := at.try(t, "check")
			if code != 3 || !strings.Contains(said, file) || !strings.Contains(said, "store repair") {
				t.Errorf("check: code %d and %s, want 3 with %s and the remedy", code, said, file)
			}
			p = spawn(t, o)
			select {
			case <-p.done:
			case <-time.After(20 * time.Second):
				t.Fatalf("the server runs on a damaged store\n%s", p.logs)
			}
			said = p.logs.String()
			for _, want := range []string{file, fmt.Sprintf("%d events", n), "store repair", "store accept"} {
				if !strings.Contains(said, want) {
					t.Errorf("the failed start says %s, want %s", said, want)
				}
			}
			if _, said, code := at.try(t, "store", "accept"); code != 0 {
				t.Fatalf("store accept: code %d: %s", code, said)
			}
			p = start(t, o)
			if status, body := p.get("/health"); status != 200 || !strings.Contains(body, `"healthy"`) {
				t.Errorf("health after store accept: %d %s", status, body)
			}
		})
	}
}

// truncate leaves a share of a file.
func truncate(t *testing.T, file string, share float64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, int64(float64(info.Size())*share)); err != nil {
		t.Fatal(err)
	}
}

// overwrite changes some bytes of a file, at a share of its length.
func overwrite(t *testing.T, file string, share float64) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := int(float64(len(b)) * share)
	copy(b[at:], strings.Repeat("\xee", 64))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
