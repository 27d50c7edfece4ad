package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/store/state"
)

// A Letter is an event that a receiver did not accept and is not sent any more. The
// event itself is in the log.
type Letter struct {
	EventID  string    `json:"event_id"`
	Cursor   string    `json:"cursor"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	DiedAt   time.Time `json:"died_at"`
}

// How many letters of a subscription are kept, and how long.
const (
	maxLetters = 100
	letterAge  = 7 * 24 * time.Hour
)

// keep stores a letter; the oldest makes room.
func (e *Engine) keep(ctx context.Context, s *Subscription, l Letter) error {
	prefix := letterKeys + s.ID + "/"
	kept, err := e.opt.State.List(ctx, prefix, "", maxLetters)
	if err != nil {
		return err
	}
	if len(kept) >= maxLetters {
		if err := e.opt.State.Delete(ctx, kept[0].Key, ""); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	_, err = put(ctx, e.opt.State, prefix+l.Cursor, l, state.Put{TTL: letterAge})
	return err
}

// letters lists what is kept, oldest event first.
func (e *Engine) letters(ctx context.Context, id string) ([]Letter, error) {
	entries, err := list(ctx, e.opt.State, letterKeys+id+"/")
	if err != nil {
		return nil, err
	}
	letters := make([]Letter, 0, len(entries))
	for _, entry := range entries {
		var l Letter
		if err := json.Unmarshal(entry.Value, &l); err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	return letters, nil
}
