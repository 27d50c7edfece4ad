package server

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slackmcp/server/web"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

// damage is what is known to be missing or unreadable. It waits for nothing.
func (w *watchedStore) damage() []queue.Damage {
	list := w.place.losses()
	if s, ok := w.Queue.(interface{ Damage() []queue.Damage }); ok {
		list = append(list, s.Damage()...)
	}
	return list
}

// A place is how far a store outside of this process has come, as this process has seen it: a
// database that was emptied, or was restored from an older copy, does not tell.
type place struct {
	began time.Time // when this process began, or an earlier one noted known

	mu     sync.Mutex
	known  event.Position
	past   []string // the epochs before that of known
	behind int      // how often in a row the store was behind known
	lost   []queue.Damage
}

// lossKept is how long a process says that a store outside has lost events.
const lossKept = 24 * time.Hour

// losses are those of the last day.
func (p *place) losses() []queue.Damage {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = slices.DeleteFunc(p.lost, func(d queue.Damage) bool { return time.Since(d.Until) > lossKept })
	return slices.Clone(p.lost)
}

// position is the newest one that is known.
func (p *place) position() event.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// stored takes in the position of an event that is stored. It reports a loss when the store
// has another epoch than before.
func (p *place) stored(at event.Position) (lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case at == "" || slices.Contains(p.past, at.Epoch()):
	case p.known == "", at.Epoch() == p.known.Epoch():
		p.known = max(p.known, at)
	default:
		p.lose(at, time.Time{})
		return true
	}
	return false
}

// newest takes in the newest event of the store, that was read when before was known. A store that is behind is asked once more before that is a loss: a reader
// may be served by a copy that is late.
func (p *place) newest(e *event.Event, before event.Position) (lost bool) {
	if before == "" || e.Position.Epoch() != before.Epoch() {
		return p.stored(e.Position)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Position >= before || p.known.Epoch() != before.Epoch() {
		p.behind = 0
		return false
	}
	if p.behind++; p.behind < 2 {
		return false
	}
	p.behind = 0
	p.lose(e.Position, e.ReceivedAt)
	return true
}

// emptied takes in the epoch of a store without events. Retention may have removed them all;
// then the epoch is that of before.
func (p *place) emptied(epoch string) (lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == "" || p.known.Epoch() == epoch {
		return false
	}
	p.lose("", time.Time{})
	return true
}

// lose notes that the store goes on at another position. It requires p.mu.
func (p *place) lose(at event.Position, since time.Time) {
	d := queue.Damage{
		What:   "the database was emptied, or an older copy or another one is in its place: events that were acknowledged may be gone",
		Remedy: "see who emptied or restored it; `events gaps fill` reads from Slack what is missing",
		Since:  cmp.Or(since, p.began), Until: time.Now(), Lost: true,
	}
	if at != "" && at.Epoch() == p.known.Epoch() {
		before, _ := p.known.Seq()
		now, _ := at.Seq()
		d.Events = int64(before - now) //nolint:gosec // A log is not that long.
	} else {
		p.past = append(p.past, p.known.Epoch())
	}
	p.known = at
	p.lost = append(p.lost, d)
}

// lookAt asks for the newest event, and compares it with what was known before.
func (w *watchedStore) lookAt(ctx context.Context) error {
	before := w.place.position()
	page, err := w.History(ctx, event.Query{Limit: 1, NoBodies: true})
	switch {
	case err != nil:
		return err
	case len(page.Events) > 0:
		w.sayLoss(w.place.newest(&page.Events[0], before))
	case before != "":
		stats, err := w.Stats(ctx)
		if err != nil {
			return err
		}
		w.sayLoss(w.place.emptied(stats.Epoch))
	}
	return nil
}

// sayLoss logs what the place has noticed.
func (w *watchedStore) sayLoss(lost bool) {
	if !lost {
		return
	}
	list := w.place.losses()
	d := list[len(list)-1]
	w.log.Error("the store has lost events", slog.String("what", d.What), slog.Int64("events", d.Events),
		slog.Time("since", d.Since), slog.Time("until", d.Until), slog.String("remedy", d.Remedy))
}

// unreadable is how many events cannot be read.
func (w *watchedStore) unreadable() (n int64) {
	for _, d := range w.damage() {
		if !d.Lost {
			n += d.Events
		}
	}
	return n
}

// damages is how many parts of the store are damaged, and not accepted.
func (w *watchedStore) damages() (n int) {
	for _, d := range w.damage() {
		if !d.Accepted {
			n++
		}
	}
	return n
}

// damaged is the problem that the store is damaged, until that is mended or accepted.
func (w *watchedStore) damaged() (p web.Problem) {
	for _, d := range w.damage() {
		if d.Accepted {
			continue
		}
		if p.What != "" {
			p.What += "; "
		}
		p.What, p.Remedy = p.What+d.What, d.Remedy
	}
	if p.What != "" {
		p.What = "the store is damaged: " + p.What
	}
	return p
}

// recordLosses records when events were received that the store has lost, until ctx ends.
func recordLosses(ctx context.Context, w *watchedStore, l *gaps.Ledger) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	recorded := map[time.Time]bool{}
	for {
		for _, d := range w.damage() {
			if d.Lost && !d.Since.IsZero() && !recorded[d.Until] {
				recorded[d.Until] = true
				l.Lost(d.Since, d.Until)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
