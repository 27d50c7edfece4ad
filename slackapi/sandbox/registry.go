package sandbox

// A registry keeps things in the order in which they came, and finds them by id.
type registry[T any] struct {
	order []string
	byID  map[string]T
	index map[string]int
}

func (r *registry[T]) put(id string, v T) {
	if r.byID == nil {
		r.byID, r.index = map[string]T{}, map[string]int{}
	}
	if _, there := r.byID[id]; !there {
		r.index[id] = len(r.order)
		r.order = append(r.order, id)
	}
	r.byID[id] = v
}

func (r *registry[T]) get(id string) (T, bool) {
	v, ok := r.byID[id]
	return v, ok
}

// A page walks a sequence of n things from the one that a cursor names.
//
// at returns the i-th thing, or false where the caller does not want it; a page counts
// what is wanted. next is the cursor's text, empty at the end.
func page[T any](n, from, limit int, at func(i int) (T, bool)) (items []T, next int) {
	items = []T{}
	for i := from; i < n; i++ {
		v, ok := at(i)
		if !ok {
			continue
		}
		if len(items) == limit {
			return items, i
		}
		items = append(items, v)
	}
	return items, -1
}
