// Package seal keeps what must not be read or exchanged by whoever has it: rows in a store that may
// be stolen, and what browsers and clients carry for us. Everything is sealed whole with AES-256-GCM
// and tied to its place: what was sealed for one place opens at no other.
//
// A [Keyring] comes from a file of the operator's (see [Load]); a [Sealer] of it serves one purpose
// with keys of its own, so that what strangers make us seal uses up nothing of the rows' keys.
// [Rows] is a store whose values are sealed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// KeyBytes is the length of a key.
	KeyBytes = 32
	// Overhead is by how many bytes something sealed is longer.
	Overhead = 1 + idBytes + 12 + 16
	// MaxKeys bounds the keys of a ring.
	MaxKeys = 16

	idBytes = 4
	version = 1
)

// ErrSealed says that something does not open: it was altered, sealed for another place or purpose,
// or under a key that is not in the ring. Which of them is not told.
var ErrSealed = errors.New("it does not open")

// A Keyring is the keys that there are. The first one seals, all of them open. It is immutable, and
// prints without its keys.
type Keyring struct {
	secrets [][]byte
	ids     [][idBytes]byte
}

// NewKeyring returns a ring of keys of KeyBytes each: the newest first, at least one, at most MaxKeys,
// no two the same.
func NewKeyring(keys ...[]byte) (*Keyring, error) {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return nil, fmt.Errorf("want 1 to %d keys, not %d", MaxKeys, len(keys))
	}
	k := &Keyring{}
	known := map[[idBytes]byte]bool{}
	for i, key := range keys {
		if len(key) != KeyBytes {
			return nil, fmt.Errorf("key %d has %d bytes, want %d", i+1, len(key), KeyBytes)
		}
		derived, err := hkdf.Key(sha256.New, key, nil, "key id", idBytes)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		id := [idBytes]byte(derived)
		if known[id] {
			return nil, fmt.Errorf("key %d stands there twice", i+1)
		}
		known[id] = true
		k.secrets, k.ids = append(k.secrets, append([]byte(nil), key...)), append(k.ids, id)
	}
	return k, nil
}

// IDs are the names of the keys, as hexadecimal digits that follow from the keys and do not tell
// them. The first seals.
func (k *Keyring) IDs() []string {
	ids := make([]string, len(k.ids))
	for i, id := range k.ids {
		ids[i] = hex.EncodeToString(id[:])
	}
	return ids
}

// String hides the keys.
func (k *Keyring) String() string { return fmt.Sprintf("a ring of %d keys", len(k.ids)) }

// GoString hides the keys.
func (k *Keyring) GoString() string { return k.String() }

// NewKey returns a new key as it stands in a file of keys.
func NewKey() string {
	key := make([]byte, KeyBytes)
	_, _ = rand.Read(key) // it never fails
	return base64.StdEncoding.EncodeToString(key)
}

// A Sealer seals for one purpose. It is safe for concurrent use.
type Sealer struct {
	ids  [][idBytes]byte
	with []cipher.AEAD // by the same index
}

// For returns the Sealer of a purpose. What one purpose sealed, no other opens.
func (k *Keyring) For(purpose string) (*Sealer, error) {
	s := &Sealer{ids: k.ids}
	for _, secret := range k.secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "seal "+purpose, KeyBytes)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.with = append(s.with, aead)
	}
	return s, nil
}

// Seal returns plain sealed for a place: it opens at no other.
func (s *Sealer) Seal(place string, plain []byte) []byte {
	out := make([]byte, 0, len(plain)+Overhead)
	out = append(append(out, version), s.ids[0][:]...)
	return s.with[0].Seal(out, nil, plain, []byte(place)) //nolint:gosec // this AEAD makes a nonce by itself
}

// Open returns what was sealed for a place, or ErrSealed.
func (s *Sealer) Open(place string, sealed []byte) ([]byte, error) {
	i := s.keyOf(sealed)
	if i < 0 {
		return nil, ErrSealed
	}
	plain, err := s.with[i].Open(nil, nil, sealed[1+idBytes:], []byte(place))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Fresh reports whether something was sealed under the key that seals now. It says nothing about
// whether it opens.
func (s *Sealer) Fresh(sealed []byte) bool { return s.keyOf(sealed) == 0 }

// keyOf is the index of the key that something claims to be sealed under, or -1.
func (s *Sealer) keyOf(sealed []byte) int {
	if len(sealed) < Overhead || sealed[0] != version {
		return -1
	}
	for i, id := range s.ids {
		if id == [idBytes]byte(sealed[1:1+idBytes]) {
			return i
		}
	}
	return -1
}

// SealText is Seal for what travels in cookies and addresses: of the characters [A-Za-z0-9_-].
func (s *Sealer) SealText(place string, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.Seal(place, plain))
}

// OpenText opens what SealText sealed, or returns ErrSealed.
func (s *Sealer) OpenText(place, sealed string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || strings.ContainsAny(sealed, "\r\n") { // which the decoder leaves out
		return nil, ErrSealed
	}
	return s.Open(place, b)
}
