//go:build linux

package sqlite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

var updateFaults = flag.Bool("update-faults", false, "write the table of faults into docs/operations.md anew")

// What the store of the faults has: events in its database, and more in its write-ahead log.
const faultEvents, faultLate = 200, 60

// faultStore makes the files of a store as kill -9 leaves them.
func faultStore(t *testing.T) string {
	t.Helper()
	live, dir := closedStore(t, faultEvents), t.TempDir()
	q := reopened(t, sqlite.Options{Dir: live})
	defer q.Close()
	for i := range faultLate {
		if _, err := q.Publish(t.Context(), message(fmt.Sprintf("l%03d", i))); err != nil {
			t.Fatal(err)
		}
		if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	for want := fmt.Sprintf(`"events":%d,"values":%d`, faultEvents+faultLate, faultLate); !strings.Contains(string(read(t, live, noteFile)), want); {
		<-time.After(10 * time.Millisecond)
	}
	copyStore(t, live, dir)
	return dir
}

// A faultRow is a line of the table.
type faultRow struct{ fault, start, lost, said string }

// faultLook opens a store that something happened to, after a repair where it does not open, and says what
// came of it.
func faultLook(t *testing.T, dir string) (r faultRow) {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if r.start = "starts"; err != nil {
		r.start, r.said = "refused, then `store repair`", plainFault(dir, err)
		if !strings.Contains(err.Error(), dir) || !strings.Contains(r.said, ": ") && !strings.Contains(err.Error(), "store repair") {
			t.Errorf("the error names no path or no remedy: %v", err)
		}
		if _, err := sqlite.Repair(t.Context(), sqlite.Options{Dir: dir}, true); err != nil {
			t.Fatalf("Repair: %v", err)
		}
		if q, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err != nil {
			t.Fatalf("after the repair: %v", err)
		}
	}
	defer q.Close()
	kept := map[string]bool{}
	for _, id := range everyEvent(t, q, event.OldestFirst) {
		kept[id] = true
	}
	r.lost = fmt.Sprint(faultEvents + faultLate - len(kept))
	if d := q.Damage(); r.said == "" && len(d) > 0 {
		r.said = d[0].What
	}
	if v, err := q.State().Get(t.Context(), "key"); err != nil || string(v.Value) != "value" {
		r.lost += ", and small values"
	}
	if r.said == "" {
		r.said = "nothing"
	}
	if _, err := q.Publish(t.Context(), message("after")); err != nil {
		t.Errorf("afterwards nothing can be stored: %v", err)
	}
	return r
}

var faultTimes = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// plainFault is an error as it stands in the table.
func plainFault(dir string, err error) string {
	text, _, _ := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(err.Error(), dir+"/", ""), dir, "DATA_DIR"), ": stop the server")
	text, _, _ = strings.Cut(text, ": put the database in place")
	text, _, _ = strings.Cut(text, "\n")
	return faultTimes.ReplaceAllString(strings.TrimPrefix(text, "sqlite queue: "), "<time>")
}

// TestFaults does to each file of a store what can happen to it, and has the disk full, the descriptors used up
// and the clock jump, and looks at what is lost and said. Where the files are whole nothing is. With
// -update-faults it writes the table of docs/operations.md.
func TestFaults(t *testing.T) {
	t.Parallel()
	fixture := faultStore(t)
	whole := map[string]bool{ // the faults that take nothing which was acknowledged
		"position-slack.events emptied": true, "position-slack.events cut": true, "position-slack.events flipped": true, "position-slack.events missing": true,
		"queue-slack.events.db-shm flipped": true,
	}
	var rows []faultRow
	for _, name := range []string{eventsFile, eventsFile + "-wal", eventsFile + "-shm", valuesFile, valuesFile + "-wal", noteFile} {
		for what, spoil := range faultSpoils() {
			fault := name + " " + faultNames[what]
			dir := t.TempDir()
			copyStore(t, fixture, dir)
			spoil(t, dir, name)
			r := faultLook(t, dir)
			r.fault = fmt.Sprintf("`%s` %s", name, faultNames[what])
			if whole[fault] && r.lost != "0" {
				t.Errorf("%s: %s events are lost, and the files are whole", fault, r.lost)
			}
			if r.lost != "0" && r.said == "nothing" {
				t.Errorf("%s: %s events are lost, and nothing is said", fault, r.lost)
			}
			rows = append(rows, r)
		}
	}
	rows = append(rows, faultDisk(t, fixture)...)
	rows = append(rows, faultDescriptors(t, fixture), faultClock(t, fixture, 31*24*time.Hour), faultClock(t, fixture, -24*time.Hour))
	writeFaults(t, rows)
}

var faultNames = []string{"emptied", "cut in half", "with a page overwritten in its middle", "missing"}

func faultSpoils() []func(t *testing.T, dir, name string) {
	return []func(t *testing.T, dir, name string){
		func(t *testing.T, dir, name string) { t.Helper(); write(t, dir, name, nil) },
		func(t *testing.T, dir, name string) {
			t.Helper()
			b := read(t, dir, name)
			write(t, dir, name, b[:len(b)/2])
		},
		func(t *testing.T, dir, name string) {
			t.Helper()
			if name == eventsFile {
				destroy(t, dir, []byte("m150 m150"))
				return
			}
			b := read(t, dir, name)
			at := len(b) / 2
			if at > page {
				at = at / page * page
			}
			for i := at; i < min(len(b), at+200); i++ {
				b[i] ^= 0x5a
			}
			write(t, dir, name, b)
		},
		func(t *testing.T, dir, name string) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		},
	}
}

// faultDisk fills the disk before each thing that writes.
func faultDisk(t *testing.T, fixture string) (rows []faultRow) {
	t.Helper()
	for _, step := range []struct {
		name string
		room int64 // what is left on the disk
		do   func(dir string, fill func()) error
	}{
		{"the start", 0, func(dir string, fill func()) error { fill(); return playOpen(dir) }},
		{"receiving", 0, func(dir string, fill func()) error {
			q := reopened(t, sqlite.Options{Dir: dir})
			defer q.Close()
			fill()
			for i := range 10_000 {
				if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: fmt.Sprint("late", i), Raw: make([]byte, 8000)}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"a backup", 130 << 10, func(dir string, fill func()) error {
			fill()
			_, err := sqlite.Backup(t.Context(), sqlite.BackupOptions{Dir: dir, File: filepath.Join(dir, "b")})
			return err
		}},
		{"a restore", 130 << 10, func(dir string, fill func()) error {
			file := filepath.Join(dir, "b")
			if _, err := sqlite.Backup(t.Context(), sqlite.BackupOptions{Dir: dir, File: file}); err != nil {
				return err
			}
			fill()
			_, err := sqlite.Restore(t.Context(), sqlite.Options{Dir: dir}, file)
			return err
		}},
		{"compacting", 40 << 10, func(dir string, fill func()) error {
			fill()
			_, err := sqlite.Compact(t.Context(), sqlite.Options{Dir: dir})
			return err
		}},
		{"a small value", 0, func(dir string, fill func()) error {
			q := reopened(t, sqlite.Options{Dir: dir})
			defer q.Close()
			fill()
			for range 100 {
				if _, err := q.State().Put(t.Context(), "another", make([]byte, 60<<10), state.Put{}); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		dir := smallDisk(t, "8m")
		copyStore(t, fixture, dir)
		ballast := filepath.Join(dir, "ballast")
		err := step.do(dir, func() {
			fill(t, dir)
			info, err := os.Stat(ballast)
			if err == nil {
				err = os.Truncate(ballast, info.Size()-step.room)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		if err == nil || !strings.Contains(err.Error(), "full") && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("on a full disk %s: %v", step.name, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		r := faultLook(t, dir)
		if r.fault = "the disk is full, at " + step.name; err != nil {
			r.said = plainFault(dir, err)
		}
		if kept := r.lost; strings.HasPrefix(kept, "-") {
			r.lost = "0" // more were stored while there was room
		}
		if r.lost != "0" || r.start != "starts" {
			t.Errorf("%s: with room again %s are lost, %s", r.fault, r.lost, r.start)
		}
		rows = append(rows, r)
	}
	return rows
}

// playOpen opens a store and says how it went.
func playOpen(dir string) error {
	q, err := sqlite.Open(context.Background(), sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	return q.Close()
}

// faultDescriptors starts a process on a store that may open too few files.
func faultDescriptors(t *testing.T, fixture string) faultRow {
	t.Helper()
	dir := t.TempDir()
	copyStore(t, fixture, dir)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -n 9; exec "$0" open "$1"`, os.Args[0], dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), dir) {
		t.Errorf("a start with nine descriptors: %v, %s, want an error that names the path", err, out)
	}
	r := faultLook(t, dir)
	r.fault, r.said = "the descriptors are used up, at the start", plainFault(dir, errors.New(strings.TrimSpace(string(out))))
	if r.lost != "0" || r.start != "starts" {
		t.Errorf("%s: %+v", r.fault, r)
	}
	return r
}

// faultClock opens a store by a clock that jumped.
func faultClock(t *testing.T, fixture string, jump time.Duration) faultRow {
	t.Helper()
	dir := t.TempDir()
	copyStore(t, fixture, dir)
	q := reopened(t, sqlite.Options{
		Dir: dir, Now: func() time.Time { return time.Now().Add(jump) }, Aging: func(time.Time) time.Time { return time.Unix(0, 0) },
	})
	for range 3 {
		if r, err := q.Publish(t.Context(), message("m001")); err != nil || !r.Duplicate {
			t.Errorf("after a jump of %s a known event is %+v, %v", jump, r, err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	r := faultLook(t, dir)
	way := "ahead"
	if jump < 0 {
		way = "back"
	}
	r.fault, r.said = fmt.Sprintf("the clock jumps %d days %s", int(jump.Abs().Hours()/24), way), "health: which clock is wrong, by how much, and that nothing is removed"
	if r.lost != "0" {
		t.Errorf("%s: %s are lost", r.fault, r.lost)
	}
	return r
}

const faultsBegin, faultsEnd = "<!-- faults:begin -->\n", "<!-- faults:end -->"

// writeFaults writes the table, or looks whether the page has each fault.
func writeFaults(t *testing.T, rows []faultRow) {
	t.Helper()
	const path = "../../docs/operations.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(b), faultsBegin)
	table, after, found := strings.Cut(rest, faultsEnd)
	if !found {
		t.Fatalf("%s has no place for the table of faults", path)
	}
	if *updateFaults {
		var out strings.Builder
		fmt.Fprintf(&out, "| what happens | the server | acknowledged events lost, of %d | what is said |\n|---|---|---|---|\n", faultEvents+faultLate)
		for _, r := range rows {
			fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", r.fault, r.start, r.lost, strings.ReplaceAll(r.said, "|", "/"))
		}
		if err := os.WriteFile(path, []byte(before+faultsBegin+out.String()+faultsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, r := range rows {
		if !strings.Contains(table, "| "+r.fault+" | "+r.start+" |") {
			t.Errorf("the table of %s does not say that the server %s where %s: run the test with -update-faults", path, r.start, r.fault)
		}
	}
}
