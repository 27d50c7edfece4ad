package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/config"
	"slackmcp/server/web"
	"slackmcp/store/sqlite"
)

// BackupOptions are those with which the embedded store that a configuration means is backed up.
// Without people their rows are left out.
func BackupOptions(c config.Config, file string, people bool) sqlite.BackupOptions {
	o := sqlite.BackupOptions{Dir: filepath.Clean(c.Queue.DataDir), Topic: c.Queue.Topic, File: file}
	if !people {
		o.Leave = peoplePrefixes()
	}
	return o
}

// backupRetry is how long after a backup that failed the next one is tried, unless the time between
// two is shorter.
const backupRetry = 10 * time.Minute

// backupStamp is the time in a backup's name.
const backupStamp = "20060102T150405Z"

// backups makes the backups that BACKUPS asks for.
type backups struct {
	cfg config.Config
	log *slog.Logger

	mu     sync.Mutex
	failed error     // why the last one failed; nil when it did not
	since  time.Time // when the first of those failed that have failed since
}

// newBackups is nil where none are asked for.
func newBackups(cfg config.Config, log *slog.Logger) *backups {
	if !cfg.Queue.Backups.On() || !cfg.Mode.Webhook() {
		return nil
	}
	return &backups{cfg: cfg, log: log}
}

// problem is that the last backup failed.
func (b *backups) problem() (p web.Problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		p.What = fmt.Sprintf("the store could not be backed up since %s: %s", b.since.UTC().Format(time.RFC3339), b.failed)
		p.Remedy = "see that the directory of BACKUPS can be written to and has room for one more copy of the store; the next one is tried within " + config.FormatDuration(b.pause())
	}
	return p
}

// pause is that after a backup which failed.
func (b *backups) pause() time.Duration { return min(backupRetry, b.cfg.Queue.Backups.Every) }

// run makes backups until ctx ends: the first one when the newest that is there is old enough.
func (b *backups) run(ctx context.Context) error {
	for wait := b.due(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		err := b.make(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // It was asked to end.
		}
		b.note(ctx, err)
		wait = b.cfg.Queue.Backups.Every
		if err != nil {
			wait = b.pause()
		}
	}
}

// due is how long it is until the next backup.
func (b *backups) due() time.Duration {
	list, _ := b.list() // The backup meets what is wrong.
	if len(list) == 0 {
		return 0
	}
	made, _ := time.Parse(backupStamp, b.stamp(list[len(list)-1])) // It is in the list because it can be read.
	every := b.cfg.Queue.Backups.Every
	return min(max(time.Until(made.Add(every)), 0), every) // The clock may have been wrong.
}

// note remembers how a backup went.
func (b *backups) note(ctx context.Context, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && b.failed == nil {
		b.since = time.Now()
	}
	if b.failed = err; err != nil {
		b.log.LogAttrs(ctx, slog.LevelError, "the store could not be backed up", slog.String("error", err.Error()))
	}
}

// make makes one backup, and removes those beyond the number that is kept.
func (b *backups) make(ctx context.Context) error {
	o := b.cfg.Queue.Backups
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of BACKUPS: %w", err)
	}
	b.clear()
	began := time.Now()
	r, err := sqlite.Backup(ctx, BackupOptions(b.cfg, filepath.Join(o.Dir, b.name(began.UTC().Format(backupStamp))), false))
	if err != nil {
		return err
	}
	b.log.LogAttrs(ctx, slog.LevelInfo, "the store was backed up", slog.String("file", r.File), slog.Int64("bytes", r.Bytes),
		slog.Int64("events", r.Events), slog.Float64("seconds", time.Since(began).Seconds()))
	list, err := b.list()
	if err != nil {
		return err
	}
	for _, name := range list[:max(0, len(list)-o.Keep)] {
		if err := os.Remove(filepath.Join(o.Dir, name)); err != nil {
			return fmt.Errorf("remove a backup beyond the %d that are kept: %w", o.Keep, err)
		}
	}
	return nil
}

// clear removes what a process that was killed has left of a backup.
func (b *backups) clear() {
	dir := b.cfg.Queue.Backups.Dir
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // The backup meets it.
	}
	for _, e := range entries {
		if name, _, partial := strings.Cut(e.Name(), ".partial"); partial && b.ours(name) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // One that stays takes room, and nothing else.
		}
	}
}

// ours reports whether a name is that of a backup of this store.
func (b *backups) ours(name string) bool {
	stamp := b.stamp(name)
	_, err := time.Parse(backupStamp, stamp)
	return err == nil && name == b.name(stamp)
}

// name is that of the backup of a time.
func (b *backups) name(stamp string) string {
	return sqlite.FileName(b.cfg.Queue.Topic) + "-" + stamp + ".backup"
}

// stamp is the time in a name.
func (b *backups) stamp(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, sqlite.FileName(b.cfg.Queue.Topic)+"-"), ".backup")
}

// list names the backups of this store, the oldest first.
func (b *backups) list() (names []string, _ error) {
	entries, err := os.ReadDir(b.cfg.Queue.Backups.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if b.ours(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
