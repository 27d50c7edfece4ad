package event

import (
	"strconv"
	"strings"
)

// Position is an event's place in a store: opaque to clients, ordered as strings are
// within one epoch of the store, and never reused. The empty Position is before the
// first event.
//
// It is written "<epoch>-<sequence as 16 hexadecimal digits>". The epoch is
// made at random when a store is created, so that a cursor of another store, or of
// one that was emptied, is recognised.
type Position string

// NewPosition returns the position of a sequence number, which begins at 1.
func NewPosition(epoch string, seq uint64) Position {
	b := make([]byte, 0, 64) // on the stack: an epoch has 8 to 16 characters
	b = append(append(b, epoch...), '-')
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[seq>>shift&15])
	}
	return Position(b)
}

// Epoch returns the part that names the store, or "" for an ill-formed position.
func (p Position) Epoch() string {
	epoch, _, _ := p.split()
	return epoch
}

// Seq returns the sequence number and whether the position is well-formed.
func (p Position) Seq() (uint64, bool) {
	_, seq, ok := p.split()
	return seq, ok
}

func (p Position) split() (string, uint64, bool) {
	i := strings.LastIndexByte(string(p), '-')
	if i <= 0 || len(p)-i-1 != 16 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(string(p[i+1:]), 16, 64)
	if err != nil {
		return "", 0, false
	}
	return string(p[:i]), seq, true
}
