package transport

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNoValue says that there is no value (any more) under a key.
	ErrNoValue = errors.New("no such value")
	// ErrConflict says that a value is not what the caller knew, or is there already.
	ErrConflict = errors.New("the value has changed")
)

// A Value is one value among those that replicas share.
type Value struct {
	Key     string
	Data    []byte
	Version string
	// ExpiresAt is when it goes by itself; zero is never.
	ExpiresAt time.Time
}

// Write says on which condition a value is written, and for how long. The zero value
// writes whatever is there, for ever.
type Write struct {
	TTL time.Duration
	// IfVersion writes only over that version, IfAbsent only where nothing is; otherwise
	// ErrConflict.
	IfVersion string
	IfAbsent  bool
}

// Values are shared by the replicas of one server: what one writes the others read at
// once. Keys are of [a-zA-Z0-9._:/=-], values of at most 64 KiB. Any other error than the
// two above says that they cannot be reached now.
type Values interface {
	Get(ctx context.Context, key string) (Value, error)
	Put(ctx context.Context, key string, data []byte, w Write) (version string, err error)
	// Delete removes a value, or fails with ErrNoValue.
	Delete(ctx context.Context, key string) error
	// List returns at most limit values whose keys begin with prefix, ordered by key,
	// behind the key after.
	List(ctx context.Context, prefix, after string, limit int) ([]Value, error)
	// Watch calls fn, one call at a time, with the key of each value below prefix that any
	// replica wrote or removed, until ctx ends.
	Watch(ctx context.Context, prefix string, fn func(key string, gone bool)) error
}

// What replicas share lies below these.
const (
	keyKey      = "mcp/key"
	sessionsKey = "mcp/sessions/"
	ownersKey   = "mcp/owners/"   // by SSE session: the replica that holds its stream
	replicasKey = "mcp/replicas/" // leases of those that hold SSE streams
	inboxKey    = "mcp/inbox/"    // by replica: messages for its SSE sessions
	piecesKey   = "mcp/pieces/"   // of messages that are larger than a value
	toldKey     = "mcp/told/"     // answers and cancellations, for whichever replica has the call
)
