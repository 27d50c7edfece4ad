package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// killLoad is how many connections are busy when the server is killed.
const killLoad = 32

// kill runs a server under load, kills it again and again, and then looks for each
// event that was acknowledged.
func (o Options) kill(ctx context.Context, dir string) (Kills, error) {
	var k Kills
	var acked []string
	for k.Kills < o.Kills {
		o.Progress(fmt.Sprintf("kill %d of %d", k.Kills+1, o.Kills))
		s, err := start(ctx, o.Program, dir)
		if err != nil {
			return k, err
		}
		k.Restart = max(k.Restart, s.ready)
		//nolint:gosec // when to kill is no secret
		after := time.Duration(300+rand.IntN(1000)) * time.Millisecond
		timer := time.AfterFunc(after, s.kill)
		got := s.blast(ctx, killLoad)
		timer.Stop()
		s.kill()
		if err := errors.Join(ctx.Err(), got.refused); err != nil {
			return k, err
		}
		acked = append(acked, got.acked...)
		k.Unanswered += got.unanswered
		k.Kills++
	}
	k.Acknowledged = len(acked)
	o.Progress(fmt.Sprintf("looking for %d events", len(acked)))
	stored, err := stored(ctx, dir)
	if err != nil {
		return k, err
	}
	for _, id := range acked {
		switch n := stored[id]; {
		case n == 0:
			k.Lost++
		case n > 1:
			k.Twice++
		}
	}
	return k, nil
}

// stored opens the store that the server left and counts each id in it.
func stored(ctx context.Context, dir string) (_ map[string]int, err error) {
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	count := map[string]int{}
	for query := (event.Query{Order: event.OldestFirst, Limit: event.MaxLimit}); ; {
		page, err := q.History(ctx, query)
		if err != nil {
			return nil, err
		}
		for i := range page.Events {
			count[page.Events[i].ID]++
		}
		if !page.More {
			return count, nil
		}
		query.After = page.Next
	}
}
