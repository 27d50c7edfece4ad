package names

import (
	"strings"
	"sync"
	"time"
)

// A book keeps entries by id, and finds ids by name, within a bound: when it is full
// the entry that was written first makes room. It is safe for concurrent use.
type book[T any] struct {
	limit  int
	nameOf func(T) string // in lower case; "" for an entry that has none

	mu     sync.Mutex
	byID   map[string]*line[T]
	byName map[string]string // name -> id
	order  []string          // ids as they were first written; some may be gone
}

type line[T any] struct {
	value T
	at    time.Time
}

func newBook[T any](limit int, nameOf func(T) string) *book[T] {
	return &book[T]{limit: limit, nameOf: nameOf, byID: map[string]*line[T]{}, byName: map[string]string{}}
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
			b.drop(oldest)
		}
		b.order = append(b.order, id)
	}
	b.byID[id] = &line[T]{value: v, at: at}
	if name := b.nameOf(v); name != "" {
		b.byName[name] = id
	}
}

// get returns an entry and how old it is.
func (b *book[T]) get(id string, now time.Time) (v T, age time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.byID[id]
	if !ok {
		return v, 0, false
	}
	return l.value, now.Sub(l.at), true
}

// find returns the id of a name and how old the entry is.
func (b *book[T]) find(name string, now time.Time) (id string, age time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, ok = b.byName[strings.ToLower(name)]
	if !ok {
		return "", 0, false
	}
	return id, now.Sub(b.byID[id].at), true
}

// remove forgets an entry.
func (b *book[T]) remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(id)
}

// each calls fn with every entry until it returns false, while it holds the lock.
func (b *book[T]) each(fn func(id string, v T) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, l := range b.byID {
		if !fn(id, l.value) {
			return
		}
	}
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

// forgetName requires the lock. A name that another entry has taken over stays its.
func (b *book[T]) forgetName(id string, v T) {
	if name := b.nameOf(v); b.byName[name] == id {
		delete(b.byName, name)
	}
}
