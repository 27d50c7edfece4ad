package consume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"slackmcp/store/queue"
)

// What became of an attempt that the handler did not judge itself.
var (
	// ErrDeadline says that the handler returned after its deadline.
	ErrDeadline = errors.New("handler reached its deadline")
	// ErrCrashed says that the process ended while the handler ran.
	ErrCrashed = errors.New("process ended during the attempt")
	// ErrStopping is the cause of the context of a handler whose drain is over.
	ErrStopping = errors.New("consumer is stopping")
)

// Attempt calls h once and waits for it. It returns nil, the handler's error, or an error
// of its own for a panic and for a deadline that passed, whatever h returned then.
func Attempt(ctx context.Context, h queue.Handler, d queue.Delivery, deadline time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, ErrDeadline)
	defer cancel()
	err := guard(ctx, h, d)
	if errors.Is(context.Cause(ctx), ErrDeadline) {
		return errors.Join(ErrDeadline, err)
	}
	return err
}

func guard(ctx context.Context, h queue.Handler, d queue.Delivery) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handler panicked: %v", r)
		}
	}()
	return h(ctx, d)
}

// Drain returns the context for the handlers of a consumer: it outlives ctx by grace.
// The caller has to call the function when its handlers have returned.
func Drain(ctx context.Context, grace time.Duration) (context.Context, context.CancelCauseFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(ErrStopping)
		case <-out.Done():
		}
	})
	return out, func(cause error) {
		stop()
		cancel(cause)
	}
}

// An Outcome is how an attempt ended, ready to be recorded.
type Outcome struct {
	// Done says that the event is finished.
	Done bool
	// Dead sends it to the dead letters; otherwise it is due again after Delay.
	Dead  bool
	Delay time.Duration
	// Postponed says that no attempt was made: it is due again after Delay, uncounted.
	Postponed bool
	// Reason is the last error's text.
	Reason string
}

// Judge turns what Attempt returned into an outcome. An attempt that our own stopping cut
// short (ctx, the one from Drain, is done) is given back at once: it is counted, and it
// is not the event's fault.
func Judge(ctx context.Context, p queue.Policy, n int, err error) Outcome {
	if err == nil {
		return Outcome{Done: true}
	}
	reason := Reason(err)
	if ctx.Err() != nil && !queue.IsPermanent(err) {
		return Outcome{Reason: reason}
	}
	v := p.Next(n, err)
	return Outcome{Dead: v.Dead, Delay: v.Delay, Reason: reason}
}

// maxReason bounds what is stored of an error's text.
const maxReason = 500

// Reason is the text of err as it is stored beside the event: valid UTF-8 of at most
// 500 bytes.
func Reason(err error) string {
	s := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(s) <= maxReason {
		return s
	}
	cut := maxReason
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
