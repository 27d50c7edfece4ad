package channel

// recent remembers the newest of many names. It is used by one goroutine.
type recent struct {
	names map[string]struct{}
	order []string // a ring, once it is full
	next  int
}

// remembered is how many names are kept.
const remembered = 1000

func newRecent() *recent { return &recent{names: map[string]struct{}{}} }

func (r *recent) has(name string) bool {
	_, ok := r.names[name]
	return ok
}

func (r *recent) add(name string) {
	if r.has(name) {
		return
	}
	r.names[name] = struct{}{}
	if len(r.order) < remembered {
		r.order = append(r.order, name)
		return
	}
	delete(r.names, r.order[r.next])
	r.order[r.next] = name
	r.next = (r.next + 1) % remembered
}
