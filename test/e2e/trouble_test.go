package e2e_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver of another program that opens the store

	"slackmcp/internal/requires"
)

// A trouble keeps a store from being written, for a while.
type trouble struct {
	name string
	// options are the process's; data is its directory when it is a special one.
	options func(t *testing.T) options
	// begin makes the trouble, end takes it away.
	begin func(t *testing.T, p *process, data string) (end func())
	// kept lists the ids of what is there afterwards; nil asks the store.
	kept func(t *testing.T) []string
}

// TestTroubleIsAnswered503 makes the store of the running binary unwritable in each of
// the ways that happen: every event is answered 503 and none 200 while it lasts, the
// process stays alive, and when it is over events are taken again without a restart,
// and all that was acknowledged is there, once.
func TestTroubleIsAnswered503(t *testing.T) {
	t.Parallel()
	for _, tr := range []trouble{diskFull(), readOnly(), lockedByAnother(), queueFull()} {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			tr.check(t)
		})
	}
}

func (tr trouble) check(t *testing.T) {
	o := tr.options(t)
	if o.data == "" {
		o.data = t.TempDir()
	}
	o.args = append(o.args, "--integrated", "--gap-after", "1s")
	o.env = append([]string{"SLACK_BOT_TOKEN=xoxb-unused", "SLACK_API_URL=http://127.0.0.1:1/api/"}, o.env...)
	p := start(t, o)
	acked, n := map[string]bool{}, 0
	send := func() int {
		n++
		id := fmt.Sprintf("EvTROUBLE%d", n)
		status, answer := p.post(message(id, "C1", strings.Repeat("x", 4000)))
		if status == http.StatusOK {
			acked[id] = true
		} else if status != http.StatusServiceUnavailable {
			t.Fatalf("answered %d %s, want 200 or 503", status, answer)
		}
		return status
	}
	if status := send(); status != http.StatusOK {
		t.Fatalf("before: %d, want 200", status)
	}
	end := tr.begin(t, p, o.data)
	eventually(t, time.Minute, func() error {
		if status := send(); status != http.StatusServiceUnavailable {
			return fmt.Errorf("status %d, want 503", status)
		}
		return nil
	})
	for range 5 {
		if status := send(); status != http.StatusServiceUnavailable {
			t.Errorf("while it lasts: %d, want 503", status)
		}
	}
	if status, _ := p.get("/livez"); status != http.StatusOK {
		t.Errorf("livez while it lasts: %d, want 200", status)
	}
	<-time.After(1500 * time.Millisecond) // longer than --gap-after
	send()
	end()
	eventually(t, time.Minute, func() error {
		if status := send(); status != http.StatusOK {
			return fmt.Errorf("after it: %d, want 200", status)
		}
		return nil
	})
	eventually(t, time.Minute, func() error {
		for _, g := range gapsCommand(t, o.data, "list") {
			if g.Kind == "unavailable" {
				return nil
			}
		}
		return errors.New("no gap is recorded")
	})
	kept := tr.kept
	if kept == nil {
		kept = func(t *testing.T) []string { return listEventIDs(t, p) }
	}
	eventually(t, time.Minute, func() error { return onceEach(acked, kept(t)) })
	t.Logf("%d of %d acknowledged", len(acked), n)
}

// onceEach wants each acknowledged id to be there once.
func onceEach(acked map[string]bool, ids []string) error {
	count := map[string]int{}
	for _, id := range ids {
		count[id]++
	}
	for id := range acked {
		if count[id] != 1 {
			return fmt.Errorf("%s was acknowledged and is there %d times", id, count[id])
		}
	}
	return nil
}

// diskFull fills the disk, a small one, until nothing is left.
func diskFull() trouble {
	return trouble{
		name: "the disk is full",
		options: func(t *testing.T) options {
			return options{data: smallDisk(t, "24m")}
		},
		begin: func(t *testing.T, _ *process, data string) func() {
			ballast := filepath.Join(data, "ballast")
			fill(t, ballast)
			return func() {
				if err := os.Remove(ballast); err != nil {
					t.Error(err)
				}
			}
		},
	}
}

// smallDisk mounts a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		requires.Missing(t, "mounting a small disk needs root")
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		requires.Missing(t, "a tmpfs cannot be mounted here: "+string(out))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes until the disk takes no more.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2] // the last bytes, too
		}
	}
}

// readOnly lets every write to a file fail as on a file system that the kernel has made
// read-only after an error. Files of root cannot be made read-only otherwise while they
// are open.
func readOnly() trouble {
	return trouble{
		name:    "the file system is read-only",
		options: func(*testing.T) options { return options{} },
		begin: func(t *testing.T, p *process, _ string) func() {
			strace := requires.Program(t, "strace", "apt-get install strace")
			return inject(t, strace, p.cmd.Process.Pid, "pwrite64,ftruncate", "EROFS").detach
		},
	}
}

// lockedByAnother lets another program hold the database's write lock, as a person does who
// looks around in it with a shell.
func lockedByAnother() trouble {
	return trouble{
		name:    "the database is locked by another",
		options: func(*testing.T) options { return options{} },
		begin: func(t *testing.T, _ *process, data string) func() {
			found, err := filepath.Glob(filepath.Join(data, "*.db"))
			if err != nil || len(found) == 0 {
				t.Fatalf("no database in %s: %v", data, err)
			}
			db, err := sql.Open("sqlite", found[0])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			db.SetMaxOpenConns(1)
			eventually(t, time.Minute, func() error {
				_, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE")
				return err
			})
			return func() {
				if _, err := db.ExecContext(t.Context(), "ROLLBACK"); err != nil {
					t.Error(err)
				}
			}
		},
	}
}

// queueFull lets a consumer's command fail, so that its group holds back what retention would remove. (A rule
// whose target refuses never does: it gives events up before the store is full.) Afterwards each event is worked
// by the consumer, once.
func queueFull() trouble {
	allowed, worked := "", ""
	return trouble{
		name: "the queue is full",
		options: func(t *testing.T) options {
			dir := t.TempDir()
			allowed, worked = filepath.Join(dir, "allowed"), filepath.Join(dir, "worked")
			return options{env: []string{"RETENTION_COUNT=20"}}
		},
		begin: func(t *testing.T, _ *process, data string) func() {
			command := fmt.Sprintf("test -e '%s' && echo \"$EVENT_ID\" >> '%s'", allowed, worked)
			slow := exec.Command(binary, "consume", "--no-env-file", "--group", "slow", "--max-attempts", "50", "--exec", command)
			slow.Env = append(os.Environ(), "DATA_DIR="+data)
			if err := slow.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = slow.Process.Signal(os.Interrupt)
				_ = slow.Wait()
			})
			return func() {
				if err := os.WriteFile(allowed, nil, 0o600); err != nil {
					t.Error(err)
				}
			}
		},
		kept: func(t *testing.T) []string {
			b, err := os.ReadFile(worked)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Fields(string(b))
		},
	}
}
