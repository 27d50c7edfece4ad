package nats

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// trimmed is up to where retention has removed the log.
func (b *board) trimmed() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Trimmed
}

// logState returns the log's record and its revision.
func (b *board) logState() (logRecord, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log, b.logRev
}

// names lists the registered groups.
func (b *board) names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, g := range b.groups {
		if g.rev > 0 {
			list = append(list, g.rec.Name)
		}
	}
	slices.Sort(list)
	return list
}

// record returns a group's record and its revision; 0 means that there is no such group.
func (b *board) record(name string) (groupRecord, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[escape(name)]
	if g == nil {
		return groupRecord{}, 0
	}
	r := g.rec
	r.Took = slices.Clone(r.Took)
	return r, g.rev
}

// item returns what a group knows of an event.
func (b *board) item(name string, seq int64) (item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[escape(name)]; g != nil {
		if i := g.items[seq]; i != nil {
			return *i, true
		}
	}
	return item{}, false
}

// A numbered is an item with its event's sequence number.
type numbered struct {
	seq int64
	item
}

// list returns a group's items of one state, by sequence number.
func (b *board) list(name, state string) []numbered {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []numbered
	if g := b.groups[escape(name)]; g != nil {
		for seq, i := range g.items {
			if i.State == state {
				out = append(out, numbered{seq, *i})
			}
		}
	}
	slices.SortFunc(out, func(a, b numbered) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

// claimable returns at most n items of a group that may be tried now: those that are due,
// and those whose lease has ended. now is by the server's clock.
func (b *board) claimable(name string, n int, now time.Time, lease time.Duration) []numbered {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[escape(name)]
	if g == nil {
		return nil
	}
	var out []numbered
	for seq, i := range g.items {
		if len(out) < n && g.count[leased] > 0 && i.State == leased && time.Since(i.observed) >= lease {
			out = append(out, numbered{seq, *i})
		}
	}
	var kept []dueItem
	for len(out) < n {
		seq, i := g.next()
		if i == nil || i.At > now.UnixMicro() {
			break
		}
		out = append(out, numbered{seq, *i})
		kept = append(kept, g.due[0])
		g.due.popFirst()
	}
	for _, d := range kept {
		g.due.put(d) // until the claim has changed it
	}
	return out
}

// until is how long to wait until something may be claimable, at most most.
func (b *board) until(name string, now time.Time, lease, most time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[escape(name)]
	if g == nil {
		return most
	}
	if _, i := g.next(); i != nil {
		most = min(most, time.UnixMicro(i.At).Sub(now))
	}
	if g.count[leased] > 0 {
		for _, i := range g.items {
			if i.State == leased {
				most = min(most, lease-time.Since(i.observed))
			}
		}
	}
	return max(most, 0)
}

// changes returns a channel that is closed at the next change.
func (b *board) changes() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// pinned returns the sequence numbers, ascending, of which some group has an item.
func (b *board) pinned() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	set := map[int64]struct{}{}
	for _, g := range b.groups {
		for seq := range g.items {
			set[seq] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// onlyDead returns the groups, if all that have an item of an event have a dead letter.
func (b *board) onlyDead(seq int64) ([]string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, g := range b.groups {
		if i := g.items[seq]; i != nil {
			if i.State != buried {
				return nil, false
			}
			out = append(out, g.rec.Name)
		}
	}
	return out, len(out) > 0
}

// counts returns a group's items by state, and the oldest that waits: its sequence number
// and when it was received.
func (b *board) counts(name string) (retry, lease, dead int64, oldest int64, received time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[escape(name)]
	if g == nil {
		return 0, 0, 0, 0, time.Time{}
	}
	for seq, i := range g.items {
		if i.State != buried && (oldest == 0 || seq < oldest) {
			oldest, received = seq, time.UnixMicro(i.Received)
		}
	}
	return int64(g.count[retrying]), int64(g.count[leased]), int64(g.count[buried]), oldest, received
}

// firstDue is when the first item of a group was or will be due; zero is never.
func (b *board) firstDue(name string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[escape(name)]; g != nil {
		if _, i := g.next(); i != nil {
			return time.UnixMicro(i.At)
		}
	}
	return time.Time{}
}
