package server

import (
	"context"
	"time"

	"slackmcp/server/web"
	"slackmcp/store/queue"
	"slackmcp/webhook/gaps"
)

// damage is what the store knows to be missing or unreadable. It waits for nothing.
func (w *watchedStore) damage() []queue.Damage {
	if s, ok := w.Queue.(interface{ Damage() []queue.Damage }); ok {
		return s.Damage()
	}
	return nil
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
	recorded := 0
	for {
		list := w.damage()
		for _, d := range list[min(recorded, len(list)):] {
			if d.Lost && !d.Since.IsZero() {
				l.Lost(d.Since, d.Until)
			}
		}
		recorded = len(list)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
