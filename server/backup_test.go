package server

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/internal/clock"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// TestBackupsAreMadeAndKept makes backups as BACKUPS asks for: as many are kept, what a killed process left
// is removed, files of others stay, and one that fails is a problem in words until one succeeds.
func TestBackupsAreMadeAndKept(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Mode: config.ModeStandalone}
	dir := t.TempDir()
	cfg.Queue.DataDir, cfg.Queue.Topic = filepath.Join(dir, "data"), "a topic/1"
	cfg.Queue.Backups = config.Backups{Dir: filepath.Join(dir, "to"), Every: time.Hour, Keep: 2}
	cfg.Queue.Backend = config.SQLite
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: cfg.Queue.DataDir, Topic: cfg.Queue.Topic})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "1", Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	b := newBackups(cfg, q, clock.New(false), slog.New(slog.DiscardHandler))
	if wait := b.due(t.Context()); wait != 0 {
		t.Errorf("the first backup is due in %s, want now", wait)
	}
	to := cfg.Queue.Backups.Dir
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	old, older := b.name("20200101T000000Z"), b.name("20190101T000000Z")
	for _, name := range []string{"another-20200101T000000Z.backup", old, older, b.name("20210101T000000Z") + ".partial-journal"} {
		if err := os.WriteFile(filepath.Join(to, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.make(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	list, err := b.list(time.Now())
	if err != nil || len(list) != 2 || list[0].name != old {
		t.Errorf("the backups are %v, %v, want %s and a new one", list, err, old)
	}
	if _, err := sqlite.VerifyBackup(t.Context(), filepath.Join(to, list[1].name)); err != nil {
		t.Error(err)
	}
	forConsole := consoleBackups{b, true}
	shown, err := forConsole.List(t.Context()) // the console shows them with age and size
	if err != nil || len(shown) != 2 || shown[0].Name != list[1].name || shown[1].Name != old || !strings.HasSuffix(shown[0].Size, "B") || shown[1].Age < 50_000*time.Hour {
		t.Errorf("the console shows %+v, %v", shown, err)
	}
	if all, err := os.ReadDir(to); err != nil || len(all) != 3 {
		t.Errorf("the directory has %v, %v, want two backups and a file of others", all, err)
	}
	if wait := b.due(t.Context()); wait <= 50*time.Minute || wait > time.Hour {
		t.Errorf("the next backup is due in %s, want about an hour", wait)
	}

	b.cfg.Queue.Backups.Dir = filepath.Join(to, old)
	_, err = b.make(t.Context(), nil)
	b.note(t.Context(), err)
	if p := b.problem(); !strings.Contains(p.What, "could not be backed up") || p.Remedy == "" {
		t.Errorf("a backup into a file is the problem %+v", p)
	}
	if shown := fmt.Sprint(kept(t.Context(), cfg, &watchedStore{Queue: q, backups: b})); !strings.Contains(shown, "could not be backed up") || !strings.Contains(shown, "keep 2") {
		t.Errorf("the console says nothing of a backup that failed: %s", shown)
	}
	b.note(t.Context(), nil)
	if p := b.problem(); p.What != "" {
		t.Errorf("after a backup that succeeded there is the problem %+v", p)
	}
}

// TestABackupIsNotTheOneThatGoes finds backups of a clock that was ahead, and those of another store of the same
// topic with one on its way: the new one stays, the first go before the oldest, and the other store's stay.
func TestABackupIsNotTheOneThatGoes(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Mode: config.ModeStandalone}
	to := t.TempDir()
	cfg.Queue.DataDir, cfg.Queue.Topic = t.TempDir(), "topic"
	cfg.Queue.Backups = config.Backups{Dir: to, Every: time.Hour, Keep: 2}
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: cfg.Queue.DataDir, Topic: cfg.Queue.Topic})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	b := newBackups(cfg, q, clock.New(false), slog.New(slog.DiscardHandler))
	if err := b.know(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newBackups(cfg, q, clock.New(false), slog.New(slog.DiscardHandler))
	other.epoch = "00000000"
	right := b.name("20260101T000000Z")
	theirs := []string{other.name("20250101T000000Z"), other.name("20250102T000000Z"), other.name("20250103T000000Z") + ".partial"}
	for _, name := range append(theirs, b.name("20400101T000000Z"), right, b.name("20400102T000000Z")) {
		if err := os.WriteFile(filepath.Join(to, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if wait := b.due(t.Context()); wait != 0 {
		t.Errorf("the next backup is due in %s, want now", wait)
	}
	if _, err := b.make(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	list, err := b.list(time.Now())
	if err != nil || len(list) != 2 || list[0].name != right || time.Since(list[1].at) > time.Hour {
		t.Errorf("the backups are %v, %v, want %s and the new one", list, err, right)
	}
	for _, name := range theirs {
		if _, err := os.Stat(filepath.Join(to, name)); err != nil {
			t.Errorf("what another store has in the directory: %v", err)
		}
	}
	if wait := b.due(t.Context()); wait <= 50*time.Minute {
		t.Errorf("the next backup is due in %s, want about an hour", wait)
	}
}

// TestTheConsoleBacksUp makes and verifies backups as the console does: without BACKUPS in a folder of DATA_DIR, where
// all are kept, and nothing but the backups of the store is read.
func TestTheConsoleBacksUp(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Mode: config.ModeStandalone}
	cfg.Queue.DataDir, cfg.Queue.Topic, cfg.Queue.Backend = t.TempDir(), "topic", config.SQLite
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: cfg.Queue.DataDir, Topic: cfg.Queue.Topic})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, id := range []string{"1", "2"} {
		if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Raw: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	b := newConsoleBackups(cfg, &watchedStore{Queue: q, clock: clock.New(false), log: slog.New(slog.DiscardHandler)})
	if list, err := b.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("before the first one there are %v, %v", list, err)
	}
	told := int64(0)
	words, err := b.Make(t.Context(), func(done, _ int64) { told = done })
	if err != nil || !strings.Contains(words, "2 events") || !strings.Contains(words, "without people") || told == 0 {
		t.Errorf("a backup: %q, %v, %d pages told", words, err, told)
	}
	list, err := b.List(t.Context())
	if err != nil || len(list) != 1 || !strings.Contains(b.Place(), cfg.Queue.DataDir) {
		t.Fatalf("after one there are %v, %v, in %s", list, err, b.Place())
	}
	for name, want := range map[string]string{"": "the store is whole: 2 events", list[0].Name: "the backup is whole: 2 events"} {
		if words, err := b.Verify(t.Context(), name); err != nil || !strings.Contains(words, want) {
			t.Errorf("verify %q: %q, %v", name, words, err)
		}
	}
	path := filepath.Join(cfg.Queue.DataDir, "backups", list[0].Name)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content[:len(content)-8192], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{list[0].Name, "../" + filepath.Base(cfg.Queue.DataDir), "none.backup"} {
		if words, err := b.Verify(t.Context(), name); err == nil {
			t.Errorf("verify %q: %q", name, words)
		}
	}
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "3", Raw: []byte("{}")}); err != nil {
		t.Errorf("the store after it was verified: %v", err)
	}
}
