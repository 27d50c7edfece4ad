package redis

import (
	"errors"
	"fmt"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/webhook/event"
)

// errReply says that a script's answer has not the form that it is written to have:
// the keys belong to another program, or to another version of this one.
var errReply = errors.New("answer of an unexpected form: do the keys of this topic belong to another program?")

// A reply reads a script's answer from the front; after a mismatch it returns zeros.
type reply struct {
	list []any
	err  error
}

func (r *reply) next() any {
	if len(r.list) == 0 {
		r.err = errReply
		return nil
	}
	v := r.list[0]
	r.list = r.list[1:]
	return v
}

func (r *reply) text() string {
	s, ok := r.next().(string)
	if !ok {
		r.err = errReply
	}
	return s
}

func (r *reply) number() int64 {
	n, ok := r.next().(int64)
	if !ok {
		r.err = errReply
	}
	return n
}

// sub returns an answer within the answer.
func (r *reply) sub() *reply {
	list, ok := r.next().([]any)
	if !ok {
		r.err = errReply
	}
	return &reply{list: list}
}

// bounds reads epoch, trimmed and last.
func (r *reply) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: r.text(), Trimmed: r.number(), Last: r.number()}
}

// event reads a record that stands at a sequence number.
func (r *reply) event(epoch string, seq int64) event.Event {
	rec := r.text()
	if r.err != nil {
		return event.Event{}
	}
	e, err := remote.DecodeRecord([]byte(rec))
	if err != nil {
		r.err = fmt.Errorf("event %d: %w", seq, err)
		return event.Event{}
	}
	e.Position = eventlog.Bounds{Epoch: epoch}.Position(seq)
	return e
}
