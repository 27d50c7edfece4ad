package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"slackmcp/config"
	"slackmcp/server/console"
	"slackmcp/store/sqlite"
)

// consoleBackups are the backups of the embedded store as the console makes and verifies them: into the directory of
// BACKUPS, among those that it asks for, or without it into a folder of DATA_DIR, where all are kept.
type consoleBackups struct {
	*backups

	asked bool // by BACKUPS
}

func newConsoleBackups(cfg config.Config, store *watchedStore) consoleBackups {
	if store.backups != nil {
		return consoleBackups{store.backups, true}
	}
	cfg.Queue.Backups = config.Backups{Dir: filepath.Join(cfg.Queue.DataDir, "backups"), Keep: math.MaxInt}
	return consoleBackups{&backups{cfg: cfg, store: store, clock: store.clock, log: store.log}, false}
}

func (b consoleBackups) Place() string {
	if b.asked {
		return fmt.Sprintf("%s, where BACKUPS keeps %d", b.cfg.Queue.Backups.Dir, b.cfg.Queue.Backups.Keep)
	}
	return b.cfg.Queue.Backups.Dir + ", where all are kept"
}

func (b consoleBackups) List(ctx context.Context) ([]console.Backup, error) {
	made, now, err := b.there(ctx)
	if err != nil {
		return nil, err
	}
	var list []console.Backup
	for _, one := range slices.Backward(made) {
		c := console.Backup{Name: one.name, Size: "not known", Age: now.Sub(one.at)}
		if info, err := os.Stat(filepath.Join(b.cfg.Queue.Backups.Dir, one.name)); err == nil {
			c.Size = config.FormatSize(info.Size())
		}
		list = append(list, c)
	}
	return list, nil
}

// there has the backups of this store, also while one is made.
func (b consoleBackups) there(ctx context.Context) (list []madeBackup, now time.Time, err error) {
	stats, err := b.store.Stats(ctx)
	if err != nil {
		return nil, now, fmt.Errorf("ask the store for its name: %w", err)
	}
	now = b.now()
	list, err = (&backups{cfg: b.cfg, epoch: stats.Epoch}).list(now)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // None was made yet.
	}
	return list, now, err
}

func (b consoleBackups) Make(ctx context.Context, tell func(done, of int64)) (string, error) {
	r, err := b.make(ctx, tell)
	if err != nil {
		return "", err
	}
	if b.asked {
		b.note(ctx, nil)
	}
	return r.String(), nil
}

func (b consoleBackups) Verify(ctx context.Context, name string) (string, error) {
	if name == "" {
		return b.verifyStore(ctx)
	}
	list, _, err := b.there(ctx)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(list, func(m madeBackup) bool { return m.name == name }) {
		return "", fmt.Errorf("there is no backup %s of this store", name)
	}
	r, err := sqlite.VerifyBackup(ctx, filepath.Join(b.cfg.Queue.Backups.Dir, name))
	if err != nil {
		return "", err
	}
	return "the backup is whole: " + r.String(), nil
}

func (b consoleBackups) verifyStore(ctx context.Context) (string, error) {
	r, err := sqlite.CheckWithin(ctx, filepath.Clean(b.cfg.Queue.DataDir), b.cfg.Queue.Topic)
	for _, p := range r.Problems {
		err = errors.Join(err, p)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the store is whole: %d events", r.Events), nil
}
