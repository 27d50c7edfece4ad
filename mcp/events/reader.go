package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/view"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

// CursorStart is the cursor that stands before the first event of the log: where reading
// begins while there is none, and where it begins again after a loss.
const CursorStart = notify.CursorStart

// A Reader reads the events that selections ask for, in the order of the log. It is
// safe for concurrent use.
type Reader struct {
	events  *sight.Events
	judgeOf func(context.Context) (*view.Judge, error)
	now     func() time.Time
}

// NewReader returns a reader of events. judgeOf returns who decides whose words the caller in a context is shown;
// nil is who decides for all.
func NewReader(e *sight.Events, judgeOf func(context.Context) (*view.Judge, error)) *Reader {
	return &Reader{events: e, judgeOf: judgeOf, now: time.Now}
}

// judge decides whose words a caller is shown of a selection.
func (r *Reader) judge(ctx context.Context, caller *access.Principal, s *Selection) (*view.Judge, error) {
	if r.judgeOf == nil {
		return s.judge, nil
	}
	return r.judgeOf(access.With(ctx, caller))
}

// A pen writes and reads the cursors that a caller is given for a selection: a service's as they are, a person's
// sealed.
type pen struct{ codec cursor.Codec }

func (r *Reader) pen(caller *access.Principal, s *Selection) pen {
	return pen{r.log(caller).Cursor("events", s.Name, string(s.Arguments))}
}

// write returns a cursor as it is shown.
func (p pen) write(at string) string {
	if !p.codec.Sealed() {
		return at
	}
	place, _ := position(at)
	return p.codec.Write(place)
}

// read returns a cursor that was shown; what is none of this caller's for this selection is none at all, behind
// which nothing can be read. The start is everybody's.
func (p pen) read(shown string) string {
	if !p.codec.Sealed() || shown == CursorStart {
		return shown
	}
	place, ok := p.codec.Read(shown)
	switch {
	case !ok:
		return ""
	case place == "":
		return CursorStart
	}
	return string(place)
}

// log is the events as a caller sees them.
func (r *Reader) log(caller *access.Principal) sight.Log {
	return r.events.For(sight.Of(caller)).Following()
}

// Now is the cursor behind the newest event.
func (r *Reader) Now(ctx context.Context, caller *access.Principal) (string, error) {
	return now(ctx, r.log(caller))
}

func now(ctx context.Context, log sight.Log) (string, error) {
	now := CursorStart
	err := log.Query(ctx, event.Query{Order: event.NewestFirst, Limit: 1, NoBodies: true}, func(page event.Page) error {
		if len(page.Events) > 0 {
			now = string(page.Events[0].Position)
		}
		return nil
	})
	// Who sees nothing of what was looked at begins at the end all the same, and not with the oldest event.
	if end := log.Newest(); err == nil && now == CursorStart && end != "" {
		now = string(end)
	}
	return now, err
}

// A Follower reads what a selection asks for from a cursor on, and says when there is
// more. It is used by one goroutine at a time, and has to be closed.
type Follower struct {
	*event.Follower
	reader    *Reader
	caller    *access.Principal
	log       sight.Log
	selection *Selection
	cursor    string
	// again is closed when it is time to look whether more is known of what the last page ended before; nil where
	// all was known.
	again chan struct{}
}

// lookAgain is how long a follower waits for what is not known yet.
const lookAgain = time.Second

// Ready implements [notify.Follower].
func (f *Follower) Ready() <-chan struct{} {
	if f.again != nil {
		return f.again
	}
	return f.Follower.Ready()
}

// followBytes bounds what a stream or a subscription reads at once: each keeps what it made
// of the events until its receiver took them.
const followBytes = 32 << 10

// Follow returns a follower of what a caller sees that begins behind a cursor and reads at most limit events at
// once, and no more behind the one with which their bodies reach maxBytes; 0 is
// event.MaxPageBytes.
func (r *Reader) Follow(caller *access.Principal, s *Selection, cursor string, limit, maxBytes int) *Follower {
	after, _ := position(cursor)
	log := r.log(caller)
	return &Follower{
		Follower: event.Follow(log, event.Query{Filter: s.filter, After: after, Limit: limit, MaxBytes: maxBytes}),
		reader:   r, caller: caller, log: log, selection: s, cursor: cursor,
	}
}

// Seek goes on behind a cursor.
func (f *Follower) Seek(cursor string) {
	after, _ := position(cursor)
	f.cursor = cursor
	f.Follower.Seek(after)
}

// A Batch is what a read found.
type Batch struct {
	// Occurrences follow one another as in the log.
	Occurrences []Occurrence
	// From is the cursor that the occurrences begin behind, Cursor the one behind all
	// that was looked at.
	From, Cursor string
	// More reports that there is something behind Cursor already.
	More bool
	// Truncated reports that something between the former cursor and From may have matched
	// and is not in the batch: it is kept no longer, or was received before since.
	Truncated bool
}

// Read returns what comes next, of events that were received at since or later (the zero
// time is ever). It looks at a bounded part of the log, so a batch may be empty and say
// that there is more. A cursor that is of no use any more is no error: the batch is empty
// and truncated, and its cursor is where the follower goes on.
func (f *Follower) Read(ctx context.Context, since time.Time) (Batch, error) {
	if _, known := position(f.cursor); !known {
		now, err := now(ctx, f.log)
		if err == nil {
			f.Seek(now)
		}
		return Batch{From: now, Cursor: now, Truncated: true}, err
	}
	judge, err := f.reader.judge(ctx, f.caller, f.selection)
	if err != nil {
		return Batch{}, err
	}
	var b Batch
	from, cursor := f.Position(), f.cursor
	f.again = nil
	err = judge.Read(ctx, func(r *view.Reading) error {
		f.cursor = cursor
		f.Follower.Seek(from)
		b = Batch{From: f.cursor}
		return f.Follower.Read(ctx, func(page event.Page) error {
			f.fill(r, &b, page, since)
			return nil
		})
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
		f.Seek(CursorStart)
		return Batch{From: CursorStart, Cursor: CursorStart, More: true, Truncated: true}, nil
	}
	if err != nil {
		return Batch{}, err
	}
	b.Cursor = f.cursor
	return b, nil
}

// fill makes a batch of a page.
func (f *Follower) fill(r *view.Reading, b *Batch, page event.Page, since time.Time) {
	b.More = page.More
	if page.Unjudged && !page.More && f.again == nil {
		again := make(chan struct{})
		time.AfterFunc(lookAgain, func() { close(again) })
		f.again = again
	}
	for i := range page.Events {
		o, ok := f.selection.occurrence(r, &page.Events[i])
		switch {
		case !ok:
		case page.Events[i].ReceivedAt.Before(since):
			// Events are kept as they were received, so the ones behind it are younger.
			b.Truncated, b.From, b.Occurrences = true, o.Cursor, nil
		default:
			o.still = f.still(&page.Events[i])
			b.Occurrences = append(b.Occurrences, o)
		}
	}
	if page.Next != "" {
		f.cursor = string(page.Next)
	}
}

// still returns what reports that a person may see an event still; nil for a service.
func (f *Follower) still(e *event.Event) func() bool {
	if _, person := f.caller.SignIn(); !person {
		return nil
	}
	kept := *e
	if kept.Raw = nil; visibility.NeedsBody(e) {
		kept.Raw = bytes.Clone(e.Raw)
	}
	return func() bool { return f.log.Verdict(&kept) == visibility.Visible }
}

// position reads a cursor, and reports whether it can be one of ours.
func position(cursor string) (event.Position, bool) {
	if cursor == CursorStart {
		return "", true
	}
	p := event.Position(cursor)
	_, ok := p.Seq()
	return p, ok
}

// A Source reads for webhook subscriptions what polls and streams read. It implements
// [notify.Source].
type Source struct {
	catalog *Catalog
	*Reader
}

// NewSource returns the source of a catalog's types.
func NewSource(c *Catalog, r *Reader) *Source { return &Source{catalog: c, Reader: r} }

// Follow implements [notify.Source].
func (s *Source) Follow(caller *access.Principal, name string, arguments []byte, cursor string, limit int) (notify.Follower, error) {
	sel, ok, err := s.catalog.Select(name, arguments)
	if err == nil && !ok {
		err = fmt.Errorf("event type %q is not part of this version", name)
	}
	if err != nil {
		return nil, err
	}
	return encoder{s.Reader.Follow(caller, sel, cursor, limit, followBytes)}, nil
}

// An encoder is a follower whose occurrences are written as they are posted.
type encoder struct{ *Follower }

// Read implements [notify.Follower].
func (e encoder) Read(ctx context.Context, since time.Time) (notify.Batch, error) {
	b, err := e.Follower.Read(ctx, since)
	pen := e.reader.pen(e.caller, e.selection)
	out := notify.Batch{From: b.From, Shown: pen.write(b.From), Cursor: b.Cursor, Truncated: b.Truncated}
	for _, o := range b.Occurrences {
		at := o.Cursor
		o.Cursor = pen.write(at)
		body, err := json.Marshal(o)
		if err != nil {
			return notify.Batch{}, fmt.Errorf("encode %s: %w", o.EventID, err)
		}
		out.Items = append(out.Items, notify.Item{ID: o.EventID, Body: body, Cursor: at})
	}
	return out, err
}
