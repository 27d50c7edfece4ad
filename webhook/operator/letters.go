package operator

import (
	"context"
	"slices"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Letters choose dead letters of one group. Refs, Filter and DiedBefore are joined by "and".
type Letters struct {
	Group string
	// Refs are event ids, source:id, or positions; empty is any.
	Refs   []string
	Filter event.Filter
	// DiedBefore leaves out what died at or after an instant; zero is any.
	DiedBefore time.Time
	// All has to be set when nothing else chooses.
	All bool
	// DryRun changes nothing and counts what would be.
	DryRun bool
}

// Chooses reports whether the letters are chosen by more than their group.
func (l *Letters) Chooses() bool {
	return l.All || len(l.Refs) > 0 || !l.DiedBefore.IsZero() || chooses(l.Filter)
}

func chooses(f event.Filter) bool {
	return f.Source != "" || len(f.Patterns) > 0 || f.Team != "" || f.Channel != "" || f.User != "" || f.Thread != "" ||
		!f.Since.IsZero() || !f.Until.IsZero() || f.ExcludeSelf
}

// Match reports whether a letter is chosen.
func (l *Letters) Match(d *queue.DeadLetter) bool {
	return (len(l.Refs) == 0 || slices.ContainsFunc(l.Refs, func(ref string) bool { return refers(ref, &d.Event) })) &&
		(l.DiedBefore.IsZero() || d.DiedAt.Before(l.DiedBefore)) && l.Filter.Match(&d.Event)
}

// refers reports whether a person who wrote ref meant e.
func refers(ref string, e *event.Event) bool {
	return ref == e.ID || ref == string(e.Position) || ref == e.Source+":"+e.ID
}

// Redrive gives the chosen letters back to their group, page by page: those that were
// dead when it began. told, unless nil, hears of each page. It stops between two pages
// when ctx ends, with an *InterruptedError; what was redriven is out of the letters, so
// that the same call goes on with the rest.
func Redrive(ctx context.Context, s Store, l Letters, told func(Tally)) (Tally, error) {
	return changeLetters(ctx, s, l, s.Redrive, told)
}

// Drop removes the chosen letters for good, as Redrive gives them back.
func Drop(ctx context.Context, s Store, l Letters, told func(Tally)) (Tally, error) {
	return changeLetters(ctx, s, l, s.Drop, told)
}

func changeLetters(ctx context.Context, s Store, l Letters, do func(context.Context, string, ...event.Position) (int, error), told func(Tally)) (Tally, error) {
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
		do = rehearse
	}
	return walk(ctx, Tally{Of: group.Dead}, func(ctx context.Context, after event.Position) (page, error) {
		list, err := s.DeadLetters(ctx, l.Group, after, step)
		return l.page(list, stats.Newest), err
	}, func(ctx context.Context, at ...event.Position) (int, error) { return do(ctx, l.Group, at...) }, told)
}

// page is what is chosen of a list of letters. What was accepted after the work began
// is no part of it.
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

// rehearse stands in for what changes events.
func rehearse(_ context.Context, _ string, at ...event.Position) (int, error) { return len(at), nil }

// List returns chosen letters behind a position, at most limit, and behind which position
// there may be more; "" at the end.
func List(ctx context.Context, s Store, l Letters, after event.Position, limit int) ([]queue.DeadLetter, event.Position, error) {
	var found []queue.DeadLetter
	for {
		list, err := s.DeadLetters(ctx, l.Group, after, step)
		if err != nil {
			return found, after, err
		}
		for i := range list {
			if len(found) == limit {
				return found, after, nil
			}
			after = list[i].Event.Position
			if l.Match(&list[i]) {
				found = append(found, list[i])
			}
		}
		if len(list) < step {
			return found, "", nil
		}
	}
}
