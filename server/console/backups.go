package console

import (
	"context"
	"net/http"
	"time"
)

// Backups are the backups of a store that lies in files, and these files.
type Backups interface {
	// Place says in words where the console makes backups, and how many are kept there.
	Place() string
	// List has those that are there, the newest first.
	List(ctx context.Context) ([]Backup, error)
	// Make makes one, and returns in words what it holds. Tell hears how much of the work is done.
	Make(ctx context.Context, tell func(done, of int64)) (string, error)
	// Verify reads the backup of a name whole, or without a name the store, and returns in words that it is whole; else
	// the error says what is wrong.
	Verify(ctx context.Context, name string) (string, error)
}

// A Backup is one that is there.
type Backup struct {
	Name, Size string
	Age        time.Duration
}

// maxBackupsShown bounds the rows about backups.
const maxBackupsShown = 20

// theStore is what a backup is made of, and what is verified without a name.
const theStore = "the store"

var errNoBackups = problem{"The store lies in no files of this server.", "The tools of its database make and verify backups (docs/operations.md)."}

// backUp begins to make a backup.
func (c *Console) backUp(r *http.Request) (string, error) {
	if c.opt.Backups == nil {
		return "", errNoBackups
	}
	return "/settings", c.jobs.start(r.Context(), r, "Back up", "store backed up", theStore, func(ctx context.Context, tell progress) (int64, error) {
		var last int64
		words, err := c.opt.Backups.Make(ctx, func(done, of int64) {
			last = of
			tell(done, of, "pages")
		})
		if err != nil {
			return 0, err
		}
		tell(last, last, words)
		return 1, nil
	})
}

// verify begins to read a backup, or the store, whole.
func (c *Console) verify(r *http.Request) (string, error) {
	if c.opt.Backups == nil {
		return "", errNoBackups
	}
	name, target := r.PostFormValue("name"), theStore
	if name != "" {
		target = name
	}
	return "/settings", c.jobs.start(r.Context(), r, "Verify", "store verified", target, func(ctx context.Context, tell progress) (int64, error) {
		tell(0, 0, "it is read whole")
		words, err := c.opt.Backups.Verify(ctx, name)
		if err != nil {
			return 0, err
		}
		tell(1, 1, words)
		return 1, nil
	})
}
