package names

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/slackapi"
)

// A book keeps entries by id, and finds ids by name, within a bound: when it is full
// the entry that was written first is dropped. Where it has none it may show those of another book. It is
// safe for concurrent use.
type book[T any] struct {
	limit  int
	nameOf func(T) string // its key; "" for an entry that has none
	loan   loan[T]

	mu     sync.Mutex
	byID   map[string]*line[T]
	byName map[string][]string // the ids of a name, in the order in which they got it
	order  []string            // ids as they were first written; some may be gone
	lost   atomic.Uint64       // how many entries were dropped because it was full
}

type line[T any] struct {
	value T
	at    time.Time
}

// A loan is what one book shows of another one.
type loan[T any] struct {
	from *book[T] // nil shows nothing
	// lend returns an entry as it is shown, and whether it is.
	lend func(v T, age time.Duration) (T, bool)
}

func newBook[T any](limit int, nameOf func(T) string) *book[T] {
	return &book[T]{limit: limit, nameOf: nameOf, byID: map[string]*line[T]{}, byName: map[string][]string{}}
}

func (b *book[T]) put(id string, v T, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.byID[id]; ok {
		b.forgetName(id, old.value)
	} else {
		for len(b.byID) >= b.limit {
			oldest := b.order[0]
			b.order = b.order[1:]
			if _, kept := b.byID[oldest]; kept {
				b.lost.Add(1)
			}
			b.drop(oldest)
		}
		b.order = append(b.order, id)
	}
	b.byID[id] = &line[T]{value: v, at: at}
	if name := b.nameOf(v); name != "" {
		b.byName[name] = append(b.byName[name], id)
	}
}

// size is how many entries the book keeps itself.
func (b *book[T]) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.byID)
}

// get returns an entry and how old it is, where there are two the newer one.
func (b *book[T]) get(id string, now time.Time) (v T, age time.Duration, ok bool) {
	b.mu.Lock()
	l, ok := b.byID[id]
	if ok {
		v, age = l.value, now.Sub(l.at)
	}
	b.mu.Unlock()
	if b.loan.from == nil {
		return v, age, ok
	}
	if other, old, known := b.loan.from.get(id, now); known && (!ok || old < age) {
		if other, lent := b.loan.lend(other, old); lent {
			return other, old, true
		}
	}
	return v, age, ok
}

// find returns the id that got a name last, and how old the entry is.
func (b *book[T]) find(name string, now time.Time) (id string, age time.Duration, ok bool) {
	for _, id := range slices.Backward(b.called(name)) {
		if v, age, ok := b.get(id, now); ok && b.nameOf(v) == key(name) {
			return id, age, true
		}
	}
	return "", 0, false
}

// called are the ids of a name, in the order in which they got it, those of the other book first.
func (b *book[T]) called(name string) (ids []string) {
	if b.loan.from != nil {
		ids = b.loan.from.called(name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.byName[key(name)] {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// named returns all entries of a name.
func (b *book[T]) named(name string, now time.Time) (all []T) {
	for _, id := range b.called(name) {
		if v, _, ok := b.get(id, now); ok && b.nameOf(v) == key(name) {
			all = append(all, v)
		}
	}
	return all
}

// remove forgets an entry.
func (b *book[T]) remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(id)
}

// each calls fn with every entry until it returns false, while it holds the lock.
func (b *book[T]) each(now time.Time, fn func(id string, v T) bool) {
	b.all(now, func(id string, v T, _ time.Duration) bool { return fn(id, v) })
}

// all is each with how old the entries are. Where there are two of an id fn is called with its own.
func (b *book[T]) all(now time.Time, fn func(id string, v T, age time.Duration) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, l := range b.byID {
		if !fn(id, l.value, now.Sub(l.at)) {
			return
		}
	}
	if b.loan.from == nil {
		return
	}
	b.loan.from.all(now, func(id string, v T, age time.Duration) bool {
		if _, own := b.byID[id]; own {
			return true
		}
		v, lent := b.loan.lend(v, age)
		return !lent || fn(id, v, age)
	})
}

// drop requires the lock. The id's place in order stays and is skipped later.
func (b *book[T]) drop(id string) {
	if l, ok := b.byID[id]; ok {
		b.forgetName(id, l.value)
		delete(b.byID, id)
	}
	if len(b.order) > 2*b.limit {
		kept := b.order[:0]
		for _, o := range b.order {
			if _, ok := b.byID[o]; ok {
				kept = append(kept, o)
			}
		}
		b.order = kept
	}
}

// forgetName requires the lock. Other entries of the name keep it.
func (b *book[T]) forgetName(id string, v T) {
	name := b.nameOf(v)
	ids := slices.DeleteFunc(b.byName[name], func(other string) bool { return other == id })
	if b.byName[name] = ids; len(ids) == 0 {
		delete(b.byName, name)
	}
}

// A walk reads one of Slack's lists page by page, no further than a caller needs, and
// goes on from there for the next who asks. Once it came to the end it is not begun
// again for a while: what is not in the list then is not there, unless the list is longer than what is
// kept of it.
type walk struct {
	// page reads the page behind cursor and keeps what it holds.
	page func(ctx context.Context, cursor string) (next string, err error)
	// rest is how long the end of the list stays the end.
	rest time.Duration
	// lost counts what was dropped of what page has kept.
	lost *atomic.Uint64
	// known reports that the list is known without the walk.
	known func(now time.Time) bool

	turn   chan struct{} // capacity 1: who walks holds the token
	cursor string        // guarded by turn, as are the others
	begun  bool
	ended  time.Time
	paged  time.Time // when the page was read that cursor is of
	before uint64
	behind atomic.Bool   // whether it is being read anew behind a caller
	last   atomic.Int64  // ended, in Unix nanoseconds; 0 before the first end
	kept   atomic.Uint64 // what lost was before the walk that ended last; as long as it is that, all is kept
}

func newWalk[T any](into *book[T], page func(ctx context.Context, cursor string) (string, error)) *walk {
	return &walk{page: page, rest: listRest, lost: &into.lost, known: func(time.Time) bool { return false }, turn: make(chan struct{}, 1)}
}

// until walks on until found says so or the list ends. It reports whether found did. Where it did not,
// and the list is longer than what is kept of it, the error is ErrTooLong.
func (w *walk) until(ctx context.Context, now func() time.Time, found func() bool) (bool, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if ok := found(); ok || w.known(now()) {
		return ok, nil
	}
	if !w.due(now()) {
		return false, w.whole()
	}
	for !w.begun || w.cursor != "" {
		if err := w.step(ctx, now); err != nil {
			return false, err
		}
		if found() {
			return true, nil
		}
	}
	return false, w.whole()
}

// whole returns ErrTooLong where of the list that was read to its end not all is kept.
func (w *walk) whole() error {
	if w.lost.Load() != w.kept.Load() {
		return ErrTooLong
	}
	return nil
}

// due makes a walk begin anew that has rested, or that stood still for so long that Slack may not know its
// cursor any more. It reports whether there is something to read. It requires the turn.
func (w *walk) due(now time.Time) bool {
	switch {
	case w.begun && w.cursor == "":
		if now.Sub(w.ended) < w.rest {
			return false
		}
		w.begun = false
	case w.begun && now.Sub(w.paged) >= cursorAge:
		w.begun, w.cursor = false, ""
	}
	return true
}

// cursorAge is how long a cursor of Slack's is used.
const cursorAge = 10 * time.Minute

// step reads a page. Where Slack refuses the cursor it reads the first one.
func (w *walk) step(ctx context.Context, now func() time.Time) error {
	next, err := w.turnPage(ctx)
	if e, ok := errors.AsType[*slackapi.Error](err); ok && e.Code == "invalid_cursor" && w.cursor != "" {
		w.begun, w.cursor = false, ""
		next, err = w.turnPage(ctx)
	}
	if err != nil {
		return err
	}
	w.begun, w.cursor, w.paged = true, next, now()
	if next == "" {
		w.ended = now()
		w.kept.Store(w.before)
		w.last.Store(w.ended.UnixNano())
	}
	return nil
}

func (w *walk) turnPage(ctx context.Context) (next string, err error) {
	if !w.begun {
		w.before = w.lost.Load()
	}
	return w.page(ctx, w.cursor)
}

// refreshPatience bounds how long a list is read behind a caller; the next who asks goes on.
const refreshPatience = 10 * time.Minute

// refresh reads the list to its end behind the caller, where it has rested, unless that is going on
// already. Whoever looks for a name meanwhile has a turn between two pages.
func (w *walk) refresh(ctx context.Context, now func() time.Time) {
	if last := w.last.Load(); now().Sub(time.Unix(0, last)) < w.rest || w.known(now()) || !w.behind.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshPatience)
	go func() {
		defer w.behind.Store(false)
		defer cancel()
		for w.stepBehind(ctx, now) {
		}
	}()
}

// stepBehind reads a page in its turn. It reports whether there may be another one.
func (w *walk) stepBehind(ctx context.Context, now func() time.Time) bool {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return false
	}
	return w.due(now()) && w.step(ctx, now) == nil
}

// within reports whether the list was read to its end within d before now, and all of it is kept.
func (w *walk) within(d time.Duration, now time.Time) bool {
	last := w.last.Load()
	return last != 0 && now.Sub(time.Unix(0, last)) < d && w.whole() == nil || w.known(now)
}

// reset makes the next who asks for something unknown begin anew. It does not wait for
// a walk that is under way.
func (w *walk) reset() {
	select {
	case w.turn <- struct{}{}:
		if w.cursor == "" {
			w.begun = false
		}
		<-w.turn
	default:
	}
}

// A Found is a page of a search through a list of Slack's.
type Found[T any] struct {
	Items []T
	// Next continues the search as its after: an id. It is empty at the end.
	Next string
	// Complete reports that the whole list was searched. If not, a later call may find
	// more, before and behind what was found now, unless TooLong.
	Complete bool
	// TooLong reports that the list was read to its end and is longer than what is kept of it.
	TooLong bool
}

// SearchChannels finds the channels whose name, topic or purpose holds every word of
// the query, in the order of their names. The first time it reads the list of channels as far as ctx
// allows, and goes on from there with the next call. Once the list was read to its end it answers from what is
// kept, at once; after five minutes the list is then read anew behind it.
func (r *Resolver) SearchChannels(ctx context.Context, query, after string, limit int) (Found[Channel], error) {
	return search(ctx, r, r.listing, r.channels, query, after, limit, func(c Channel) (at, text string, ok bool) {
		return key(c.Name) + " " + c.ID, c.Name + "\n" + c.Topic + "\n" + c.Purpose, c.Name != "" && !c.Archived
	})
}

// SearchUsers does for users, by handle, names and title, what [Resolver.SearchChannels]
// does for channels. A user is found by what seen returns of them: what the caller may be shown, so that
// nothing else can be found out by asking. It must not wait.
func (r *Resolver) SearchUsers(ctx context.Context, query, after string, limit int, seen func(User) User) (Found[User], error) {
	return search(ctx, r, r.roster, r.users, query, after, limit, func(u User) (at, text string, ok bool) {
		u = seen(u)
		return key(u.Handle) + " " + u.ID, u.Handle + "\n" + u.Display + "\n" + u.Real + "\n" + u.Title, !u.Deleted
	})
}

func search[T any](ctx context.Context, r *Resolver, list *walk, kept *book[T], query, after string, limit int, look func(T) (at, text string, ok bool)) (Found[T], error) {
	err := list.whole()
	if list.last.Load() == 0 {
		_, err = list.until(ctx, r.now, func() bool { return false })
	} else if list.refresh(ctx, r.now); err == nil && !list.within(stale, r.now()) {
		err = ErrUnfinished // what came since the list was read is not known
	}
	found := Found[T]{Items: []T{}, Complete: err == nil, TooLong: errors.Is(err, ErrTooLong)}
	if after != "" {
		v, _, ok := kept.get(after, r.now())
		if !ok {
			return found, ErrNoCursor
		}
		after, _, _ = look(v)
	}
	words := strings.Fields(bare(query))
	keys := map[string]T{}
	kept.each(r.now(), func(_ string, v T) bool {
		at, text, ok := look(v)
		if ok && at > after && holdsAll(bare(text), words) {
			keys[at] = v
		}
		return true
	})
	sorted := make([]string, 0, len(keys))
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.SortFunc(sorted, cmp.Compare)
	if len(sorted) > limit {
		sorted = sorted[:limit]
		last := sorted[limit-1]
		found.Next = last[strings.LastIndexByte(last, ' ')+1:]
	}
	for _, key := range sorted {
		found.Items = append(found.Items, keys[key])
	}
	if err != nil && !found.TooLong && len(found.Items) == 0 {
		return found, unfinished(err)
	}
	return found, nil
}

func holdsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
