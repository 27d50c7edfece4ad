package tools

import (
	"context"
	"sync"
	"time"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

const (
	progressEvery = 10 * time.Second
	// waitShare is the part of all waits that one principal may hold.
	waitShare = 4
)

type waitIn struct {
	eventFilter
	TimeoutSeconds int    `json:"timeout_seconds,omitempty" alias:"timeout" min:"1" max:"300" default:"25" doc:"How long to wait"`
	IncludeSelf    bool   `json:"include_self,omitempty" doc:"Also wake for what our own bot causes"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" default:"20" doc:"Most events to return at once"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call: returns first what came since"`
}

type waitOut struct {
	Events     []view.Event `json:"events"`
	TimedOut   bool         `json:"timed_out"`
	NextCursor string       `json:"next_cursor" doc:"Pass as cursor to the next call; always set"`
}

func (k *kit) waitForEvent(ctx context.Context, c *toolset.Call, in waitIn) (waitOut, error) {
	filter, err := k.filter(ctx, in.eventFilter)
	if err != nil {
		return waitOut{}, err
	}
	filter.ExcludeSelf = !in.IncludeSelf
	leave, err := k.waits.enter(c.Principal.Name)
	if err != nil {
		return waitOut{}, err
	}
	defer leave()
	after, err := position(in.Cursor)
	if err != nil {
		return waitOut{}, err
	}
	if in.Cursor == "" {
		after = k.Events.Newest()
	}
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	w := wait{
		kit: k, call: c, progress: progress.C, began: time.Now(),
		events:  event.Follow(k.Events, event.Query{Filter: filter, After: after, Limit: in.Limit}),
		timeout: time.Duration(in.TimeoutSeconds) * time.Second, what: "an event",
	}
	defer w.events.Close()
	return w.run(ctx)
}

// A wait is one call that waits.
type wait struct {
	kit      *kit
	call     *toolset.Call
	progress <-chan time.Time
	began    time.Time
	events   *event.Follower
	timeout  time.Duration
	what     string // that is waited for
}

// run reads what is there and then waits for more. What it has read lies before the
// cursor that it returns, and nothing else does.
func (w *wait) run(ctx context.Context) (waitOut, error) {
	timeout := time.NewTimer(w.timeout)
	defer timeout.Stop()
	for {
		page, err := w.events.Read(ctx)
		if err != nil {
			return waitOut{}, err
		}
		if len(page.Events) > 0 {
			return w.out(page.Events), nil
		}
		again, err := w.pause(ctx, timeout.C)
		if err != nil {
			return waitOut{}, err
		}
		if !again {
			return w.out(nil), nil
		}
	}
}

// pause waits until there may be something to read, and reports false when the time is
// up.
func (w *wait) pause(ctx context.Context, timeout <-chan time.Time) (again bool, err error) {
	for {
		select {
		case <-w.events.Ready():
			return true, nil
		case <-w.progress:
			w.call.Progress(time.Since(w.began).Seconds(), w.timeout.Seconds(), "waiting for "+w.what)
		case <-timeout:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (w *wait) out(events []event.Event) waitOut {
	out := waitOut{Events: []view.Event{}, TimedOut: len(events) == 0, NextCursor: string(w.events.Position())}
	if out.NextCursor == "" {
		out.NextCursor = CursorStart
	}
	for i := range events {
		row, _ := w.kit.row(&events[i], concise)
		out.Events = append(out.Events, row)
	}
	return out
}

// A waitingRoom bounds the waits that are open at once.
type waitingRoom struct {
	limit int

	mu    sync.Mutex
	total int
	held  map[string]int // principal -> open waits; guarded by mu, as is total
}

func newWaitingRoom(limit int) *waitingRoom {
	return &waitingRoom{limit: limit, held: map[string]int{}}
}

// enter takes a place, which leave gives back.
func (r *waitingRoom) enter(principal string) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total >= r.limit || r.held[principal] >= max(1, r.limit/waitShare) {
		return nil, fault("too_many_waits: as many calls are waiting for events as the server allows. Let one end, or use slack_list_events with a cursor.")
	}
	r.total++
	r.held[principal]++
	return func() { r.leave(principal) }, nil
}

func (r *waitingRoom) leave(principal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total--
	if r.held[principal]--; r.held[principal] == 0 {
		delete(r.held, principal)
	}
}
