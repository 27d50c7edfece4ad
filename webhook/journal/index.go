package journal

import (
	"sort"

	"slackmcp/webhook/event"
)

type idKey struct{ source, id string }

// A field is one by which events are found.
type field uint8

const (
	byKind field = iota
	byChannel
	byThread
	byUser
	bySource
)

type postingKey struct {
	field field
	value string
}

// An index finds the numbers of events by id and by field. The numbers of a posting
// ascend, and events leave in the order in which they came, so each posting is a queue.
type index struct {
	ids      map[idKey]uint64
	postings map[postingKey]*posting
}

type posting struct {
	seqs []uint64
	head int
}

func newIndex() index {
	return index{ids: map[idKey]uint64{}, postings: map[postingKey]*posting{}}
}

// keys lists the postings that an event is in.
func keys(e *event.Event) [5]postingKey {
	return [...]postingKey{
		{byKind, e.Kind.Type}, {byChannel, e.Channel}, {byThread, e.Thread}, {byUser, e.User}, {bySource, e.Source},
	}
}

func (x *index) add(seq uint64, r *record) {
	x.ids[idKey{r.Source, r.ID}] = seq
	for _, k := range keys(&r.Event) {
		if k.value == "" {
			continue
		}
		p := x.postings[k]
		if p == nil {
			p = &posting{}
			x.postings[k] = p
		}
		p.seqs = append(p.seqs, seq)
	}
}

// remove forgets the oldest event.
func (x *index) remove(seq uint64, r *record) {
	if k := (idKey{r.Source, r.ID}); x.ids[k] == seq {
		delete(x.ids, k)
	}
	for _, k := range keys(&r.Event) {
		if k.value == "" {
			continue
		}
		p := x.postings[k]
		if p.head++; p.head == len(p.seqs) {
			delete(x.postings, k)
		} else if p.head > len(p.seqs)/2 {
			p.seqs = append(p.seqs[:0:0], p.seqs[p.head:]...)
			p.head = 0
		}
	}
}

// narrow returns the shortest posting that holds every event a filter selects. ok is
// false when no index helps, so that the whole window has to be looked at.
func (x *index) narrow(f *event.Filter) (seqs []uint64, ok bool) {
	wanted := [...]postingKey{{byChannel, f.Channel}, {byThread, f.Thread}, {byUser, f.User}, {bySource, f.Source}, {byKind, onlyType(f)}}
	for _, k := range wanted {
		if k.value == "" {
			continue
		}
		p := x.postings[k]
		if p == nil {
			return nil, true
		}
		if live := p.seqs[p.head:]; !ok || len(live) < len(seqs) {
			seqs, ok = live, true
		}
	}
	return seqs, ok
}

// onlyType returns the type that all patterns of a filter share, or "".
func onlyType(f *event.Filter) string {
	typ := ""
	for i, p := range f.Patterns {
		t := p.Type()
		if t == "" || (i > 0 && t != typ) {
			return ""
		}
		typ = t
	}
	return typ
}

// cut returns the part of ascending numbers within [from, to).
func cut(seqs []uint64, from, to uint64) []uint64 {
	lo := sort.Search(len(seqs), func(i int) bool { return seqs[i] >= from })
	hi := sort.Search(len(seqs), func(i int) bool { return seqs[i] >= to })
	return seqs[lo:max(lo, hi)]
}
