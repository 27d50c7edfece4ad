package tools

import (
	"context"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

const (
	progressEvery = 10 * time.Second
)

type waitIn struct {
	eventFilter
	TimeoutSeconds int    `json:"timeout_seconds,omitempty" alias:"timeout" min:"1" max:"300" default:"25" doc:"How long to wait"`
	IncludeSelf    bool   `json:"include_self,omitempty" doc:"Also what our bot does"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" doc:"Most events: 20, detailed 5"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: longer texts, addresses, payloads"`
}

type waitOut struct {
	view.Mark
	Events     []view.Event `json:"events"`
	TimedOut   bool         `json:"timed_out"`
	NextCursor string       `json:"next_cursor" doc:"Pass as cursor to the next call; always set"`
	view.Legend
}

func (k *kit) waitForEvent(ctx context.Context, c *toolset.Call, in waitIn) (waitOut, error) {
	filter, err := k.filter(ctx, in.eventFilter)
	if err != nil {
		return waitOut{}, err
	}
	filter.ExcludeSelf = !in.IncludeSelf
	leave, err := k.waits.enter(ctx, c.Principal.Account())
	if err != nil {
		return waitOut{}, err
	}
	defer leave()
	q, since, err := k.waitFrom(ctx, in.Cursor, filter)
	if err != nil {
		return waitOut{}, err
	}
	q.Limit = rows(in.Limit, in.ResponseFormat, 20, 5)
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	w := wait{
		kit: k, call: c, progress: progress.C, began: time.Now(),
		events: event.Follow(k.log, q), since: since,
		timeout: time.Duration(in.TimeoutSeconds) * time.Second, format: in.ResponseFormat,
		pairs: view.NewPairs(k.log, filter),
	}
	defer w.events.Close()
	return w.run(ctx)
}

// waitFrom is what a wait reads: what is behind its cursor or, without one, what came in its channel or
// thread since our own last message there, else what comes from now on.
func (k *kit) waitFrom(ctx context.Context, cursor string, f event.Filter) (q event.Query, since time.Time, err error) {
	q.Filter = f
	if cursor != "" {
		q.After, err = position(k.log.Cursor(waitQuestion), cursor)
		return q, since, err
	}
	if since, err = k.ownLast(ctx, f); err != nil {
		return q, since, err
	}
	if since.IsZero() {
		q.After = k.log.Newest()
		return q, since, nil
	}
	q.Filter.Since = since.Add(-clockPatience)
	return q, since, nil
}

// A wait is one call that waits.
type wait struct {
	kit      *kit
	call     *toolset.Call
	progress <-chan time.Time
	began    time.Time
	events   *event.Follower
	since    time.Time // what happened until then, by Slack's clock, is left out
	timeout  time.Duration
	format   string
	pairs    *view.Pairs
}

// run reads what is there and then waits for more. What it has read lies before the
// cursor that it returns, and nothing else does.
func (w *wait) run(ctx context.Context) (waitOut, error) {
	timeout := time.NewTimer(w.timeout)
	defer timeout.Stop()
	for {
		rows, legend, err := w.read(ctx)
		if err != nil {
			return waitOut{}, err
		}
		if len(rows) > 0 {
			out := w.out(rows)
			out.Legend = legend
			return out, nil
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

// read shows what there is.
func (w *wait) read(ctx context.Context) (rows []view.Event, legend view.Legend, err error) {
	from := w.events.Position()
	err = w.kit.Judge.Read(ctx, func(r *view.Reading) error {
		rows = nil
		w.events.Seek(from)
		err := w.events.Read(ctx, func(page event.Page) error {
			for i := range page.Events {
				if e := &page.Events[i]; w.since.IsZero() || e.At.After(w.since) {
					w.pairs.Add(e, w.kit.row(r, e, w.format))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		shown, err := w.pairs.Resolve(ctx)
		rows = w.fitting(r, shown)
		legend = r.Legend(rows)
		return err
	})
	return rows, legend, err
}

// fitting are the events for which a result has room; the next call goes on with the others.
func (w *wait) fitting(r *view.Reading, shown []view.Row) (rows []view.Event) {
	s := newSheet(false)
	s.budget.Naming(r)
	for i := range shown {
		if shown[i].Second {
			continue
		}
		if !s.takes(&shown[i].Event, w.format) {
			w.events.Seek(shown[i-1].At)
			break
		}
		rows = append(rows, shown[i].Event)
	}
	return rows
}

// pause waits until there may be something to read, and reports false when the time is
// up.
func (w *wait) pause(ctx context.Context, timeout <-chan time.Time) (again bool, err error) {
	for {
		select {
		case <-w.events.Ready():
			return true, nil
		case <-w.progress:
			w.call.Progress(time.Since(w.began).Seconds(), w.timeout.Seconds(), "waiting for an event")
		case <-timeout:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (w *wait) out(rows []view.Event) waitOut {
	out := waitOut{Events: rows, TimedOut: len(rows) == 0, NextCursor: placeAt(w.kit.log.Cursor(waitQuestion), w.events.Position())}
	if out.TimedOut {
		out.Events = []view.Event{}
	}
	return out
}

// A waitLimit bounds the waits that are open at once.
type waitLimit struct {
	limit int
	share int // of them that one principal may hold
	// refused is called for each refusal; nil is not called.
	refused func(context.Context, access.Bound)

	mu    sync.Mutex
	total int
	held  map[string]int // principal -> open waits; guarded by mu, as is total
}

func newWaitLimit(limit, percent int, refused func(context.Context, access.Bound)) *waitLimit {
	return &waitLimit{limit: limit, share: max(1, limit*percent/100), refused: refused, held: map[string]int{}}
}

// enter takes a place, which leave gives back.
func (l *waitLimit) enter(ctx context.Context, principal string) (leave func(), err error) {
	b := access.Bound{Of: "waits", Most: int64(l.limit)}
	l.mu.Lock()
	full := l.total >= l.limit
	// Callers that do not authenticate share all there is.
	if principal != "" && l.held[principal] >= l.share {
		full, b.Share, b.Most = true, true, int64(l.share)
	}
	if !full {
		l.total++
		l.held[principal]++
	}
	l.mu.Unlock()
	if !full {
		return func() { l.leave(principal) }, nil
	}
	if l.refused != nil {
		l.refused(ctx, b)
	}
	return nil, fault(b.Code() + ": as many calls are waiting for events as the server allows. Let one end, or use slack_list_events with a cursor.")
}

func (l *waitLimit) leave(principal string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.held[principal]--; l.held[principal] == 0 {
		delete(l.held, principal)
	}
}
