// Package state keeps small, named values beside the events: subscriptions, sessions,
// gaps, the last status of a message. It is shared by the replicas that share a queue's
// backend, and as durable as that backend is configured.
//
// Keys are paths of segments, "subscriptions/<principal>/<id>": 1 to 256 bytes of
// [a-zA-Z0-9._:/=-]. Values are at most 64 KiB. It is no place for a flood: a value is
// written at most some hundred times a second.
package state

import (
	"context"
	"errors"
	"time"
)

// Sentinels; all are wrapped with their cause.
var (
	// ErrNotFound says that there is no value (any more) under a key.
	ErrNotFound = errors.New("no such key")
	// ErrConflict says that the value is not of the version that the caller knew.
	ErrConflict = errors.New("the value has changed")
	// ErrUnavailable says that the backend cannot be reached or written now.
	ErrUnavailable = errors.New("state is unavailable")
)

// MaxValue bounds a value, in bytes.
const MaxValue = 64 << 10

// An Entry is one value.
type Entry struct {
	Key   string
	Value []byte
	// Version names this state of the value: opaque, never empty, never used twice for
	// one key.
	Version string
	// ExpiresAt is when the value goes by itself; zero is never.
	ExpiresAt time.Time
}

// Put says how a value is written.
type Put struct {
	// TTL is how long the value lives from now; 0 is for ever.
	TTL time.Duration
	// IfVersion writes only over that version; empty writes whatever is there. It
	// excludes IfAbsent.
	IfVersion string
	// IfAbsent writes only where no value is.
	IfAbsent bool
}

// A Change is one key that was written, deleted, or expired.
type Change struct {
	Key string
	// Gone says that the key has no value any more; an expiry may be reported late, or only
	// show as the absence of the value, as the backend can.
	Gone bool
}

// A Store keeps values. It is safe for concurrent use. A value handed out belongs to
// the caller; one handed in is not kept.
type Store interface {
	// Get returns the value under key, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a value, durably, and returns its new version, or ErrConflict when the
	// condition does not hold.
	Put(ctx context.Context, key string, value []byte, p Put) (version string, err error)
	// Delete removes a value; ifVersion, unless empty, must be its version (ErrConflict).
	// ErrNotFound when there is none.
	Delete(ctx context.Context, key, ifVersion string) error
	// List returns the entries whose keys begin with prefix, ordered by key, behind the
	// key after, at most limit (0 means 100, at most 1,000).
	List(ctx context.Context, prefix, after string, limit int) ([]Entry, error)
	// Watch calls fn, one call at a time, for each change below prefix by whichever
	// process, from some moment before it was called on, until ctx ends (nil). Changes of
	// one key in quick succession may be joined. After the backend was away it calls fn
	// for every key that it finds, since changes may have been missed.
	Watch(ctx context.Context, prefix string, fn func(Change)) error
}
