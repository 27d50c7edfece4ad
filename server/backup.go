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
	"slackmcp/internal/clock"
	"slackmcp/server/web"
	"slackmcp/store/queue"
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

// backupEnd ends a backup's name.
const backupEnd = ".backup"

// backups makes the backups that BACKUPS asks for.
type backups struct {
	cfg   config.Config
	store queue.Queue
	clock *clock.Guard
	log   *slog.Logger
	epoch string // the store's, once known: it tells its backups from those of others in the directory

	making sync.Mutex // held while one is made

	mu     sync.Mutex
	failed error     // why the last one failed; nil when it did not
	since  time.Time // when the first of those failed that have failed since
}

// newBackups is nil where none are asked for.
func newBackups(cfg config.Config, store queue.Queue, guard *clock.Guard, log *slog.Logger) *backups {
	if !cfg.Queue.Backups.On() || !cfg.Mode.Webhook() {
		return nil
	}
	return &backups{cfg: cfg, store: store, clock: guard, log: log}
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
	for wait := b.due(ctx); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		_, err := b.make(ctx, nil)
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

// due is how long it is until the next backup. One whose name says a time to come was made by a clock that
// was wrong, and does not count.
func (b *backups) due(ctx context.Context) time.Duration {
	b.making.Lock()
	defer b.making.Unlock()
	if b.know(ctx) != nil {
		return 0 // The backup meets what is wrong, as below.
	}
	now := b.now()
	made, _ := b.list(now)
	if len(made) == 0 || made[len(made)-1].at.After(now) {
		return 0
	}
	return max(made[len(made)-1].at.Add(b.cfg.Queue.Backups.Every).Sub(now), 0)
}

// now is the time that is believed.
func (b *backups) now() time.Time { return b.clock.Believed(time.Now()).UTC() }

// know learns the store's epoch. Requires b.making where others may make backups.
func (b *backups) know(ctx context.Context) error {
	if b.epoch != "" {
		return nil
	}
	stats, err := b.store.Stats(ctx)
	if err != nil {
		return fmt.Errorf("ask the store for its name: %w", err)
	}
	b.epoch = stats.Epoch
	return nil
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

// make makes one backup, and removes those beyond the number that is kept. Progress hears how much of the work is done;
// nil is not called. One is made at a time.
func (b *backups) make(ctx context.Context, progress func(done, total int64)) (r sqlite.BackupReport, err error) {
	b.making.Lock()
	defer b.making.Unlock()
	o := b.cfg.Queue.Backups
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return r, fmt.Errorf("make the directory of BACKUPS: %w", err)
	}
	if err := b.know(ctx); err != nil {
		return r, err
	}
	b.clear()
	began, now := time.Now(), b.now()
	name := b.name(now.Format(backupStamp))
	how := BackupOptions(b.cfg, filepath.Join(o.Dir, name), false)
	how.Progress = progress
	if r, err = sqlite.Backup(ctx, how); err != nil {
		return r, err
	}
	b.log.LogAttrs(ctx, slog.LevelInfo, "the store was backed up", slog.String("file", r.File), slog.Int64("bytes", r.Bytes),
		slog.Int64("events", r.Events), slog.Float64("seconds", time.Since(began).Seconds()))
	return r, b.prune(name, now)
}

// prune removes the backups beyond the number that is kept, and never the one that was just made.
func (b *backups) prune(made string, now time.Time) error {
	o := b.cfg.Queue.Backups
	list, err := b.list(now)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(m madeBackup) bool { return m.name == made })
	for _, old := range list[:max(0, len(list)+1-o.Keep)] {
		if err := os.Remove(filepath.Join(o.Dir, old.name)); err != nil {
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
	_, ok := b.made(name)
	return ok
}

// name is that of the backup of a time.
func (b *backups) name(stamp string) string { return b.prefix() + stamp + backupEnd }

// prefix begins the names of this store's backups, which have its epoch in them: stores of one topic may
// share a directory.
func (b *backups) prefix() string { return sqlite.FileName(b.cfg.Queue.Topic) + "-" + b.epoch + "-" }

// made is when the backup of a name was made, where it is one of this store.
func (b *backups) made(name string) (time.Time, bool) {
	stamp := strings.TrimSuffix(strings.TrimPrefix(name, b.prefix()), backupEnd)
	at, err := time.Parse(backupStamp, stamp)
	return at, err == nil && b.epoch != "" && name == b.name(stamp)
}

// A madeBackup is one that is in the directory.
type madeBackup struct {
	name string
	at   time.Time
}

// list has the backups of this store in the order in which they go: before the oldest those whose names say
// a time to come, which a clock that was wrong has made.
func (b *backups) list(now time.Time) (list []madeBackup, _ error) {
	entries, err := os.ReadDir(b.cfg.Queue.Backups.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if at, ok := b.made(e.Name()); ok {
			list = append(list, madeBackup{e.Name(), at})
		}
	}
	slices.SortFunc(list, func(x, y madeBackup) int {
		if x.at.After(now) != y.at.After(now) {
			return -x.at.Compare(y.at)
		}
		return x.at.Compare(y.at)
	})
	return list, nil
}
