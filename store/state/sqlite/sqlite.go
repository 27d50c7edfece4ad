// Package sqlite keeps state in a small database file beside the queue's, so that neither
// waits for the other: a value is synced before Put returns, and the events' own
// transactions do not know of it.
//
// The file belongs to one process. Open takes no lock of its own: who opens it owns the
// directory, by the lock that the queue holds.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"slackmcp/store/internal/engine"
	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// DefaultTopic names the store within its directory when Options do not.
const DefaultTopic = "slack.events"

// Options configure a Store.
type Options struct {
	// Dir is the directory of the file. It must exist. Required.
	Dir string
	// Topic names the store within Dir; "" means slack.events.
	Topic string
	// Logger hears of trouble; nil is silent.
	Logger *slog.Logger
}

// A Store is a state.Store. Make it with Open.
type Store struct {
	path string
	log  *slog.Logger
	hub  *values.Watchers

	mu     sync.Mutex
	conn   *engine.Conn // nil after an error, until the next call opens it again
	stmt   statements
	last   int64 // the highest version that was given
	sweeps *time.Timer
	closed bool
}

var _ state.Store = (*Store)(nil)

var errClosed = errors.New("the store is closed")

// sweepEvery is how late expired values are removed, and told as gone.
const sweepEvery = time.Second

// Open opens the file, and makes it the first time.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("sqlite state: Dir is missing")
	}
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: filepath.Join(o.Dir, "state-"+engine.FileName(o.Topic)+".db"), log: o.Logger, hub: values.NewWatchers()}
	if err := private(s.path); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("sqlite state: %w", err)
	}
	s.sweeps = time.AfterFunc(sweepEvery, s.sweep)
	return s, nil
}

// private makes the file for the owner alone. SQLite gives the files beside it the same
// mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own directory
	if err != nil {
		return fmt.Errorf("sqlite state: %w: make the data directory writable, or choose another one", err)
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return fmt.Errorf("sqlite state: make the store private: %w", err)
	}
	return nil
}

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, key string) (e state.Entry, err error) {
	if err := values.CheckKey(key); err != nil {
		return e, err
	}
	err = s.do(ctx, "get", func(now int64) error {
		e, err = s.read(key, now)
		return err
	})
	return e, err
}

// Put implements state.Store.
func (s *Store) Put(ctx context.Context, key string, value []byte, p state.Put) (v string, err error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	err = s.do(ctx, "put", func(now int64) error {
		return s.transaction(func() error {
			v, err = s.write(key, value, p, now)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	return v, nil
}

// Delete implements state.Store.
func (s *Store) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	return s.do(ctx, "delete", func(now int64) error {
		return s.transaction(func() error { return s.remove(key, ifVersion, now) })
	})
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) (list []state.Entry, err error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	err = s.do(ctx, "list", func(now int64) error {
		list, err = s.page(prefix, after, values.Limit(limit), now)
		return err
	})
	return list, err
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return s.hub.Watch(ctx, prefix, fn)
}

// do runs one operation on the connection, and opens it first when an error closed it.
func (s *Store) do(ctx context.Context, op string, fn func(now int64) error) error {
	if err := ctx.Err(); err != nil {
		return values.Fault(ctx, op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return values.Fault(ctx, op, errClosed)
	}
	if s.conn == nil {
		if err := s.open(); err != nil {
			return values.Fault(ctx, op, err)
		}
		s.log.LogAttrs(ctx, slog.LevelInfo, "state is open again")
	}
	err := fn(time.Now().UnixNano())
	if _, broken := errors.AsType[*engine.Error](err); broken {
		s.log.LogAttrs(ctx, slog.LevelError, "state cannot be written or read", slog.String("operation", op), slog.Any("error", err))
		s.discard()
	}
	return values.Fault(ctx, op, err)
}

// sweep removes what has expired, now and then.
func (s *Store) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	defer s.sweeps.Reset(sweepEvery)
	if s.conn == nil {
		return
	}
	if err := s.expire(time.Now().UnixNano()); err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelError, "expired state cannot be removed", slog.Any("error", err))
		s.discard()
	}
}

// Close gives the file back and ends the watchers. It is idempotent.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.sweeps.Stop()
	s.hub.Close()
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	return conn.Close()
}
