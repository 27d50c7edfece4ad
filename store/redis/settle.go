package redis

import (
	"context"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/remote"
)

// settling is the outcome of one attempt on its way.
type settling struct {
	group   string
	lease   lease
	outcome consume.Outcome
}

func newSettles(q *Store) *remote.Batcher[settling, struct{}] {
	return remote.NewBatcher(remote.BatchOptions[settling, struct{}]{Do: q.settle, MaxCount: maxBatch})
}

// settle records a batch, group by group: each group has its own keys.
func (q *Store) settle(list []settling) ([]struct{}, error) {
	ctx, cancel := context.WithTimeout(q.background(), callTimeout)
	defer cancel()
	args := map[string][]any{}
	for _, s := range list {
		kind := "retry"
		switch {
		case s.outcome.Done:
			kind = "done"
		case s.outcome.Dead:
			kind = "dead"
		case s.outcome.Postponed:
			kind = "postpone"
		}
		args[s.group] = append(args[s.group], s.lease.token, s.lease.seq, kind, s.outcome.Delay.Microseconds(), s.outcome.Reason)
	}
	for name, a := range args {
		gk := q.keys.group(name)
		keys := []string{q.keys.kept, q.keys.pins, gk.lease, gk.due, gk.retry, gk.dead, gk.died, gk.works}
		if _, err := q.evalInt(ctx, settleScript, keys, a...); err != nil {
			return nil, err
		}
	}
	return make([]struct{}, len(list)), nil
}
