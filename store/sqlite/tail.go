package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// What a Tail takes at a time.
const (
	tailEvents = 128
	tailBytes  = 4 << 20
)

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")

// Tail follows the log; see queue.Queue. A reader that keeps up is fed from memory.
func (q *Store) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if ctx.Err() != nil {
		return nil
	}
	leave, err := q.enter("tail")
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(q.life, func() { cancel(queue.ErrClosed) })() //nolint:contextcheck // Close ends the call, besides its own context

	at, err := q.start(ctx, from)
	if err == nil {
		err = q.follow(ctx, at, fn)
	}
	h, failed := errors.AsType[*handlerError](err)
	switch {
	case failed:
		return h.err
	case errors.Is(context.Cause(ctx), queue.ErrClosed):
		return fmt.Errorf("tail: %w", queue.ErrClosed)
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("tail: %w", err)
}

// A handlerError is what the function of a Tail returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// start finds where a Tail begins.
func (q *Store) start(ctx context.Context, from queue.Start) (at int64, err error) {
	if from.After != "" || from.Since.IsZero() {
		return locate(session{}, from, q.bounds()) // It reads nothing.
	}
	epoch := q.bounds().Epoch
	err = q.readers.use(ctx, func(s session) error {
		b, err := bounds(s, epoch)
		if err == nil {
			at, err = locate(s, from, b)
		}
		return err
	})
	return at, err
}

// follow calls fn with all events behind at. It returns an error always.
func (q *Store) follow(ctx context.Context, at int64, fn func(event.Event) error) error {
	buf := make([]event.Event, 0, tailEvents)
	for {
		list, changed, err := q.following(ctx, at, buf)
		if err != nil {
			return err
		}
		for i := range list {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(list[i]); err != nil {
				return &handlerError{err}
			}
		}
		at += int64(len(list))
		clear(buf[:cap(buf)])
		if changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// following returns the next events, from memory or from the file, or a channel to
// wait on.
func (q *Store) following(ctx context.Context, at int64, buf []event.Event) ([]event.Event, <-chan struct{}, error) {
	list, held, changed := q.feed.after(at, buf)
	if held {
		return list, changed, nil
	}
	list, err := q.readAfter(ctx, at, buf)
	if errors.Is(err, queue.ErrUnavailable) {
		// It is being repaired.
		return nil, nil, wait.Sleep(ctx, time.Second)
	}
	return list, nil, err
}

// readAfter reads the next events from the file.
func (q *Store) readAfter(ctx context.Context, at int64, buf []event.Event) ([]event.Event, error) {
	epoch := q.bounds().Epoch
	list := buf[:0]
	err := q.readers.use(ctx, func(s session) error {
		b, err := bounds(s, epoch)
		if err != nil {
			return err
		}
		if at < b.Trimmed {
			return errors.Join(errOvertaken, b.Expired())
		}
		size := 0
		return s.each(func(scan func(...any) error) error {
			var raw []byte
			seq, e, err := scanEvent(scan, &raw)
			if err != nil {
				return err
			}
			e.Raw, e.Position = raw, b.Position(seq)
			list = append(list, e)
			if size += len(raw); size >= tailBytes {
				return errStop
			}
			return nil
		}, "SELECT "+columns+", raw FROM events WHERE seq > ? ORDER BY seq LIMIT ?", at, cap(list))
	})
	return list, err
}

// A feed keeps the newest committed events in memory for the readers that follow them, so that
// one that keeps up never touches the file.
type feed struct {
	mu      sync.Mutex
	slots   []event.Event // the event seq is in slots[seq%feedEvents]
	low     int64         // the events low..last are held
	last    int64         // the newest committed event
	bytes   int
	changed chan struct{} // closed at the next commit; nil when no reader waits
}

// Bounds of a feed.
const (
	feedEvents = 1024
	feedBytes  = 4 << 20
)

func newFeed() *feed { return &feed{slots: make([]event.Event, feedEvents), low: 1} }

// restart forgets what is held; the log ends with last.
func (f *feed) restart(last int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.slots)
	f.low, f.last, f.bytes = last+1, last, 0
	f.announce()
}

// add takes in committed events, in order.
func (f *feed) add(list []event.Event) {
	if len(list) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range list {
		f.last++
		slot := &f.slots[f.last%feedEvents]
		if f.last-f.low >= feedEvents {
			f.drop()
		}
		*slot = list[i]
		f.bytes += len(list[i].Raw)
		for f.bytes > feedBytes && f.low < f.last {
			f.drop()
		}
	}
	f.announce()
}

// drop removes the oldest event. It requires f.mu.
func (f *feed) drop() {
	slot := &f.slots[f.low%feedEvents]
	f.bytes -= len(slot.Raw)
	*slot = event.Event{}
	f.low++
}

// announce wakes the readers that wait. It requires f.mu.
func (f *feed) announce() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// get returns one event if it is held.
func (f *feed) get(seq int64) (event.Event, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq < f.low || seq > f.last {
		return event.Event{}, false
	}
	return f.slots[seq%feedEvents], true
}

// after appends up to cap(buf) events behind a sequence number. held is false when
// they have to be read from the file; without any there is a channel to wait on.
func (f *feed) after(seq int64, buf []event.Event) (list []event.Event, held bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq >= f.last {
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		return buf[:0], true, f.changed
	}
	if seq+1 < f.low {
		return buf[:0], false, nil
	}
	list = buf[:0]
	for seq++; seq <= f.last && len(list) < cap(buf); seq++ {
		list = append(list, f.slots[seq%feedEvents])
	}
	return list, true, nil
}
