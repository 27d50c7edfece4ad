package ask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// MaxOpen is how many questions of one principal wait for their answers at most. Of those
// that are asked at the same moment a few more may.
const MaxOpen = 200

// ErrTooMany says that [MaxOpen] questions of the principal wait for their answers.
var ErrTooMany = errors.New("too many questions of this principal wait for their answers")

// An opening is what is kept of a question as long as it is open, so that a sweep and a count
// need not read its row.
type opening struct {
	Principal string    `json:"principal,omitempty"`
	Asked     time.Time `json:"asked,omitzero"`
	// Expires is when the row is to be looked at; a question that was extended is open longer.
	Expires time.Time `json:"expires,omitzero"`
}

// openedWithin is how long a mark may stand before its row is written.
const openedWithin = time.Minute

// mark keeps that a question is open.
func (q *Questions) mark(ctx context.Context, r *Row) error {
	raw, err := json.Marshal(opening{r.Principal, r.Asked, r.Expires})
	if err != nil {
		return err
	}
	_, err = q.o.State.Put(ctx, waiting+r.ID, raw, state.Put{TTL: q.life(r)})
	return err
}

// each passes every mark to f until f fails, and returns its error or the state's.
func (q *Questions) each(ctx context.Context, f func(id string, o opening) error) error {
	for after := ""; ; {
		list, err := q.o.State.List(ctx, waiting, after, 0)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			var o opening
			_ = json.Unmarshal(e.Value, &o) // one that cannot be read is due, and of no principal
			if err := f(strings.TrimPrefix(e.Key, waiting), o); err != nil {
				return err
			}
		}
		after = list[len(list)-1].Key
	}
}

// mayAsk returns [ErrTooMany] where a principal has to wait for answers before it asks again.
// What is asked for no principal is bounded by who asks it.
func (q *Questions) mayAsk(ctx context.Context, principal string) error {
	if principal == "" {
		return nil
	}
	n, now := 0, q.now()
	err := q.each(ctx, func(_ string, o opening) error {
		if o.Principal == principal && now.Before(o.Expires) {
			n++
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("count the open questions: %w", err)
	case n >= MaxOpen:
		return ErrTooMany
	}
	return nil
}

// Sweep ends the questions whose time is up, so that their messages say so. It reads the rows
// of those alone that are due. It returns the state's error.
func (q *Questions) Sweep(ctx context.Context) error {
	return q.each(ctx, func(id string, o opening) error {
		now := q.now()
		if now.Before(o.Expires) {
			return nil
		}
		r, err := q.Read(ctx, id)
		switch {
		case errors.Is(err, ErrNotKept):
			if now.Sub(o.Asked) >= openedWithin { // else its row may be about to be written
				q.closed(ctx, id)
			}
			return nil
		case err == nil && r.Status != Open:
			q.closed(ctx, id)
		}
		return err
	})
}

// closed forgets that a question was open. What cannot be forgotten now a sweep forgets, once
// the question's time is up.
func (q *Questions) closed(ctx context.Context, id string) {
	if err := q.o.State.Delete(ctx, waiting+id, ""); err != nil && !errors.Is(err, state.ErrNotFound) {
		q.log.LogAttrs(ctx, slog.LevelDebug, "a question that has ended still counts as open", slog.String("error", err.Error()))
	}
}

// discard ends a question whose post failed. Where it surely failed, nothing is kept of it.
func (q *Questions) discard(ctx context.Context, id string, failure error) error {
	if !unsent(failure) {
		_, _, err := q.end(ctx, id, func(r *Row) { r.Status = Withdrawn })
		return err
	}
	if err := q.o.State.Delete(ctx, Rows+id, ""); err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	q.closed(ctx, id)
	return nil
}

// unsent reports whether a post that failed has surely left no message.
func unsent(failure error) bool {
	fault, ok := errors.AsType[*slackapi.Error](failure)
	if !ok {
		return false
	}
	switch fault.Kind {
	case slackapi.NotFound, slackapi.NotInChannel, slackapi.MissingScope, slackapi.Auth, slackapi.Forbidden,
		slackapi.RateLimited, slackapi.InvalidArgument, slackapi.Conflict, slackapi.Unavailable, slackapi.Canceled:
		return true
	case slackapi.TooLarge, slackapi.Ambiguous, slackapi.Internal:
	}
	return false
}
