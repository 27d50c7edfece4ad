package gaps

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"slackmcp/store/state"
)

// beatKey is where the processes of a store say that one of them is there.
const beatKey = "gaps/beat"

type life struct {
	At time.Time `json:"at"`
}

// beat says that the process is there.
func (l *Ledger) beat(ctx context.Context) {
	if err := l.tryBeat(ctx); err != nil && !errors.Is(err, state.ErrConflict) {
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the store does not take the sign of life", slog.Any("error", err))
	}
}

// tryBeat writes the sign of life. Where the last was longer ago than After, nobody was
// there in between: that is a gap.
func (l *Ledger) tryBeat(ctx context.Context) error {
	now := l.opt.Now().UTC()
	value, err := json.Marshal(life{now})
	if err != nil {
		return err
	}
	e, err := l.opt.State.Get(ctx, beatKey)
	if errors.Is(err, state.ErrNotFound) {
		_, err = l.opt.State.Put(ctx, beatKey, value, state.Put{IfAbsent: true})
		return err
	}
	if err != nil {
		return err
	}
	last := life{now}
	if err := json.Unmarshal(e.Value, &last); err != nil {
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the last sign of life cannot be read", slog.Any("error", err))
	}
	if now.Sub(last.At) > l.opt.After {
		// First the gap, then the word: whoever dies in between leaves it to be noticed.
		g, changed, err := l.record(ctx, newGap(Downtime, "", last.At, now, now))
		if err != nil {
			return err
		}
		if changed {
			l.tell(ctx, g)
		}
	}
	_, err = l.opt.State.Put(ctx, beatKey, value, state.Put{IfVersion: e.Version})
	return err // ErrConflict: another process has just said so
}
