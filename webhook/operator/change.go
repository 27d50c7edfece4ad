package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Letters choose dead letters of one group. Refs, Filter, Reason and DiedBefore are joined by "and".
type Letters struct {
	Group string
	// Refs are event ids, source:id, or positions; empty is any.
	Refs   []string
	Filter event.Filter
	// Reason is the whole reason for which a letter died; empty is any.
	Reason string
	// DiedBefore leaves out letters that became dead letters at this time or later; zero
	// leaves out none.
	DiedBefore time.Time
	// All has to be set when nothing else chooses.
	All bool
	// DryRun changes nothing, and counts the events that would be changed.
	DryRun bool
}

// Chooses reports whether the letters are chosen by more than their group.
func (l *Letters) Chooses() bool {
	return l.All || len(l.Refs) > 0 || !l.DiedBefore.IsZero() || l.Reason != "" || chooses(l.Filter)
}

func chooses(f event.Filter) bool {
	return f.Source != "" || len(f.Patterns) > 0 || f.Team != "" || f.Channel != "" || f.User != "" || f.Thread != "" ||
		!f.Since.IsZero() || !f.Until.IsZero() || f.ExcludeSelf
}

// Match reports whether a letter is chosen.
func (l *Letters) Match(d *queue.DeadLetter) bool {
	return (len(l.Refs) == 0 || slices.ContainsFunc(l.Refs, func(ref string) bool { return refers(ref, &d.Event) })) &&
		(l.Reason == "" || d.Reason == l.Reason) && (l.DiedBefore.IsZero() || d.DiedAt.Before(l.DiedBefore)) && l.Filter.Match(&d.Event)
}

// refers reports whether ref is a reference to e.
func refers(ref string, e *event.Event) bool {
	return ref == e.ID || ref == string(e.Position) || ref == e.Source+":"+e.ID
}

// Redrive gives the chosen letters back to their group, page by page: those that were
// dead when it began. onPage, unless nil, is called after each page. It stops between two pages
// when ctx ends, with an *InterruptedError; what was redriven is out of the letters, so
// that the same call goes on with the rest.
func Redrive(ctx context.Context, s Store, l Letters, onPage func(Tally)) (Tally, error) {
	return changeLetters(ctx, s, l, s.Redrive, onPage)
}

// Drop removes the chosen letters for good, as Redrive gives them back.
func Drop(ctx context.Context, s Store, l Letters, onPage func(Tally)) (Tally, error) {
	return changeLetters(ctx, s, l, s.Drop, onPage)
}

func changeLetters(ctx context.Context, s Store, l Letters, do func(context.Context, string, ...event.Position) (int, error), onPage func(Tally)) (Tally, error) {
	if !l.Chooses() {
		return Tally{}, errNothingChosen
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		return Tally{}, err
	}
	group, err := GroupOf(stats, l.Group)
	if err != nil {
		return Tally{}, err
	}
	if group.Dead == 0 {
		return Tally{}, nil
	}
	if l.DryRun {
		do = countOnly
	}
	return walk(ctx, Tally{Of: group.Dead}, func(ctx context.Context, after event.Position) (page, error) {
		list, err := s.DeadLetters(ctx, l.Group, queue.LetterQuery{After: after, Limit: step, NoBodies: true})
		return l.page(list, stats.Newest), err
	}, func(ctx context.Context, at ...event.Position) (int, error) { return do(ctx, l.Group, at...) }, onPage)
}

// page returns the chosen letters of a list. It leaves out events that were accepted after
// the work began.
func (l *Letters) page(list []queue.DeadLetter, newest event.Position) page {
	p := page{more: len(list) > 0}
	for i := range list {
		at := list[i].Event.Position
		if at > newest {
			p.more = false
			break
		}
		p.looked, p.next = p.looked+1, at
		if l.Match(&list[i]) {
			p.at = append(p.at, at)
		}
	}
	return p
}

// countOnly changes nothing: it takes the place of an operation in a dry run.
func countOnly(_ context.Context, _ string, at ...event.Position) (int, error) { return len(at), nil }

// Each calls use with the chosen letters behind a position, at most limit of them, and
// returns behind which position there may be more; "" at the end. It holds a page of them
// at a time, as use should.
func Each(ctx context.Context, s Store, l Letters, after event.Position, limit int, use func(*DeadLetter) error) (event.Position, error) {
	e := each{letters: l, after: after, left: limit, use: use}
	for more := true; more; {
		err := Hold(ctx, s, func() error {
			list, err := s.DeadLetters(ctx, l.Group, queue.LetterQuery{After: e.after, Limit: step})
			if err == nil {
				more, err = e.page(list)
			}
			return err
		})
		if err != nil {
			return e.after, err
		}
	}
	return e.after, nil
}

// each is an Each that runs.
type each struct {
	letters Letters
	after   event.Position // "" once all were looked at
	left    int            // of those that are wanted
	use     func(*DeadLetter) error
}

// page uses a page of letters, and reports whether to read another one.
func (e *each) page(list []queue.DeadLetter) (more bool, err error) {
	if len(list) == 0 {
		e.after = ""
		return false, nil
	}
	for i := range list {
		if e.left == 0 {
			return false, nil
		}
		e.after = list[i].Event.Position
		if !e.letters.Match(&list[i]) {
			continue
		}
		e.left--
		if err := e.use(&list[i]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// Events choose stored events. If Refs is set, the other fields are not used.
type Events struct {
	// Refs are event ids of Slack's, source:id, or positions.
	Refs []string
	// Filter and After choose a range: what the filter matches behind a position.
	Filter event.Filter
	After  event.Position
	// Through is the last position of the range; "" is the newest when the work begins.
	Through event.Position
	// All has to be set when nothing else chooses.
	All bool
	// DryRun changes nothing, and counts the events that would be changed.
	DryRun bool
}

// Chooses reports whether anything chooses the events.
func (e *Events) Chooses() bool {
	return e.All || len(e.Refs) > 0 || chooses(e.Filter) || e.After != "" || e.Through != ""
}

// Replay schedules the chosen events once more for a group, whatever became of them
// there, page by page. onPage, unless nil, is called after each page. It stops between two pages
// when ctx ends, with an *InterruptedError, whose tally's At continues as After.
func Replay(ctx context.Context, s Store, group string, e Events, onPage func(Tally)) (Tally, error) {
	stats, err := s.Stats(ctx)
	if err != nil {
		return Tally{}, err
	}
	if _, err := GroupOf(stats, group); err != nil {
		return Tally{}, err
	}
	change := s.Replay
	if e.DryRun {
		change = countOnly
	}
	do := func(ctx context.Context, at ...event.Position) (int, error) { return change(ctx, group, at...) }
	if len(e.Refs) > 0 {
		at, err := Resolve(ctx, s, e.Refs)
		if err != nil {
			return Tally{}, err
		}
		return walk(ctx, Tally{Of: int64(len(at))}, chunks(at), do, onPage)
	}
	if !e.Chooses() {
		return Tally{}, errNothingChosen
	}
	if stats.Newest == "" {
		return Tally{}, nil
	}
	if e.Through == "" || e.Through > stats.Newest {
		e.Through = stats.Newest
	}
	t := Tally{Of: between(stats, e), At: e.After}
	return walk(ctx, t, func(ctx context.Context, after event.Position) (page, error) {
		return rangePage(ctx, s, e, after)
	}, do, onPage)
}

// rangePage reads the next events of a range.
func rangePage(ctx context.Context, s Store, e Events, after event.Position) (page, error) {
	h, err := s.History(ctx, event.Query{Filter: e.Filter, After: after, Order: event.OldestFirst, Limit: step, ScanBudget: 20 * step, NoBodies: true})
	if err != nil {
		return page{}, err
	}
	p := page{next: h.Next, more: h.More && h.Next != "" && h.Next < e.Through, looked: distance(after, h.Next, len(h.Events))}
	for i := range h.Events {
		if at := h.Events[i].Position; at <= e.Through {
			p.at = append(p.at, at)
		}
	}
	return p, nil
}

// distance returns how many events lie between two cursors, or least if the cursors do not say.
func distance(after, next event.Position, least int) int {
	from, ok := after.Seq()
	to, okTo := next.Seq()
	if !ok || !okTo || to < from {
		return least
	}
	return int(to - from) //nolint:gosec // a page's length
}

// between is how many events a range holds at most.
func between(stats queue.Stats, e Events) int64 {
	return int64(distance(max(stats.Oldest, e.After), min(e.Through, stats.Newest), 0)) + 1
}

// chunks pages through known positions.
func chunks(at []event.Position) func(context.Context, event.Position) (page, error) {
	return func(context.Context, event.Position) (page, error) {
		n := min(step, len(at))
		p := page{at: at[:n], looked: n, more: n < len(at)}
		at = at[n:]
		return p, nil
	}
}

// Resolve finds the positions of events by their ids, source:id, or positions.
func Resolve(ctx context.Context, s Store, refs []string) ([]event.Position, error) {
	var at []event.Position
	for _, ref := range refs {
		if _, ok := event.Position(ref).Seq(); ok {
			at = append(at, event.Position(ref))
			continue
		}
		e, err := Find(ctx, s, ref, "")
		if err != nil {
			return nil, err
		}
		at = append(at, e.Position)
	}
	return at, nil
}

// Find returns the stored event that a reference means: an id of a source ("slack" when
// empty), or source:id.
func Find(ctx context.Context, s Store, ref, source string) (event.Event, error) {
	id := ref
	if source == "" {
		source = event.SourceSlack
		if before, after, ok := strings.Cut(ref, ":"); ok && before != "" && after != "" {
			source, id = before, after
		}
	}
	e, err := s.Get(ctx, source, id)
	if errors.Is(err, event.ErrNotFound) {
		return e, fmt.Errorf("event %s of %s: %w: events list shows the stored ones; one of another sender is written as source:id", id, source, err)
	}
	if err != nil {
		return e, fmt.Errorf("event %s of %s: %w", id, source, err)
	}
	return e, nil
}
