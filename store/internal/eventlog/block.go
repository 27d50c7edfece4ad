package eventlog

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"slackmcp/webhook/event"
)

// BlockSize is how many events a block has: block n has the events from n*BlockSize+1 on.
// What a block says of its events lets a reader pass over those that a filter does not
// select. It is made once, when the block is full, so that an event costs no write of its own.
const BlockSize = 4096

// BlockOf returns the number of the block that an event is in.
func BlockOf(seq int64) int64 { return (seq - 1) / BlockSize }

// A Field is a property of events by which a block finds them.
type Field uint8

// The fields. Each has a list of its own in a block.
const (
	fieldType Field = iota
	fieldSubtype
	fieldChannelType
	fieldChannel
	fieldThread
	fieldUser
	fieldSource
	fieldTeam
	fieldOwn
	// Fields is how many there are.
	Fields = int(iota)
)

// values of the field fieldOwn.
const own, foreign = "own", "foreign"

// A Block collects what is said of its events.
type Block struct {
	prints [Fields][]uint64 // the print of a value, and the event's place in the block
	// Min and Max bound when its events were received, in Unix nanoseconds.
	Min, Max int64
}

// Add takes in an event, received at an instant. Each event is added once, in any order.
func (b *Block) Add(seq int64, e *event.Event, received int64) {
	if b.Len() == 0 {
		b.Min, b.Max = received, received
	}
	b.Min, b.Max = min(b.Min, received), max(b.Max, received)
	place := uint64((seq - 1) % BlockSize) //nolint:gosec // never negative
	put := func(f Field, print uint32) { b.prints[f] = append(b.prints[f], uint64(print)<<32|place) }
	whose := foreign
	if e.FromSelf {
		whose = own
	}
	put(fieldOwn, printOf(whose, ""))
	put(fieldType, printOf(e.Kind.Type, ""))
	put(fieldSubtype, printOf(e.Kind.Type, e.Kind.Subtype))
	for f, value := range [...]string{
		fieldChannelType: e.ChannelType, fieldChannel: e.Channel, fieldThread: e.Thread,
		fieldUser: e.User, fieldSource: e.Source, fieldTeam: e.Team,
	} {
		if value != "" {
			put(Field(f), printOf(value, ""))
		}
	}
}

// Len is how many events were added.
func (b *Block) Len() int { return len(b.prints[fieldOwn]) }

// Reset empties the block.
func (b *Block) Reset() {
	for f := range b.prints {
		b.prints[f] = b.prints[f][:0]
	}
}

// printOf is 32 bits of a hash (FNV-1a) of a value of two parts. What it finds is always
// compared with the event, so two values may share one.
func printOf[T string | []byte](a T, b string) uint32 {
	const prime = 16777619
	h := uint32(2166136261)
	for i := range len(a) {
		h = (h ^ uint32(a[i])) * prime
	}
	h = (h ^ 0x1ff) * prime
	for i := range len(b) {
		h = (h ^ uint32(b[i])) * prime
	}
	return (h ^ 0x1ff) * prime
}

// A List is what a block says of one field: for each value that occurs, in the order of
// their prints, 4 bytes of the print, the length of what follows, and the places of its
// events: either the distances between them, or, where that is shorter, one bit for each
// event of the block.
type List []byte

// bitmap is the length of the places of a value that are stored as bits.
const bitmap = BlockSize / 8

// List returns the list of a field.
func (b *Block) List(f Field) List {
	slices.Sort(b.prints[f])
	return listOf(b.prints[f])
}

func appendPlaces(to []byte, entries []uint64) []byte {
	at := -1
	for _, e := range entries {
		place := int(uint32(e))                         //nolint:gosec // the lower half
		to = binary.AppendUvarint(to, uint64(place-at)) //nolint:gosec // places ascend
		if at = place; len(to) >= bitmap {
			break
		}
	}
	if len(to) < bitmap {
		return to
	}
	to = slices.Grow(to[:0], bitmap)[:bitmap]
	clear(to)
	for _, e := range entries {
		place := uint32(e) //nolint:gosec // the lower half
		to[place/8] |= 1 << (place % 8)
	}
	return to
}

// Places are some of a block's events, a bit each.
type Places [BlockSize / 64]uint64

// AllPlaces are all events of a block.
func AllPlaces() (p Places) {
	for i := range p {
		p[i] = ^uint64(0)
	}
	return p
}

// And keeps those that are among others, too.
func (p *Places) And(others *Places) {
	for i := range p {
		p[i] &= others[i]
	}
}

// Next returns the first place from one on, or BlockSize.
func (p *Places) Next(from int) int {
	for w := from / 64; w < len(p); w++ {
		word := p[w]
		if w == from/64 {
			word &= ^uint64(0) << (from % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
	}
	return BlockSize
}

// find adds the places of a value to p. It reports false for a list that is not well formed.
func (l List) find(print uint32, p *Places) bool {
	for len(l) > 0 {
		if len(l) < 5 {
			return false
		}
		found := binary.BigEndian.Uint32(l)
		size, n := binary.Uvarint(l[4:])
		if n <= 0 || size > uint64(len(l)-4-n) { //nolint:gosec // n is at most what follows the print
			return false
		}
		places := l[4+n:][:size]
		switch {
		case found > print:
			return true
		case found == print:
			return p.add(places)
		}
		l = l[4+n+int(size):] //nolint:gosec // at most len(l)
	}
	return true
}

// add adds places as appendPlaces wrote them.
func (p *Places) add(b []byte) bool {
	if len(b) == bitmap {
		for i := range p {
			p[i] |= binary.LittleEndian.Uint64(b[8*i:])
		}
		return true
	}
	for at := uint64(0); len(b) > 0; {
		distance, n := binary.Uvarint(b)
		at += distance
		if n <= 0 || distance == 0 || at > BlockSize {
			return false
		}
		p[(at-1)/64] |= 1 << ((at - 1) % 64)
		b = b[n:]
	}
	return true
}

// A term is a value of a field.
type term struct {
	field Field
	print uint32
}

// A Search is a filter as blocks answer it: of each group of terms one holds.
type Search struct {
	groups [][]term
	words  []uint32 // which an event has to have, too
}

// SearchFor returns what blocks can say about a filter. An event that the filter selects is
// always among what they find.
func SearchFor(f *event.Filter) Search {
	s := Search{words: wordsFor(f)}
	for field, value := range [...]string{
		fieldChannel: f.Channel, fieldThread: f.Thread, fieldUser: f.User, fieldSource: f.Source, fieldTeam: f.Team,
	} {
		if value != "" {
			s.groups = append(s.groups, []term{{Field(field), printOf(value, "")}})
		}
	}
	if f.ExcludeSelf {
		s.groups = append(s.groups, []term{{fieldOwn, printOf(foreign, "")}})
	}
	var kinds []term
	for _, p := range f.Patterns {
		typ, subtype, channelType := p.Parts()
		switch {
		case typ == "*":
			return s
		case subtype != nil:
			kinds = append(kinds, term{fieldSubtype, printOf(typ, *subtype)})
		case channelType != "":
			kinds = append(kinds, term{fieldChannelType, printOf(channelType, "")})
		default:
			kinds = append(kinds, term{fieldType, printOf(typ, "")})
		}
	}
	if len(f.Patterns) > 0 {
		s.groups = append(s.groups, kinds)
	}
	return s
}

// Needs lists the fields whose lists Find needs.
func (s *Search) Needs() (list []Field) {
	for _, g := range s.groups {
		for _, t := range g {
			if !slices.Contains(list, t.field) {
				list = append(list, t.field)
			}
		}
	}
	return list
}

// Find returns the events of a block among which are all that the filter selects, by the
// lists of the fields that it needs. It reports false for lists that are not well formed.
func (s *Search) Find(lists *[AllFields]List) (Places, bool) {
	all := AllPlaces()
	for _, g := range s.groups {
		var some Places
		for _, t := range g {
			if !lists[t.field].find(t.print, &some) {
				return AllPlaces(), false
			}
		}
		all.And(&some)
	}
	return all, true
}
