package tools_test

import (
	"context"
	"sync"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// deadGroup is the name of the one group of a deadStore.
const deadGroup = "handlers"

// A deadStore is a store with one group, which has given up every event of a log. It is
// safe for concurrent use.
type deadStore struct {
	operator.Store // nil: what the tools do not call
	*eventtest.Log
	reason string // why the group gave up

	mu      sync.Mutex
	settled map[event.Position]bool // letters that were redriven or dropped
}

func (s *deadStore) History(_ context.Context, q event.Query) (event.Page, error) {
	return s.Page(q)
}

func (s *deadStore) Get(_ context.Context, source, id string) (event.Event, error) {
	return s.Event(source, id)
}

func (s *deadStore) Stats(ctx context.Context) (queue.Stats, error) {
	dead, err := s.DeadLetters(ctx, deadGroup, queue.LetterQuery{Limit: 1000})
	s.mu.Lock()
	defer s.mu.Unlock()
	return queue.Stats{Newest: s.Newest(), Groups: []queue.GroupStats{
		{Name: deadGroup, Dead: int64(len(dead)), Waiting: int64(len(s.settled)), OldestWaiting: time.Now().Add(-time.Minute)},
	}}, err
}

func (s *deadStore) DeadLetters(_ context.Context, group string, q queue.LetterQuery) ([]queue.DeadLetter, error) {
	if group != deadGroup {
		return nil, queue.ErrNoGroup
	}
	page, err := s.Page(event.Query{Order: event.OldestFirst, After: q.After, Limit: event.MaxLimit})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []queue.DeadLetter
	for _, e := range page.Events {
		if !s.settled[e.Position] && len(list) < q.Normalize().Limit {
			list = append(list, queue.DeadLetter{Event: e, Attempts: 5, Reason: s.reason, DiedAt: e.ReceivedAt})
		}
	}
	return list, nil
}

func (s *deadStore) Redrive(ctx context.Context, group string, at ...event.Position) (int, error) {
	return s.Drop(ctx, group, at...)
}

func (s *deadStore) Drop(_ context.Context, _ string, at ...event.Position) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled == nil {
		s.settled = map[event.Position]bool{}
	}
	for _, p := range at {
		s.settled[p] = true
	}
	return len(at), nil
}

func (s *deadStore) Replay(_ context.Context, _ string, at ...event.Position) (int, error) {
	return len(at), nil
}
