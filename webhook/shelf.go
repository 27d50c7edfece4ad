package webhook

import "sync"

// A shelf lends buffers of one size. Long bodies are rare among senders and plenty in a
// flood, where buffers made anew for each would keep the collector busy, to the cost of
// those who send a kilobyte. How many are lent is bounded by the body budget.
type shelf struct {
	size int
	pool *sync.Pool // of *buffer
}

type buffer struct {
	bytes []byte
	shelf *shelf
}

// Each shelf has buffers four times as large as the one before, so that a body that grows
// is copied a third of its length in all.
const firstShelf = 4 * firstPiece

// makeShelves makes shelves up to one whose buffers hold most bytes.
func makeShelves(most int) []shelf {
	var list []shelf
	for size := firstShelf; ; size *= 4 {
		size := min(size, max(most, firstShelf))
		list = append(list, shelf{size: size, pool: &sync.Pool{}})
		if size >= most {
			return list
		}
	}
}

// borrow lends a buffer of at least need bytes.
func (b *bodies) borrow(need int) *buffer {
	for i := range b.shelves {
		s := &b.shelves[i]
		if s.size < need {
			continue
		}
		if lent, ok := s.pool.Get().(*buffer); ok {
			return lent
		}
		return &buffer{bytes: make([]byte, 0, s.size), shelf: s}
	}
	return &buffer{bytes: make([]byte, 0, need)} // above the limit: nobody asks for that
}

// giveBack ends a loan; nil is none.
func (b *bodies) giveBack(lent *buffer) {
	if lent != nil && lent.shelf != nil {
		lent.shelf.pool.Put(lent)
	}
}
