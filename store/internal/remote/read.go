package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"slices"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Log is a log of numbered events, a network away. Errors that wrap
// queue.ErrUnavailable pass by themselves; all others do not.
type Log interface {
	// Start finds behind which sequence number a reader begins, and the bounds of the
	// log. A start that is not kept is an expiry error.
	Start(ctx context.Context, s queue.Start) (eventlog.Bounds, int64, error)
	// Read returns the events of a piece, and the bounds of the log at that moment. It
	// may return fewer, but none only when there are none, and no more than
	// event.MaxPageBytes of bodies and one body.
	Read(ctx context.Context, p Piece) (eventlog.Bounds, []event.Event, error)
	// Wait returns when the log may have something behind a sequence number, at the
	// latest after a short while.
	Wait(ctx context.Context, after int64)
}

// A Piece is a part of a log.
type Piece struct {
	// From and To are the sequence numbers with which it begins and ends; To is the lower one
	// when Back is set.
	From, To int64
	Back     bool
	// N is how many events there are at most.
	N int
	// NoBodies says that Raw is not needed; the events may have one all the same.
	NoBodies bool
}

// piece is how many events are read at a time; a backend may stop earlier.
const piece = 256

// seqOf returns the sequence number of an event that was read from the store.
func seqOf(e *event.Event) int64 {
	seq, _ := e.Position.Seq()
	return int64(seq) //nolint:gosec // the backends' numbers are below 2^53
}

// History reads one page. Between the pieces of a long page others may write.
func History(ctx context.Context, log Log, query event.Query) (event.Page, error) {
	b, floor, err := log.Start(ctx, queue.Start{Since: query.Filter.Since})
	if err != nil {
		return event.Page{}, err
	}
	b.Floor = floor
	return eventlog.Read(query, b, func(from int64, back bool) iter.Seq2[eventlog.Item, error] {
		return scan(ctx, log, query, b, from, back)
	})
}

// scan reads the log piece by piece, from one end of a query's range to the other.
func scan(ctx context.Context, log Log, query event.Query, b eventlog.Bounds, from int64, back bool) iter.Seq2[eventlog.Item, error] {
	bound, step := b.Last, int64(1)
	if back {
		bound, step = max(b.Trimmed, b.Floor)+1, -1
	}
	p := Piece{From: from, To: bound, Back: back, N: pieceFor(query), NoBodies: query.NoBodies && query.Filter.Text == nil}
	return func(yield func(eventlog.Item, error) bool) {
		for (bound-p.From)*step >= 0 {
			events, err := part(ctx, log, b, p)
			if err != nil {
				yield(eventlog.Item{}, err)
			}
			if len(events) == 0 || !yieldAll(events, yield) {
				return
			}
			p.From = seqOf(&events[len(events)-1]) + step
		}
	}
}

func yieldAll(events []event.Event, yield func(eventlog.Item, error) bool) bool {
	for i := range events {
		if !yield(eventlog.Item{Seq: seqOf(&events[i]), Event: &events[i]}, nil) {
			return false
		}
	}
	return true
}

// part reads a part of a query's range, which has to be there still.
func part(ctx context.Context, log Log, b eventlog.Bounds, p Piece) ([]event.Event, error) {
	now, events, err := log.Read(ctx, p)
	if err == nil && (now.Epoch != b.Epoch || !p.Back && now.Trimmed >= p.From) {
		return nil, now.Expired()
	}
	return events, err
}

// pieceFor is how many events to read at a time: no more than the page has when nearly
// every event is wanted.
func pieceFor(query event.Query) int {
	f := query.Filter
	if len(f.Patterns) > 0 || f.Sight != nil || f.Text != nil || f.Channel != "" || f.User != "" || f.Thread != "" || query.Limit <= 0 {
		return piece
	}
	return min(piece, query.Limit)
}

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")

// A tail is one reader that follows the log.
type tail struct {
	log    Log
	logger *slog.Logger
	fn     func(event.Event) error
	epoch  string
	at     int64 // the sequence of the last event that was delivered
	recent recent
	// since and until drop, of what was stored before the tail began, what was received
	// too early: the store's times are coarser.
	since time.Time
	until int64
}

// Tail calls fn with every event behind a start, until ctx is done (nil), fn fails (its
// error), or life is done (its cause).
func Tail(ctx, life context.Context, log Log, logger *slog.Logger, from queue.Start, fn func(event.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()

	t := &tail{log: log, logger: logger, fn: fn}
	if from.After == "" {
		t.since = from.Since
	}
	err := t.run(ctx, from)
	switch {
	case life.Err() != nil:
		return fmt.Errorf("tail: %w", context.Cause(life))
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// run follows until ctx is done or something ends it that no waiting cures.
func (t *tail) run(ctx context.Context, from queue.Start) error {
	outage := NewOutage(t.logger, "tail")
	for begun := false; ctx.Err() == nil; {
		var err error
		if !begun {
			var b eventlog.Bounds
			b, t.at, err = t.log.Start(ctx, from)
			t.epoch, t.until, begun = b.Epoch, b.Last, err == nil
		} else {
			err = t.step(ctx)
		}
		switch {
		case err == nil:
			outage.Over(ctx)
		case errors.Is(err, queue.ErrUnavailable):
			outage.Wait(ctx, err)
		default:
			if own, ok := errors.AsType[*handlerError](err); ok {
				return own.err
			}
			return fmt.Errorf("tail: %w", err)
		}
	}
	return nil
}

// handlerError marks what fn returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// step delivers what is next, or waits until there may be something.
func (t *tail) step(ctx context.Context) error {
	// The last event that was delivered is read again: when it is another one now, or
	// gone from the end, the server that answers is not in the state that it was in.
	b, events, err := t.log.Read(ctx, Piece{From: t.at, To: math.MaxInt64, N: piece})
	switch {
	case err != nil:
		return err
	case b.Epoch != t.epoch && t.epoch == "":
		t.epoch = b.Epoch // the store's first event
	case b.Epoch != t.epoch:
		t.emptied(ctx, b)
		return nil
	case t.at < b.Trimmed:
		return errors.Join(errOvertaken, b.Expired())
	case t.at > b.Last, !t.continues(events):
		return t.rejoin(ctx)
	}
	if len(events) > 0 && seqOf(&events[0]) == t.at {
		events = events[1:]
	}
	for i := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.deliver(events[i]); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		t.log.Wait(ctx, t.at)
	}
	return nil
}

func (t *tail) deliver(e event.Event) error {
	seq := seqOf(&e)
	if seq <= t.until && e.ReceivedAt.Before(t.since) {
		t.at = seq
		return nil
	}
	t.until = 0
	if err := t.fn(e); err != nil {
		return &handlerError{err}
	}
	t.at = seq
	t.recent.add(eventlog.KeyOf(e.Source, e.ID), seq)
	return nil
}

// emptied begins again in a store that has another epoch than the one that was read.
func (t *tail) emptied(ctx context.Context, b eventlog.Bounds) {
	t.logger.LogAttrs(ctx, slog.LevelWarn, "the queue engine lost the events: its store was emptied or replaced",
		slog.String("epoch_before", t.epoch), slog.String("epoch", b.Epoch))
	t.epoch, t.at, t.recent = b.Epoch, b.Trimmed, recent{}
}

// continues reports whether events, which begin where the tail is, follow on what was
// delivered. What retention has removed cannot be compared, and need not be.
func (t *tail) continues(events []event.Event) bool {
	return len(events) == 0 || seqOf(&events[0]) != t.at || !t.recent.knows(t.at) ||
		t.recent.has(eventlog.KeyOf(events[0].Source, events[0].ID), t.at)
}

// rejoin goes back to the last event that both the log and this reader have, when the
// server that answers now lacks some that were read before. What was put in their places
// is delivered then.
func (t *tail) rejoin(ctx context.Context) error {
	common, err := t.common(ctx)
	if err != nil {
		return err
	}
	if common < t.at {
		t.logger.LogAttrs(ctx, slog.LevelWarn, "the queue engine lost events that were read before, by a failover or a crash",
			slog.Int64("back_to", common), slog.Int64("had_read", t.at))
		t.at = common
	}
	return nil
}

// common looks for that event from the end backwards.
func (t *tail) common(ctx context.Context) (int64, error) {
	from := t.at
	for {
		b, events, err := t.log.Read(ctx, Piece{From: from, To: t.recent.first(), Back: true, N: 64, NoBodies: true})
		if err != nil {
			return 0, err
		}
		if b.Epoch != t.epoch || t.at <= b.Trimmed {
			return t.at, nil // step sees to it
		}
		for i := range events {
			seq := seqOf(&events[i])
			if t.recent.has(eventlog.KeyOf(events[i].Source, events[i].ID), seq) {
				return seq, nil
			}
			from = seq - 1
		}
		if len(events) == 0 || from < t.recent.first() {
			return min(max(b.Trimmed, from), b.Last), nil
		}
	}
}

// maxRecent is how many delivered events a tail can recognise: more than a
// failover loses that deserves the name.
const maxRecent = 1024

// recent remembers the events that a tail delivered last, in order.
type recent struct {
	list []delivered
}

type delivered struct {
	seq int64
	key eventlog.Key
}

func (r *recent) add(key eventlog.Key, seq int64) {
	// After going back, what was delivered before from there on does not count.
	for len(r.list) > 0 && r.list[len(r.list)-1].seq >= seq {
		r.list = r.list[:len(r.list)-1]
	}
	if len(r.list) >= 2*maxRecent {
		r.list = slices.Delete(r.list, 0, maxRecent)
	}
	r.list = append(r.list, delivered{seq, key})
}

// knows reports whether an event was delivered at a sequence number.
func (r *recent) knows(seq int64) bool {
	n := len(r.list)
	return n > 0 && r.list[n-1].seq == seq
}

func (r *recent) has(key eventlog.Key, seq int64) bool {
	i, ok := slices.BinarySearchFunc(r.list, seq, func(d delivered, seq int64) int { return int(d.seq - seq) })
	return ok && r.list[i].key == key
}

// first is the lowest sequence number that is remembered; without any, it is so high
// that nothing is behind it.
func (r *recent) first() int64 {
	if len(r.list) == 0 {
		return 1 << 53
	}
	return r.list[0].seq
}
