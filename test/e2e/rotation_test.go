package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestRotationUnderLoad rotates the signing secret and reloads rules and configuration
// again and again while senders post: no event is refused. A step is taken when the
// process says that it has read the files. ROTATIONS makes it longer.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	rotations := number(t, "ROTATIONS", 6)
	dir := t.TempDir()
	file, rules := filepath.Join(dir, "secret"), filepath.Join(dir, "rules.yaml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "secret-number-0\n")
	write(rules, "rules:\n  - name: r\n    when: {source: slack}\n    log: {level: debug}\n")
	p := start(t, options{args: []string{"--rules", rules}, env: []string{"SLACK_SIGNING_SECRET=", "SLACK_SIGNING_SECRET_FILE=" + file, "LOG_FORMAT=json"}})
	reload := func(n int, secrets string) {
		t.Helper()
		write(file, secrets+"\n")
		write(rules, fmt.Sprintf("rules:\n  - name: r\n    when: {source: slack, type: t%d}\n    log: {level: debug}\n", n))
		before := strings.Count(p.logs.String(), `"secrets reloaded"`)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, func() error {
			if strings.Count(p.logs.String(), `"secrets reloaded"`) <= before {
				return fmt.Errorf("the secrets were not reloaded")
			}
			return nil
		})
	}

	var current atomic.Pointer[string]
	current.Store(new("secret-number-0"))
	var sent, refused atomic.Int64
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for w := range 8 {
		senders.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				body := message(fmt.Sprintf("EvROTATE%d-%d", w, n), "C1", "x")
				if status, answer := p.do(signedWith(t, *current.Load(), p.url, body)); status != http.StatusOK {
					refused.Add(1)
					t.Errorf("refused: %d %s", status, answer)
				}
				sent.Add(1)
			}
		})
	}
	more := func() {
		t.Helper()
		from := sent.Load()
		eventually(t, time.Minute, func() error {
			if sent.Load() < from+100 {
				return fmt.Errorf("the senders stand still")
			}
			return nil
		})
	}
	for n := range rotations {
		more()
		reload(n, fmt.Sprintf("secret-number-%d,secret-number-%d", n, n+1)) // both are good
		more()
		current.Store(new(fmt.Sprintf("secret-number-%d", n+1))) // the senders change
		more()                                                   // none with the old one is under way
		reload(n, fmt.Sprintf("secret-number-%d", n+1))          // the old one is gone
		old := signedWith(t, fmt.Sprintf("secret-number-%d", n), p.url, message("EvOLD", "C1", "x"))
		if status, _ := p.do(old); status != http.StatusUnauthorized {
			t.Errorf("the old secret is answered %d", status)
		}
	}
	more()
	close(stop)
	senders.Wait()
	t.Logf("%d events, %d rotations, %d refused", sent.Load(), rotations, refused.Load())
}
