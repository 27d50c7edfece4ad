package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// TestFsyncBeforeTheAnswer looks at the system calls of the shipped binary: between
// the reading of an event and the writing of its 200, an fsync or fdatasync of the
// write-ahead log has returned. With SQLITE_SYNCHRONOUS=normal it has not, which
// shows that the test can fail.
func TestFsyncBeforeTheAnswer(t *testing.T) {
	strace := requires.Program(t, "strace", "apt-get install strace")
	for _, tc := range []struct {
		synchronous string
		want        bool
	}{{"full", true}, {"normal", false}} {
		t.Run(tc.synchronous, func(t *testing.T) {
			trace := filepath.Join(t.TempDir(), "trace")
			p := start(t, options{
				wrap: []string{strace, "-f", "-y", "-s", "2000", "-e", "trace=read,write,fsync,fdatasync", "-o", trace},
				env:  []string{"SQLITE_SYNCHRONOUS=" + tc.synchronous},
			})
			for i := range 5 {
				if status, answer := p.post(message(fmt.Sprintf("EvFSYNC%d", i), "C1", "hello")); status != http.StatusOK {
					t.Fatalf("post: %d %s", status, answer)
				}
			}
			p.stop()
			b, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			synced := 0
			for i := range 5 {
				id := fmt.Sprintf("EvFSYNC%d", i)
				got, err := syncedBeforeAnswer(string(b), id)
				if err != nil {
					t.Fatalf("%s: %v", id, err)
				}
				if got {
					synced++
				} else if tc.want {
					t.Errorf("%s: no fsync of the WAL returned between reading and answering", id)
				}
			}
			// What else the server writes may be synced at the same moment, but not each time.
			if !tc.want && synced == 5 {
				t.Error("an fsync of the WAL returned before each answer, want that the weaker setting shows")
			}
		})
	}
}

// A call that another thread interrupts in the trace is written in two lines.
var (
	syncOfWAL    = regexp.MustCompile(`\bf(data)?sync\(\d+<[^>]*-wal>\)\s+= 0`)
	syncBegun    = regexp.MustCompile(`^(\d+) .*\bf(?:data)?sync\(\d+<[^>]*-wal>( <unfinished|\s*$)`)
	syncResumed  = regexp.MustCompile(`^(\d+) .*<\.\.\. f(?:data)?sync resumed>.*= 0`)
	answerOf200  = regexp.MustCompile(`\bwrite\(\d+<[^>]*>, "HTTP/1\.1 200 OK`)
	errNoReading = fmt.Errorf("the trace has no reading of the event")
)

// syncedBeforeAnswer looks for the event's id in what was read, then for the next 200.
func syncedBeforeAnswer(trace, id string) (bool, error) {
	lines := strings.Split(trace, "\n")
	from := -1
	for i, line := range lines {
		if strings.Contains(line, id) && strings.Contains(line, "POST /slack/events") || strings.Contains(line, "read") && strings.Contains(line, id) {
			from = i
			break
		}
	}
	if from < 0 {
		return false, errNoReading
	}
	begun := map[string]bool{}
	synced := false
	for _, line := range lines[from:] {
		switch {
		case syncOfWAL.MatchString(line):
			synced = true
		case syncBegun.MatchString(line):
			begun[syncBegun.FindStringSubmatch(line)[1]] = true
		case syncResumed.MatchString(line):
			synced = synced || begun[syncResumed.FindStringSubmatch(line)[1]]
		case answerOf200.MatchString(line):
			return synced, nil
		}
	}
	return false, fmt.Errorf("the trace has no 200 after the event")
}

// TestFailingFsyncIsNeverAcknowledged makes every fsync of the running process fail, as
// a dying disk does: the sender gets 503, nothing is acknowledged until the store was
// reopened, and afterwards everything that was acknowledged is there.
func TestFailingFsyncIsNeverAcknowledged(t *testing.T) {
	strace := requires.Program(t, "strace", "apt-get install strace")
	p := start(t, options{args: []string{"--integrated"}, env: []string{"SLACK_BOT_TOKEN=xoxb-unused", "SLACK_API_URL=http://127.0.0.1:1/api/"}})
	acked := map[string]bool{}
	send := func(id string) int {
		status, _ := p.post(message(id, "C1", "hello"))
		if status == http.StatusOK {
			acked[id] = true
		}
		return status
	}
	if status := send("EvBEFORE"); status != http.StatusOK {
		t.Fatalf("before: %d, want 200", status)
	}

	injected := inject(t, strace, p.cmd.Process.Pid, "fsync,fdatasync", "EIO")
	eventually(t, 10*time.Second, func() error {
		// The injection has begun when the first event is refused.
		if status := send("EvPROBE" + strconv.FormatInt(time.Now().UnixNano(), 36)); status != http.StatusServiceUnavailable {
			return fmt.Errorf("status %d, want 503", status)
		}
		return nil
	})
	for i := range 10 {
		if status := send(fmt.Sprintf("EvFAILING%d", i)); status != http.StatusServiceUnavailable {
			t.Errorf("with a failing fsync: %d, want 503", status)
		}
	}
	if status, _ := p.get("/livez"); status != http.StatusOK {
		t.Errorf("livez with a failing disk: %d, want 200", status)
	}
	injected.detach()

	eventually(t, 30*time.Second, func() error {
		if status := send("EvAFTER"); status != http.StatusOK {
			return fmt.Errorf("after the disk recovered: %d, want 200", status)
		}
		return nil
	})
	stored := map[string]int{}
	for _, id := range listEventIDs(t, p) {
		stored[id]++
	}
	for id := range acked {
		if stored[id] != 1 {
			t.Errorf("%s was acknowledged and is stored %d times", id, stored[id])
		}
	}
}

// An injection is a strace that makes system calls of another process fail.
type injection struct {
	t   *testing.T
	cmd *exec.Cmd
}

// inject makes system calls of a running process fail with an error.
func inject(t *testing.T, strace string, pid int, calls, errno string) *injection {
	t.Helper()
	cmd := exec.Command(strace, "-f", "-qq", "-e", "trace="+calls, "-e", "inject="+calls+":error="+errno, "-o", os.DevNull, "-p", strconv.Itoa(pid))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i := &injection{t: t, cmd: cmd}
	t.Cleanup(i.detach)
	return i
}

func (i *injection) detach() {
	if i.cmd.ProcessState != nil {
		return
	}
	_ = i.cmd.Process.Signal(syscall.SIGINT)
	_ = i.cmd.Wait()
}
