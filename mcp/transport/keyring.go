package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"slackmcp/store/state"
)

// A keyring has the key that signs session ids: a given one, or the one that replicas
// share, which whoever needs it first makes.
type keyring struct {
	shared state.Store // nil: key is given

	mu  sync.Mutex
	key []byte
}

// signer returns the means to sign, and asks for the shared key the first time.
func (k *keyring) signer(ctx context.Context) (signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.key) == 0 {
		key, err := k.agree(ctx)
		if err != nil {
			return signer{}, fmt.Errorf("the key of session ids: %w", err)
		}
		k.key = key
	}
	return signer{key: k.key}, nil
}

// agree reads the shared key, or makes it: one of several that try wins.
func (k *keyring) agree(ctx context.Context) ([]byte, error) {
	for {
		v, err := k.shared.Get(ctx, keyKey)
		switch {
		case err == nil && len(v.Value) >= minKeyBytes:
			return v.Value, nil
		case err == nil:
			return nil, fmt.Errorf("%s has %d bytes, want at least %d: remove it", keyKey, len(v.Value), minKeyBytes)
		case !errors.Is(err, state.ErrNotFound):
			return nil, err
		}
		key := make([]byte, minKeyBytes)
		rand.Read(key) // never fails
		if _, err := k.shared.Put(ctx, keyKey, key, state.Put{IfAbsent: true}); err != nil && !errors.Is(err, state.ErrConflict) {
			return nil, err
		}
	}
}

// forget makes the next caller read the shared key again: it was written anew, since the
// engine had lost it.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = nil
}
