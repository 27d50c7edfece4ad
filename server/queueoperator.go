package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/mcp/tools"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// queueOperator is the store as the admin tools work it.
type queueOperator struct{ store operator.Store }

var _ tools.Operator = queueOperator{}

// Groups implements tools.Operator.
func (o queueOperator) Groups(ctx context.Context) ([]tools.GroupCounts, error) {
	stats, err := o.store.Stats(ctx)
	var list []tools.GroupCounts
	for _, g := range stats.Groups {
		c := tools.GroupCounts{
			Name: g.Name, Waiting: g.Waiting, InFlight: g.InFlight, Retrying: g.Retrying, Done: g.Done,
			DeadLetters: g.Dead, Expired: g.Expired, Stalled: !g.StalledSince.IsZero(),
		}
		if !g.OldestWaiting.IsZero() {
			c.OldestWaiting = max(0, time.Since(g.OldestWaiting))
		}
		list = append(list, c)
	}
	return list, err
}

// DeadLetters implements tools.Operator.
func (o queueOperator) DeadLetters(ctx context.Context, c tools.LetterChoice, after event.Position, limit int) ([]tools.DeadLetter, event.Position, error) {
	found, next, err := operator.List(ctx, o.store, letters(c), after, limit)
	var list []tools.DeadLetter
	for i := range found {
		list = append(list, tools.DeadLetter{Event: found[i].Event, Attempts: found[i].Attempts, Reason: found[i].Reason, DiedAt: found[i].DiedAt})
	}
	return list, next, forTools(err)
}

// Redrive implements tools.Operator.
func (o queueOperator) Redrive(ctx context.Context, c tools.LetterChoice, told func(done, total int64)) (tools.Bulk, error) {
	return bulk(operator.Redrive(ctx, o.store, letters(c), tell(told)))
}

// Drop implements tools.Operator.
func (o queueOperator) Drop(ctx context.Context, c tools.LetterChoice, told func(done, total int64)) (tools.Bulk, error) {
	return bulk(operator.Drop(ctx, o.store, letters(c), tell(told)))
}

// Replay implements tools.Operator.
func (o queueOperator) Replay(ctx context.Context, group string, c tools.EventChoice, told func(done, total int64)) (tools.Bulk, error) {
	return bulk(operator.Replay(ctx, o.store, group, operator.Events{
		Refs: c.IDs, Filter: c.Filter, After: c.After, All: c.All, DryRun: c.DryRun,
	}, tell(told)))
}

func letters(c tools.LetterChoice) operator.Letters {
	return operator.Letters{Group: c.Group, Refs: c.IDs, Filter: c.Filter, All: c.All, DryRun: c.DryRun}
}

func tell(told func(done, total int64)) func(operator.Tally) {
	return func(t operator.Tally) { told(t.Looked, t.Of) }
}

// bulk is what long work came to. That its time was over is no error: the next call goes on.
func bulk(t operator.Tally, err error) (tools.Bulk, error) {
	b := tools.Bulk{Looked: t.Looked, Changed: t.Changed, Left: t.Left, Complete: err == nil, At: t.At}
	if _, stopped := errors.AsType[*operator.InterruptedError](err); stopped && errors.Is(err, context.DeadlineExceeded) && t.Looked > 0 {
		return b, nil
	}
	return b, forTools(err)
}

// forTools gives an error the identity that the tools know.
func forTools(err error) error {
	if errors.Is(err, queue.ErrNoGroup) {
		return fmt.Errorf("%w: %w", tools.ErrNoGroup, err)
	}
	return err
}
