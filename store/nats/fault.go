package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/queue"
)

// fault says what a failed call means to the queue's caller.
func (q *Store) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case q.life.Err() != nil:
		// Only Close ends the queue. The client's own "connection closed" also meets calls
		// that wait for an answer when a connection breaks that is then made anew.
		return queue.ErrClosed
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrNoGroup):
		return err
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, natsgo.ErrMaxPayload):
		return fmt.Errorf("nats: %w: raise max_payload in the server's configuration", err)
	case exhausted(err):
		return fmt.Errorf("%w: nats has reached a limit: %w", queue.ErrFull, err)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) {
		q.forget()
	}
	return fmt.Errorf("%w: nats: %w", queue.ErrUnavailable, err)
}

// exhausted reports whether a limit of the stream, the account or the disk is reached.
func exhausted(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return false
	}
	for _, s := range []string{"maximum messages exceeded", "maximum bytes exceeded", "insufficient", "resource limits exceeded", "insufficient storage"} {
		if strings.Contains(e.Description, s) {
			return true
		}
	}
	return false
}

// conflict reports whether a value was changed by somebody else meanwhile.
func conflict(err error) bool {
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyDeleted) {
		return true
	}
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
