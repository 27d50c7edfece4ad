package slack

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/store/state"
)

// idleFor is how long a grant may be kept for somebody who is not signed in: they are between Slack and
// their client.
const idleFor = 30 * time.Minute

// Tidy lets go of the grants that nobody needs: of people who have no sign-in, and of an app that is no
// longer this server's. What they gave is revoked at Slack. signedIn says whether a person has a sign-in.
// What cannot be done now is left for the next time, and its last error returned.
func (s *Side) Tidy(ctx context.Context, signedIn func(context.Context, access.Person) (bool, error)) (released int, _ error) {
	var last error
	for after := ""; ; {
		page, err := s.rows.List(ctx, Prefix, after, 0)
		if err != nil {
			return released, unavailable(err)
		}
		if len(page) == 0 {
			return released, last
		}
		for _, e := range page {
			after = e.Key
			done, err := s.tidy(ctx, e, signedIn)
			if done {
				released++
			}
			if err != nil {
				last = err
			}
		}
	}
}

func (s *Side) tidy(ctx context.Context, e state.Entry, signedIn func(context.Context, access.Person) (bool, error)) (done bool, _ error) {
	var g grant
	if err := json.Unmarshal(e.Value, &g); err != nil || s.opt.Now().Sub(g.Checked) < idleFor || s.opt.Now().Before(g.Refreshing) {
		return false, nil //nolint:nilerr // a row that cannot be read is none
	}
	if s.key(g.Person) == e.Key {
		in, err := signedIn(ctx, g.Person)
		if err != nil || in {
			return false, err
		}
	}
	if err := s.revoke(ctx, g.Token, g.Refresh); err != nil {
		return false, unavailable(err)
	}
	err := s.rows.Delete(ctx, e.Key, e.Version)
	if err != nil && !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrConflict) {
		return false, unavailable(err)
	}
	return err == nil, nil
}
