// Package cursor writes the cursors that people get: sealed, so that neither a position nor the distance
// of two tells how much lies between them that the person may not see.
//
// A cursor opens for the sign-in that got it and for the question that it belongs to, and for nothing else.
// All are of one length, and no two are the same. Services get positions as they are.
package cursor

import (
	"encoding/base64"
	"strings"

	"slackmcp/webhook/event"
)

// Again is what somebody is told whose cursor does not open.
const Again = "it is none that you got for this question; start again without one"

// A Sealer seals for a place; it is a *[seal.Sealer] of a purpose of its own.
type Sealer interface {
	Seal(place string, plain []byte) []byte
	Open(place string, sealed []byte) ([]byte, error)
}

// maxPosition is how long a position is at most, and so how long the content of every cursor is.
const maxPosition = 40

// A Codec writes and reads the cursors of one sign-in and one question. The zero value is that of a service:
// a cursor is a position as it is.
type Codec struct {
	sealer Sealer
	place  string
}

// For returns the codec of a sign-in, by its id, and a question: whatever decides which events a reader
// looks at, such as the tool and its arguments.
func For(s Sealer, signIn string, question ...string) Codec {
	place := strings.Builder{}
	for _, part := range append([]string{"cursor", signIn}, question...) {
		place.WriteString(base64.RawURLEncoding.EncodeToString([]byte(part)) + ".") // no part runs into the next
	}
	return Codec{sealer: s, place: place.String()}
}

// Sealed reports whether the cursors are a person's.
func (c Codec) Sealed() bool { return c.sealer != nil }

// Write returns the cursor behind a position; of no position there is one too, which stands before all.
func (c Codec) Write(p event.Position) string {
	if c.sealer == nil {
		return string(p)
	}
	plain := make([]byte, maxPosition)
	if copy(plain, p) < len(p) {
		return "" // no store makes one so long
	}
	return base64.RawURLEncoding.EncodeToString(c.sealer.Seal(c.place, plain))
}

// Next returns the cursor behind which a list goes on; of no position none.
func (c Codec) Next(p event.Position) string {
	if p == "" {
		return ""
	}
	return c.Write(p)
}

// Read returns the position of a cursor, or false for one that another sign-in got, or for another question:
// its reader has to start again.
func (c Codec) Read(s string) (event.Position, bool) {
	if c.sealer == nil {
		return event.Position(s), true
	}
	sealed, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", false
	}
	plain, err := c.sealer.Open(c.place, sealed)
	if err != nil || len(plain) != maxPosition {
		return "", false
	}
	return event.Position(strings.TrimRight(string(plain), "\x00")), true
}
