package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Sentinels of a State.
var (
	// ErrNotFound says that there is no value under a key.
	ErrNotFound = errors.New("no such key")
	// ErrConflict says that a condition of a write does not hold.
	ErrConflict = errors.New("the value has changed")
)

// An Entry is one value of the State.
type Entry struct {
	Key     string
	Value   []byte
	Version string
	// ExpiresAt is when it goes by itself; zero is never.
	ExpiresAt time.Time
}

// A Condition says when a value is written: always, over one version, or where none is.
type Condition struct {
	IfVersion string
	IfAbsent  bool
}

// A State keeps small values durably for all replicas. Its errors wrap ErrNotFound and
// ErrConflict where these apply. It is safe for concurrent use.
type State interface {
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a value that lives for ttl (0 is for ever) and returns its version.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration, c Condition) (version string, err error)
	// Delete removes a value; ifVersion, unless empty, must be its version.
	Delete(ctx context.Context, key, ifVersion string) error
	// List returns the entries below a prefix, ordered by key, behind the key after.
	List(ctx context.Context, prefix, after string, limit int) ([]Entry, error)
	// Watch calls fn after changes below a prefix until ctx ends.
	Watch(ctx context.Context, prefix string, fn func(key string)) error
}

// The prefixes of the keys.
const (
	subscriptionKeys = "subscriptions/"
	deliveryKeys     = "deliveries/"
	letterKeys       = "delivery-letters/"
	leaseKeys        = "delivery-leases/"
	memberKeys       = "delivery-members/"
	callbackKeys     = "callbacks/"
)

// short is a name as a part of a key: names of principals hold whatever issuers like.
func short(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// listPage is how many entries are read at once.
const listPage = 500

// list reads every entry below a prefix.
func list(ctx context.Context, s State, prefix string) ([]Entry, error) {
	var all []Entry
	after := ""
	for {
		page, err := s.List(ctx, prefix, after, listPage)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		all = append(all, page...)
		if len(page) < listPage {
			return all, nil
		}
		after = page[len(page)-1].Key
	}
}

// put writes a value as JSON.
func put(ctx context.Context, s State, key string, v any, ttl time.Duration, c Condition) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", key, err)
	}
	return s.Put(ctx, key, b, ttl, c)
}
