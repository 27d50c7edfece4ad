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

// publish stores the event, trying again while that may help and time is left. A
// sender who hangs up does not stop it: what was verified is stored all the same, and
// the sender's next delivery is the duplicate.
func (rc *Receiver) publish(v *visit, start time.Time, e *event.Event) Outcome {
	ctx, cancel := context.WithTimeout(context.Background(), rc.opt.PublishTimeout)
	defer cancel()
	if v.endpoint.lookBack && rc.kept(ctx, e.Source, e.ID) || rc.filledBefore(ctx, e) {
		return Duplicate
	}
	var err error
	backoff := wait.Backoff{First: firstPause, Most: rc.opt.PublishTimeout}
	for {
		v.Tries++
		var receipt queue.Receipt
		if receipt, err = rc.opt.Publisher.Publish(ctx, *e); err == nil {
			v.Publish = time.Since(start)
			if receipt.Duplicate {
				return Duplicate
			}
			return Accepted
		}
		if v.Tries >= rc.opt.PublishTries || !passing(err) || backoff.Sleep(ctx) != nil {
			break
		}
	}
	v.Publish = time.Since(start)
	switch {
	case errors.Is(err, queue.ErrFull):
		return Full
	case errors.Is(err, queue.ErrClosed):
		return v.end(Unavailable, "closed")
	case errors.Is(err, context.DeadlineExceeded):
		return v.end(Unavailable, "timeout")
	}
	return v.end(Unavailable, "store")
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

// late is how old a message is whose delivery may come after its gap was filled.
const late = time.Minute

// filledBefore reports whether a message that comes late was read from the channel's
// history meanwhile: then it is stored, under another id.
func (rc *Receiver) filledBefore(ctx context.Context, e *event.Event) bool {
	if e.Source != event.SourceSlack || e.Kind.Type != "message" && e.Kind.Type != "app_mention" ||
		e.At.IsZero() || e.ReceivedAt.Sub(e.At) < late && e.Retry.Num == 0 {
		return false
	}
	return rc.kept(ctx, e.Source, event.FilledID(e.Kind.Type, e.Channel, event.TS(e.At)))
}

// passing reports whether another try within the next second may succeed.
func passing(err error) bool {
	return !errors.Is(err, queue.ErrFull) && !errors.Is(err, queue.ErrClosed) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}
