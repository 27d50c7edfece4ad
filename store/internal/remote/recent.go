package remote

import (
	"slices"

	"slackmcp/store/internal/eventlog"
)

// maxRecent is how many delivered events a tail can tell again: more than a failover
// takes that is worth the name.
const maxRecent = 1024

// recent remembers the events that a tail delivered last, in order.
type recent struct {
	list []delivered
}

type delivered struct {
	seq int64
	key eventlog.Key
}

func (r *recent) add(key eventlog.Key, seq int64) {
	// After going back, what was delivered before from there on does not count.
	for len(r.list) > 0 && r.list[len(r.list)-1].seq >= seq {
		r.list = r.list[:len(r.list)-1]
	}
	if len(r.list) >= 2*maxRecent {
		r.list = slices.Delete(r.list, 0, maxRecent)
	}
	r.list = append(r.list, delivered{seq, key})
}

// knows reports whether an event was delivered at a sequence number.
func (r *recent) knows(seq int64) bool {
	n := len(r.list)
	return n > 0 && r.list[n-1].seq == seq
}

func (r *recent) has(key eventlog.Key, seq int64) bool {
	i, ok := slices.BinarySearchFunc(r.list, seq, func(d delivered, seq int64) int { return int(d.seq - seq) })
	return ok && r.list[i].key == key
}

// first is the lowest sequence number that is remembered; without any, it is so high
// that nothing is behind it.
func (r *recent) first() int64 {
	if len(r.list) == 0 {
		return 1 << 53
	}
	return r.list[0].seq
}
