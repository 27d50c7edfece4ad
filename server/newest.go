package server

import (
	"context"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// newestPatience bounds how long a reader waits to learn how far other replicas are: a
// store that is away delays no reader longer, who then sees what this process has.
const newestPatience = 500 * time.Millisecond

// A newest finds the newest position of a store that other replicas publish to. Readers
// that ask at once share one question, which is asked after the last of them came.
type newest struct {
	store queue.Queue

	mu      sync.Mutex
	next    *question // what new readers join
	running bool
}

type question struct {
	answered chan struct{}
	position event.Position // "" when it was not learnt
}

// position returns the position of the newest event of any replica at a moment after the
// call began, or "" when that cannot be learnt in time.
func (n *newest) position(ctx context.Context) event.Position {
	n.mu.Lock()
	q := n.next
	if q == nil {
		q = &question{answered: make(chan struct{})}
		n.next = q
	}
	if !n.running {
		n.running = true
		go n.ask(context.WithoutCancel(ctx))
	}
	n.mu.Unlock()
	select {
	case <-q.answered:
		return q.position
	case <-ctx.Done():
		return ""
	}
}

// ask answers questions until there is none.
func (n *newest) ask(ctx context.Context) {
	for {
		n.mu.Lock()
		q := n.next
		n.next = nil
		n.running = q != nil
		n.mu.Unlock()
		if q == nil {
			return
		}
		one, cancel := context.WithTimeout(ctx, newestPatience)
		page, err := n.store.History(one, event.Query{Order: event.NewestFirst, Limit: 1})
		cancel()
		if err == nil && len(page.Events) > 0 {
			q.position = page.Events[0].Position
		}
		close(q.answered)
	}
}
