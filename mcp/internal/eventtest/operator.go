package eventtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"slackmcp/mcp/tools"
	"slackmcp/webhook/event"
)

// An Operator is a queue with one group, which has given up every event of a log. It is
// safe for concurrent use.
type Operator struct {
	Log *Log
	// Reason is why the group gave up.
	Reason string

	mu      sync.Mutex
	settled map[event.Position]string // what became of a letter
}

// Group is the name of the one group.
const Group = "handlers"

// Groups counts.
func (o *Operator) Groups(ctx context.Context) ([]tools.GroupCounts, error) {
	list, _, err := o.DeadLetters(ctx, tools.LetterChoice{Group: Group}, "", 1000)
	return []tools.GroupCounts{{Name: Group, DeadLetters: int64(len(list)), Waiting: int64(len(o.settled)), OldestWaiting: time.Minute}}, err
}

// DeadLetters lists what is still dead.
func (o *Operator) DeadLetters(ctx context.Context, c tools.LetterChoice, after event.Position, limit int) ([]tools.DeadLetter, event.Position, error) {
	if c.Group != Group {
		return nil, "", tools.ErrNoGroup
	}
	page, err := o.Log.Query(ctx, event.Query{Order: event.OldestFirst, Filter: c.Filter, After: after, Limit: event.MaxLimit})
	if err != nil {
		return nil, "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []tools.DeadLetter
	for _, e := range page.Events {
		if o.settled[e.Position] != "" || len(c.IDs) > 0 && !slices.Contains(c.IDs, e.ID) {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].Event.Position, nil
		}
		list = append(list, tools.DeadLetter{Event: e, Attempts: 5, Reason: o.Reason, DiedAt: e.ReceivedAt})
	}
	return list, "", nil
}

// Redrive gives letters back.
func (o *Operator) Redrive(ctx context.Context, c tools.LetterChoice, told func(done, total int64)) (tools.Bulk, error) {
	return o.change(ctx, c, "redriven", told)
}

// Drop removes letters.
func (o *Operator) Drop(ctx context.Context, c tools.LetterChoice, told func(done, total int64)) (tools.Bulk, error) {
	return o.change(ctx, c, "dropped", told)
}

// Replay schedules events.
func (o *Operator) Replay(ctx context.Context, group string, c tools.EventChoice, told func(done, total int64)) (tools.Bulk, error) {
	return o.change(ctx, tools.LetterChoice{Group: group, IDs: c.IDs, Filter: c.Filter, All: c.All, DryRun: c.DryRun}, "replayed", told)
}

func (o *Operator) change(ctx context.Context, c tools.LetterChoice, what string, told func(done, total int64)) (tools.Bulk, error) {
	list, _, err := o.DeadLetters(ctx, c, "", 1000)
	if err != nil {
		return tools.Bulk{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled == nil {
		o.settled = map[event.Position]string{}
	}
	n := int64(len(list))
	for i := range list {
		if !c.DryRun {
			o.settled[list[i].Event.Position] = what
		}
		told(int64(i+1), n)
	}
	return tools.Bulk{Looked: n, Changed: n, Complete: true}, nil
}
