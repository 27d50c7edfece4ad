package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
)

// A Key stands for a source and an id. Two different pairs never share one in
// practice: it is half of a SHA-256, so that a sender cannot construct a collision.
type Key [16]byte

// KeyOf returns the key of a source and an id. The source's length is part of what is
// hashed, so that ("ab", "c") and ("a", "bc") differ.
func KeyOf(source, id string) Key {
	var stack [128]byte
	b := binary.AppendUvarint(stack[:0], uint64(len(source)))
	b = append(b, source...)
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return Key(sum[:16])
}
