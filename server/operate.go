package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"slackmcp/config"
	"slackmcp/server/socket"
	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/operator"
)

// ErrNoStore says that there is nothing that a command could work on.
var ErrNoStore = errors.New("there is nothing to work on")

// OpenOperator opens what an operator's command works on. When a server answers at the
// socket in DATA_DIR and has the store that the configuration means, it is that server's,
// and the result is a *socket.Client; otherwise the store itself, under the lock that the
// server would take. A store is never made, and nothing that a server keeps is trimmed by
// the command's own settings. The caller closes it.
//
// alone says that the command may have an embedded store to itself while no server runs.
func OpenOperator(ctx context.Context, c config.Config, log *slog.Logger, alone bool) (operator.Store, error) {
	path := socket.Path(c.Queue.DataDir)
	client, err := socket.Dial(ctx, path)
	switch {
	case err == nil && means(c, client.Hello()):
		return client, nil
	case err == nil:
		_ = client.Close() // the settings name another store
	case !errors.Is(err, socket.ErrNoServer):
		return nil, fmt.Errorf("%w\nIs it another user's server? Run this as that user, or name the DATA_DIR of yours with --data-dir", err)
	}
	if c.Queue.Backend.Embedded() {
		if err := aloneWith(c, path, alone); err != nil {
			return nil, err
		}
	}
	store, err := OpenStore(ctx, c, log)
	if errors.Is(err, queue.ErrLocked) {
		return nil, fmt.Errorf("%w\nThe process does not answer at %s: wait until it has started or ended, or look at its log", err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return store, nil
}

// means reports whether the server that answered has the store that the settings name.
// What nobody chose the server decides.
func means(c config.Config, h socket.Hello) bool {
	chosen := c.Queue.RedisURL.IsSet() || c.Queue.NATSURL.IsSet() || c.Origin("QUEUE_BACKEND_TYPE").Kind != config.FromDefault
	if chosen && h.Backend != string(c.Queue.Backend) {
		return false
	}
	return h.Topic == c.Queue.Topic || c.Origin("SLACK_EVENTS_TOPIC").Kind == config.FromDefault
}

// aloneWith judges whether an embedded store can be opened without its server.
func aloneWith(c config.Config, path string, alone bool) error {
	const remedy = "start the server, or name the DATA_DIR of the one that runs with --data-dir"
	switch {
	case c.Queue.Backend == config.Memory:
		return fmt.Errorf("%w: the memory backend lives inside a server, and none answers at %s: %s", ErrNoStore, path, remedy)
	case !sqlite.Exists(filepath.Clean(c.Queue.DataDir), c.Queue.Topic):
		return fmt.Errorf("%w: no server answers at %s, and there is no store in %s: %s", ErrNoStore, path, c.Queue.DataDir, remedy)
	case !alone:
		return fmt.Errorf("%w: no server answers at %s, and without one nothing arrives: start the server; what is stored the other commands show", ErrNoStore, path)
	}
	return nil
}

// forOperators are the settings with which a command opens a store: the bounds are the
// server's to keep, whose flags the command has not seen.
func forOperators(c config.Config) config.Config {
	c.Mode = config.ModeStandalone
	c.Queue.RetentionAge, c.Queue.RetentionCount, c.Queue.DedupeTTL = -1, 1_000_000_000, 10*365*24*time.Hour
	return c
}
