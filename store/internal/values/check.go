// Package values holds what is the same for every backend of small values: what keys and
// values may be, the bounds of a listing, and the watchers within a process.
package values

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/store/state"
)

const maxKey = 256

// Listing bounds.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// CheckKey refuses what is no key.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("state: a key has 1 to %d bytes, not %d", maxKey, len(key))
	}
	return characters(key)
}

// CheckPrefix refuses what begins no key; "" begins all.
func CheckPrefix(prefix string) error {
	if len(prefix) > maxKey {
		return fmt.Errorf("state: a prefix has at most %d bytes, not %d", maxKey, len(prefix))
	}
	return characters(prefix)
}

func characters(key string) error {
	for _, c := range []byte(key) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == ':', c == '/', c == '=', c == '-':
		default:
			return fmt.Errorf("state: key %q has a character outside of [a-zA-Z0-9._:/=-]", key)
		}
	}
	return nil
}

// CheckPut refuses a write that no backend would take. A TTL below a millisecond is one.
func CheckPut(key string, value []byte, p state.Put) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	switch {
	case len(value) > state.MaxValue:
		return fmt.Errorf("state: a value has at most %d bytes, not %d", state.MaxValue, len(value))
	case p.TTL < 0:
		return fmt.Errorf("state: TTL is %v, want it positive, or 0 for ever", p.TTL)
	case p.TTL > 0 && p.TTL < time.Millisecond:
		return fmt.Errorf("state: TTL is %v, the least is a millisecond", p.TTL)
	case p.IfAbsent && p.IfVersion != "":
		return errors.New("state: IfAbsent and IfVersion exclude each other")
	}
	return nil
}

// Range is where the keys lie that begin with prefix and come behind after: at or above
// low, and below high. Both compare as bytes.
func Range(prefix, after string) (low, high string) {
	low = prefix
	if after != "" && after >= prefix {
		low = after + "\x01" // every character of a key is above
	}
	if low == "" {
		low = "\x01"
	}
	return low, prefix + "\x7f" // every character of a key is below
}

// Limit is how many entries a listing returns at most.
func Limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// Fault is what an engine's error is to a caller: that of its own context where that
// ended, otherwise ErrUnavailable with the cause.
func Fault(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, state.ErrConflict), errors.Is(err, state.ErrNotFound), errors.Is(err, state.ErrUnavailable):
		return fmt.Errorf("state: %s: %w", op, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("state: %s: %w", op, ctx.Err())
	}
	return fmt.Errorf("state: %s: %w: %w", op, state.ErrUnavailable, err)
}
