package nats

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/remote"
)

// A groupCache is a copy of the bucket of groups in this process: it follows every change,
// and has what this process changes itself at once. It decides nothing: each change is made
// in the bucket on condition that the revision is still the one that was seen.
type groupCache struct {
	kv     jetstream.KeyValue
	logger *slog.Logger
	fresh  chan struct{} // holds a token when the watch has to begin anew
	first  chan struct{} // closed once everything was read

	mu         sync.Mutex
	ended      bool
	log        logRecord
	logRev     uint64
	groups     map[string]*cachedGroup // by escaped name
	tombstones map[string]tombstone    // removed keys, which a late message must not bring back
	changed    chan struct{}           // closed at the next change
}

// A tombstone says up to which revision a key was removed, and when this process read it.
type tombstone struct {
	rev uint64
	at  time.Time
}

// A cachedGroup is what the cache has of one group.
type cachedGroup struct {
	rec   groupRecord
	rev   uint64 // 0 while only items were seen
	items map[int64]*item
	due   dues
	count map[string]int // state -> items
	// pulled is when due was looked through last.
	pulled time.Time
}

func newGroupCache(kv jetstream.KeyValue, logger *slog.Logger) *groupCache {
	return &groupCache{
		kv: kv, logger: logger, fresh: make(chan struct{}, 1), first: make(chan struct{}),
		groups: map[string]*cachedGroup{}, tombstones: map[string]tombstone{}, changed: make(chan struct{}),
	}
}

// run follows the bucket until ctx is done or stop was called.
func (c *groupCache) run(ctx context.Context) {
	outage := remote.NewOutage(c.logger, "watching groups")
	for ctx.Err() == nil && !c.stopped() {
		err := c.follow(ctx, outage)
		if err != nil && ctx.Err() == nil && !c.stopped() {
			outage.Wait(ctx, err)
		}
	}
}

func (c *groupCache) stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// stop ends the following.
func (c *groupCache) stop() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.restart()
}

// restart makes the cache read everything anew.
func (c *groupCache) restart() {
	select {
	case c.fresh <- struct{}{}:
	default:
	}
}

// loaded waits until everything was read once.
func (c *groupCache) loaded(ctx context.Context) error {
	select {
	case <-c.first:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errWatchEnded = errors.New("watch ended")

// follow reads everything and then each change, until it has to begin anew.
func (c *groupCache) follow(ctx context.Context, outage *remote.Outage) error {
	w, err := c.kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer w.Stop() //nolint:errcheck // what cannot be stopped is gone with its connection
	seen, last := map[string]bool{}, uint64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.fresh:
			return nil
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errWatchEnded
			case e != nil:
				if seen != nil {
					seen[e.Key()], last = true, max(last, e.Revision())
				}
				c.apply(ctx, e)
			case seen != nil:
				outage.Over(ctx)
				c.complete(seen, last)
				seen = nil
			}
		}
	}
}

// complete ends a first reading: what it did not have was removed while this process did not listen.
func (c *groupCache) complete(seen map[string]bool, last uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, g := range c.groups {
		if g.rev > 0 && g.rev <= last && !seen[groupPrefix+name] {
			delete(c.groups, name)
			continue
		}
		for seq, i := range g.items {
			if key := escapedWorkKey(name, seq); i.rev <= last && !seen[key] {
				g.remove(seq)
			}
		}
	}
	select {
	case <-c.first:
	default:
		close(c.first)
	}
	c.notify()
}

// apply takes over one change.
func (c *groupCache) apply(ctx context.Context, e jetstream.KeyValueEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Operation() != jetstream.KeyValuePut {
		c.setTombstone(e.Key(), e.Revision())
	} else if err := c.write(e.Key(), e.Value(), e.Revision()); err != nil {
		c.logger.LogAttrs(ctx, slog.LevelError, "a key of the queue's bucket cannot be read",
			slog.String("key", e.Key()), slog.Any("error", err))
	}
	c.notify()
}

// notify wakes the goroutines that wait for a change. Requires c.mu.
func (c *groupCache) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wrote takes over a change of this process, before the watch reports it.
func (c *groupCache) wrote(key string, value []byte, rev uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.write(key, value, rev) // this process made it: it can be read
	c.notify()
}

// removed notes that this process removed a key at a revision.
func (c *groupCache) removed(key string, rev uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setTombstone(key, rev)
	c.notify()
}

// maxTombstones is how many removed keys are remembered before old ones are forgotten.
const maxTombstones = 4096

// setTombstone removes a key from the cache up to a revision. A reading of it that was
// begun before may still come in for a while. Requires c.mu.
func (c *groupCache) setTombstone(key string, rev uint64) {
	if len(c.tombstones) >= maxTombstones {
		maps.DeleteFunc(c.tombstones, func(_ string, g tombstone) bool { return time.Since(g.at) > time.Minute })
	}
	c.tombstones[key] = tombstone{rev: max(rev, c.tombstones[key].rev), at: time.Now()}
	c.erase(key, rev)
}

// write requires c.mu.
func (c *groupCache) write(key string, value []byte, rev uint64) error {
	if rev <= c.tombstones[key].rev {
		return nil
	}
	switch {
	case key == logKey:
		if rev > c.logRev {
			c.logRev = rev
			return json.Unmarshal(value, &c.log)
		}
	case strings.HasPrefix(key, groupPrefix):
		g := c.group(key[len(groupPrefix):])
		if rev > g.rev {
			g.rec, g.rev = groupRecord{}, rev
			return json.Unmarshal(value, &g.rec)
		}
	case strings.HasPrefix(key, workPrefix):
		name, seq, ok := parseWorkKey(key)
		if !ok {
			return errors.New("ill-formed key")
		}
		i, _, err := decodeItem(value)
		if err != nil {
			return err
		}
		i.rev, i.observed = rev, time.Now()
		c.group(name).put(seq, &i)
	}
	return nil
}

// erase removes what is not newer than a revision. Requires c.mu.
func (c *groupCache) erase(key string, rev uint64) {
	switch {
	case key == logKey:
		if c.logRev <= rev {
			c.log, c.logRev = logRecord{}, 0
		}
	case strings.HasPrefix(key, groupPrefix):
		if g := c.groups[key[len(groupPrefix):]]; g != nil && g.rev <= rev {
			delete(c.groups, key[len(groupPrefix):]) // and all its items, which went with it
		}
	case strings.HasPrefix(key, workPrefix):
		name, seq, ok := parseWorkKey(key)
		if g := c.groups[name]; ok && g != nil && g.items[seq] != nil && g.items[seq].rev <= rev {
			g.remove(seq)
		}
	}
}

// group requires c.mu.
func (c *groupCache) group(name string) *cachedGroup {
	g := c.groups[name]
	if g == nil {
		g = &cachedGroup{items: map[int64]*item{}, count: map[string]int{}}
		c.groups[name] = g
	}
	return g
}

func (g *cachedGroup) put(seq int64, i *item) {
	if old := g.items[seq]; old != nil {
		if old.rev >= i.rev {
			return
		}
		g.count[old.State]--
	}
	g.items[seq] = i
	g.count[i.State]++
	if i.State == retrying {
		heap.Push(&g.due, dueItem{seq: seq, item: i, at: i.At})
	}
}

func (g *cachedGroup) remove(seq int64) {
	if i := g.items[seq]; i != nil {
		g.count[i.State]--
		delete(g.items, seq)
	}
}

// next returns the item that is due first, and leaves out what has changed since.
func (g *cachedGroup) next() (int64, *item) {
	for len(g.due) > 0 {
		d := g.due[0]
		if g.items[d.seq] == d.item {
			return d.seq, d.item
		}
		heap.Pop(&g.due)
	}
	return 0, nil
}

// dues is a heap of retrying items by their time; it may hold some that are not any more.
type dues []dueItem

type dueItem struct {
	seq  int64
	item *item
	at   int64 // the item's, unless that is too far away; see pull
}

// pullEvery is how often a group's schedule is looked through for what is too far away.
const pullEvery = 10 * time.Second

// pull makes what is scheduled for later than it can have been now due: it was scheduled before the clock
// was set back.
func (g *cachedGroup) pull(now time.Time, longest time.Duration) {
	if time.Since(g.pulled) < pullEvery {
		return
	}
	g.pulled = time.Now()
	far, changed := now.Add(longest).UnixMicro(), false
	for i := range g.due {
		if g.due[i].at > far {
			g.due[i].at, changed = now.UnixMicro(), true
		}
	}
	if changed {
		heap.Init(&g.due)
	}
}

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].at < d[j].at }
func (d dues) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push implements heap.Interface.
func (d *dues) Push(x any) { *d = append(*d, x.(dueItem)) }

// Pop implements heap.Interface.
func (d *dues) Pop() any {
	old := *d
	x := old[len(old)-1]
	old[len(old)-1] = dueItem{}
	*d = old[:len(old)-1]
	return x
}

// trimmed is up to where retention has removed the log.
func (c *groupCache) trimmed() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Trimmed
}

// logState returns the log's record and its revision.
func (c *groupCache) logState() (logRecord, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log, c.logRev
}

// names lists the registered groups.
func (c *groupCache) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, g := range c.groups {
		if g.rev > 0 {
			list = append(list, g.rec.Name)
		}
	}
	slices.Sort(list)
	return list
}

// record returns a group's record and its revision; 0 means that there is no such group.
func (c *groupCache) record(name string) (groupRecord, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[escape(name)]
	if g == nil {
		return groupRecord{}, 0
	}
	r := g.rec
	r.Took = slices.Clone(r.Took)
	return r, g.rev
}

// item returns what a group knows of an event.
func (c *groupCache) item(name string, seq int64) (item, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.groups[escape(name)]; g != nil {
		if i := g.items[seq]; i != nil {
			return *i, true
		}
	}
	return item{}, false
}

// A groupItem is an item with its event's sequence number.
type groupItem struct {
	seq int64
	item
}

// list returns a group's items of one state, by sequence number.
func (c *groupCache) list(name, state string) []groupItem {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []groupItem
	if g := c.groups[escape(name)]; g != nil {
		for seq, i := range g.items {
			if i.State == state {
				out = append(out, groupItem{seq, *i})
			}
		}
	}
	slices.SortFunc(out, func(x, y groupItem) int { return cmp.Compare(x.seq, y.seq) })
	return out
}

// claimable returns at most n items of a group that may be tried now: those that are due,
// and those whose lease has ended. now is by the server's clock.
func (c *groupCache) claimable(name string, n int, now time.Time, lease, longest time.Duration) []groupItem {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[escape(name)]
	if g == nil {
		return nil
	}
	var out []groupItem
	for seq, i := range g.items {
		if len(out) < n && g.count[leased] > 0 && i.State == leased && time.Since(i.observed) >= lease {
			out = append(out, groupItem{seq, *i})
		}
	}
	g.pull(now, longest)
	var kept []dueItem
	for len(out) < n {
		seq, i := g.next()
		if i == nil || g.due[0].at > now.UnixMicro() {
			break
		}
		out = append(out, groupItem{seq, *i})
		kept = append(kept, g.due[0])
		heap.Pop(&g.due)
	}
	for _, d := range kept {
		heap.Push(&g.due, d) // until the claim has changed it
	}
	return out
}

// until is how long to wait until something may be claimable, at most most.
func (c *groupCache) until(name string, now time.Time, lease, most, longest time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[escape(name)]
	if g == nil {
		return most
	}
	g.pull(now, longest)
	if _, i := g.next(); i != nil {
		most = min(most, time.UnixMicro(g.due[0].at).Sub(now))
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
func (c *groupCache) changes() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// pinned returns the sequence numbers, ascending, of which some group has an item.
func (c *groupCache) pinned() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := map[int64]struct{}{}
	for _, g := range c.groups {
		for seq := range g.items {
			set[seq] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// onlyDead returns the groups, if all that have an item of an event have a dead letter.
func (c *groupCache) onlyDead(seq int64) ([]string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, g := range c.groups {
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
func (c *groupCache) counts(name string) (retry, lease, dead int64, oldest int64, received time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[escape(name)]
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
func (c *groupCache) firstDue(name string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.groups[escape(name)]; g != nil {
		if _, i := g.next(); i != nil {
			return time.UnixMicro(i.At)
		}
	}
	return time.Time{}
}
