package webhook

import (
	"context"
	"errors"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// firstPause is the pause before the second try of a publish.
const firstPause = 50 * time.Millisecond

// publish stores the event of a delivery and prepares the answer. It does not end when the
// sender hangs up: what was verified is stored all the same, and the sender's next delivery
// of it is the duplicate.
func (rc *Receiver) publish(v *delivery) (o Outcome, reason string) {
	start, e := time.Now(), &v.event
	e.ReceivedAt = rc.opt.Now()
	v.Kind, v.ID, v.Retry, v.At, v.Team = e.Kind, e.ID, e.Retry, e.At, e.Team
	ctx, cancel := context.WithTimeout(context.Background(), rc.opt.PublishTimeout)
	defer cancel()
	if v.endpoint.lookBack && rc.kept(ctx, e.Source, e.ID) || rc.filledBefore(ctx, e) {
		o = Duplicate
	} else {
		o, reason = rc.try(ctx, v)
		v.Publish = time.Since(start)
	}
	if o != Accepted && o != Duplicate {
		return o, reason
	}
	v.reply = v.endpoint.accepted
	if v.interactive {
		v.reply = rc.answer(v.began, e)
	}
	if v.onStored != nil && o == Accepted {
		v.onStored()
	}
	return o, ""
}

// try publishes the event, several times while that may help and time is left.
func (rc *Receiver) try(ctx context.Context, v *delivery) (o Outcome, reason string) {
	backoff := wait.Backoff{First: firstPause, Most: rc.opt.PublishTimeout}
	for {
		v.Tries++
		receipt, err := rc.opt.Publisher.Publish(ctx, v.event)
		switch {
		case err == nil && receipt.Duplicate:
			return Duplicate, ""
		case err == nil:
			return Accepted, ""
		case errors.Is(err, queue.ErrFull):
			return Full, ""
		case errors.Is(err, queue.ErrClosed):
			return Unavailable, "closed"
		case errors.Is(err, context.DeadlineExceeded):
			return Unavailable, "timeout"
		case errors.Is(err, context.Canceled), v.Tries >= rc.opt.PublishTries, backoff.Sleep(ctx) != nil:
			return Unavailable, "store"
		}
	}
}

// kept reports whether the store still has the event. Publish recognises a copy as
// long as it remembers ids, which may be shorter than it keeps events.
func (rc *Receiver) kept(ctx context.Context, source, id string) bool {
	store, ok := rc.opt.Publisher.(interface {
		Get(ctx context.Context, source, id string) (event.Event, error)
	})
	if !ok {
		return false
	}
	_, err := store.Get(ctx, source, id)
	return err == nil
}

// late is the age from which on a message may have been stored before its delivery comes,
// because its gap was filled.
const late = time.Minute

// filledBefore reports whether a message that comes late is already stored under another
// id, because it was read from the channel's history meanwhile.
func (rc *Receiver) filledBefore(ctx context.Context, e *event.Event) bool {
	if e.Source != event.SourceSlack || e.Kind.Type != "message" && e.Kind.Type != "app_mention" ||
		e.At.IsZero() || e.ReceivedAt.Sub(e.At) < late && e.Retry.Num == 0 {
		return false
	}
	return rc.kept(ctx, e.Source, event.FilledID(e.Kind.Type, e.Channel, event.TS(e.At)))
}
