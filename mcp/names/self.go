package names

import (
	"context"

	"slackmcp/slackapi"
)

// selfCache is who the token is. It does not change while the token stays the same.
type selfCache struct {
	turn  chan struct{} // capacity 1; made by newSelfCache
	known slackapi.Identity
	ok    bool
}

func newSelfCache() selfCache { return selfCache{turn: make(chan struct{}, 1)} }

// Self returns who the bot is, asked for once.
func (r *Resolver) Self(ctx context.Context) (slackapi.Identity, error) {
	select {
	case r.self.turn <- struct{}{}:
		defer func() { <-r.self.turn }()
	case <-ctx.Done():
		return slackapi.Identity{}, ctx.Err()
	}
	if r.self.ok {
		return r.self.known, nil
	}
	id, err := r.slack.AuthTest(ctx)
	if err != nil {
		return slackapi.Identity{}, err
	}
	r.self.known, r.self.ok = id, true
	return id, nil
}
