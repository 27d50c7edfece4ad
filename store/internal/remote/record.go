package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"slackmcp/webhook/event"
)

// A record is an event as one run of bytes. It begins with its version, has the fields in a
// fixed order, each with its length before it, and ends with the body as it came. The
// Position is not part of it: the backend knows it better.

// The version is the first byte of a record; another one was written by a later program. A record
// without headers is of the first version, which every program reads.
const (
	version        = 1
	versionHeaders = 2
)

// ErrShort says that a record ends in the middle of a field: it is damaged, or only its
// beginning was read.
var ErrShort = errors.New("record is cut off")

// AppendRecord appends the record of e to b.
func AppendRecord(b []byte, e *event.Event) []byte {
	v := byte(version)
	if e.Headers != "" {
		v = versionHeaders
	}
	b = append(b, v, byte(e.Encoding), boolean(e.FromSelf))
	b = appendTime(b, e.At)
	b = appendTime(b, e.ReceivedAt)
	b = binary.AppendVarint(b, int64(e.Retry.Num))
	for _, s := range texts(e, v) {
		b = binary.AppendUvarint(b, uint64(len(*s)))
		b = append(b, *s...)
	}
	return append(b, e.Raw...)
}

// DecodeRecord reads a record. The event's Raw is the end of b, which must not change
// afterwards.
func DecodeRecord(b []byte) (event.Event, error) {
	if len(b) < 3 {
		return event.Event{}, ErrShort
	}
	if b[0] != version && b[0] != versionHeaders {
		return event.Event{}, fmt.Errorf("record has version %d, this program reads up to %d", b[0], versionHeaders)
	}
	var e event.Event
	e.Encoding, e.FromSelf = event.Encoding(b[1]), b[2] != 0
	r := recordReader{b: b[3:]}
	e.At = r.time()
	e.ReceivedAt = r.time()
	e.Retry.Num = int(r.varint())
	for _, s := range texts(&e, b[0]) {
		*s = r.text()
	}
	if r.err != nil {
		return event.Event{}, r.err
	}
	e.Raw = r.b
	return e, nil
}

// texts lists an event's text fields in the order of the record, which only ever grows
// with the version.
func texts(e *event.Event, v byte) []*string {
	list := []*string{
		&e.Source, &e.ID, &e.Kind.Type, &e.Kind.Subtype, &e.Team, &e.Channel, &e.ChannelType, &e.User, &e.Thread, &e.Retry.Reason,
	}
	if v == versionHeaders {
		list = append(list, (*string)(&e.Headers))
	}
	return list
}

func boolean(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// appendTime writes an instant as 0 for none, or 1 and its seconds and nanoseconds.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	b = append(b, 1)
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond())) //nolint:gosec // 0 to 999,999,999
}

// A recordReader takes fields off the front of b; after an error it returns zeros.
type recordReader struct {
	b   []byte
	err error
}

func (r *recordReader) time() time.Time {
	if r.err != nil || len(r.b) == 0 {
		r.fail()
		return time.Time{}
	}
	set := r.b[0] != 0
	r.b = r.b[1:]
	if !set {
		return time.Time{}
	}
	sec, nsec := r.varint(), r.uvarint()
	return time.Unix(sec, int64(min(nsec, 999_999_999))).UTC()
}

func (r *recordReader) varint() int64 {
	v, n := binary.Varint(r.b)
	return take(r, v, n)
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	return take(r, v, n)
}

func take[T any](r *recordReader, v T, n int) T {
	if r.err != nil || n <= 0 {
		r.fail()
		var zero T
		return zero
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) text() string {
	n := r.uvarint()
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *recordReader) fail() {
	if r.err == nil {
		r.err = ErrShort
	}
}
