package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// TestBackupOfARunningStore backs a store up while events are published: the backup has all that was
// acknowledged before and no hole, nothing of what was left out, and is not written over another one.
// Restored elsewhere it is a store with its events, ids, groups, dead letters and small values.
func TestBackupOfARunningStore(t *testing.T) {
	t.Parallel()
	const n = 1000
	dir := workedStore(t, n)
	q := reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	for key, value := range map[string]string{"subscription.1": "kept", "person.1": "somebody-secret"} {
		if _, err := q.State().Put(t.Context(), key, []byte(value), state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	first, published := make(chan struct{}), make(chan int)
	go func() {
		i := 0
		for ; ctx.Err() == nil; i++ {
			if _, err := q.Publish(ctx, message(fmt.Sprintf("late%06d", i))); err != nil {
				break
			}
			if i == 0 {
				close(first)
			}
		}
		published <- i
	}()
	<-first
	file := filepath.Join(t.TempDir(), "store.backup")
	steps := 0
	o := sqlite.BackupOptions{Dir: dir, File: file, Leave: []string{"person."}, Progress: func(done, total int64) {
		if steps++; done > total || total == 0 {
			t.Errorf("%d of %d pages are said to be done", done, total)
		}
	}}
	r, err := sqlite.Backup(t.Context(), o)
	stop()
	if late := <-published; late == 0 {
		t.Error("no event was published beside the backup")
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Events <= n || r.Values != 2 || r.Groups != 1 || r.People || steps < 2 {
		t.Errorf("the backup is %+v after %d steps, want more than %d events, 2 values, one group, no people", r, steps, n)
	}
	if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte("somebody-secret")) {
		t.Errorf("the backup holds what was left out (%v)", err)
	}
	if _, err := sqlite.Backup(t.Context(), o); !errors.Is(err, sqlite.ErrBackupExists) {
		t.Errorf("a second backup into the file: %v, want ErrBackupExists", err)
	}
	if found, err := sqlite.VerifyBackup(t.Context(), file); err != nil || found != r {
		t.Errorf("VerifyBackup: %+v, %v, want %+v", found, err, r)
	}
	other := filepath.Join(t.TempDir(), "data")
	if _, err := sqlite.Restore(t.Context(), sqlite.Options{Dir: other}, file); err != nil {
		t.Fatal(err)
	}
	restored := reopened(t, sqlite.Options{Dir: other})
	defer restored.Close()
	if ids := everyEvent(t, restored, event.OldestFirst); int64(len(ids)) != r.Events || ids[0] != "m000" {
		t.Errorf("%d events are in the store that was restored, want %d", len(ids), r.Events)
	}
	if again, err := restored.Publish(t.Context(), message("m001")); err != nil || !again.Duplicate {
		t.Errorf("an event that the backup has is stored once more: %+v, %v", again, err)
	}
	stats, err := restored.Stats(t.Context())
	if err != nil || len(stats.Groups) != 1 || stats.Groups[0].Dead != 1 {
		t.Errorf("the groups are %+v, %v, want one with a dead letter", stats.Groups, err)
	}
	if v, err := restored.State().Get(t.Context(), "subscription.1"); err != nil || string(v.Value) != "kept" {
		t.Errorf("a small value is %q, %v", v.Value, err)
	}
}

// TestBackupThatEnds leaves nothing behind.
func TestBackupThatEnds(t *testing.T) {
	t.Parallel()
	dir, to := closedStore(t, 800), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	_, err := sqlite.Backup(ctx, sqlite.BackupOptions{Dir: dir, File: filepath.Join(to, "b"), Progress: func(int64, int64) { stop() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a backup that was ended: %v", err)
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		t.Errorf("a backup that was ended left %v, %v", left, err)
	}
}

// TestRestoreInPlace puts a backup in the place of a store that went on: what came since is missing and
// is said, positions from before are refused, what was handled since is handled again, and the files that
// were there are kept.
func TestRestoreInPlace(t *testing.T) {
	t.Parallel()
	const n = 300
	dir := workedStore(t, n)
	file := filepath.Join(t.TempDir(), "store.backup")
	if _, err := sqlite.Backup(t.Context(), sqlite.BackupOptions{Dir: dir, File: file}); err != nil {
		t.Fatal(err)
	}
	q := reopened(t, sqlite.Options{Dir: dir})
	var last event.Position
	for i := range 20 {
		r, err := q.Publish(t.Context(), message(fmt.Sprintf("late%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		last = r.Position
	}
	if _, err := sqlite.Restore(t.Context(), sqlite.Options{Dir: dir}, file); !errors.Is(err, queue.ErrLocked) {
		t.Errorf("Restore beside a running store: %v, want ErrLocked", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.Restore(t.Context(), sqlite.Options{Dir: dir}, file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Missing != 20 || len(r.SetAside) < 2 || len(r.Groups) != 1 || r.Epoch == r.Backup.Epoch {
		t.Errorf("Restore says %+v, want 20 missing events, the files that were set aside, a group and a new epoch", r)
	}
	for _, path := range r.SetAside {
		if _, err := os.Stat(path); err != nil || !strings.Contains(path, ".before-restore-") {
			t.Errorf("%s: %v", path, err)
		}
	}
	q = reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	if ids := everyEvent(t, q, event.OldestFirst); len(ids) != n {
		t.Errorf("%d events are there, want %d", len(ids), n)
	}
	if _, err := q.History(t.Context(), event.Query{After: last, Order: event.OldestFirst}); err == nil {
		t.Error("a position of the log before is taken")
	}
	if again, err := q.Publish(t.Context(), message("late1")); err != nil || again.Duplicate || again.Position == last {
		t.Errorf("an event that came after the backup: %+v, %v, want it stored", again, err)
	}
	if d := q.Damage(); len(d) != 1 || !d[0].Accepted || d[0].Events != 20 {
		t.Errorf("the damage is %+v, want 20 events that are missing, and accepted", d)
	}
}

// TestVerifyBackup finds what is wrong with a backup, and restores none such.
func TestVerifyBackup(t *testing.T) {
	t.Parallel()
	dir := closedStore(t, 300)
	whole := filepath.Join(t.TempDir(), "store.backup")
	if _, err := sqlite.Backup(t.Context(), sqlite.BackupOptions{Dir: dir, File: whole}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"a bit of a body": func(b []byte) []byte { b[bytes.LastIndex(b, []byte("m150 m150"))] ^= 1; return b },
		"the header":      func(b []byte) []byte { b[0] ^= 1; return b },
		"a page": func(b []byte) []byte {
			copy(b[bytes.LastIndex(b, []byte("m150 m150"))/page*page:], "nonsense")
			return b
		},
		"cut":              func(b []byte) []byte { return b[:len(b)/2] },
		"empty":            func([]byte) []byte { return nil },
		"another database": func([]byte) []byte { return read(t, dir, eventsFile) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "b")
			if err := os.WriteFile(file, change(bytes.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := sqlite.VerifyBackup(t.Context(), file); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("VerifyBackup: %v, want an error with the path", err)
			}
			other := t.TempDir()
			if _, err := sqlite.Restore(t.Context(), sqlite.Options{Dir: other}, file); err == nil || sqlite.Exists(other, sqlite.DefaultTopic) {
				t.Errorf("Restore: %v, and a store exists: %v", err, sqlite.Exists(other, sqlite.DefaultTopic))
			}
		})
	}
	if _, err := sqlite.VerifyBackup(t.Context(), whole+"x"); err == nil {
		t.Error("a file that is not there is verified")
	}
}

// TestCompact gives back the space of what retention has removed, and changes nothing else.
func TestCompact(t *testing.T) {
	t.Parallel()
	dir := closedStore(t, 800)
	q := reopened(t, sqlite.Options{Dir: dir, RetentionCount: 100})
	if _, err := q.Publish(t.Context(), message("one-more")); err != nil {
		t.Fatal(err)
	}
	kept := func() int64 {
		s, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Events
	}
	for end := time.Now().Add(20 * time.Second); kept() > 100 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	events := everyEvent(t, q, event.OldestFirst)
	if _, err := sqlite.Compact(t.Context(), sqlite.Options{Dir: dir}); !errors.Is(err, queue.ErrLocked) {
		t.Errorf("Compact beside a running store: %v, want ErrLocked", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.Compact(t.Context(), sqlite.Options{Dir: dir})
	if err != nil || r.After > r.Before/2 {
		t.Errorf("Compact: %+v, %v, want at most half of it", r, err)
	}
	q = reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	if now := everyEvent(t, q, event.OldestFirst); strings.Join(now, " ") != strings.Join(events, " ") {
		t.Errorf("the events are %v, want %v", now, events)
	}
}
