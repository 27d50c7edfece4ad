package eventlog

import (
	"encoding/binary"
	"iter"
	"math"
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
	// since is from when on the events of each part of the block were received.
	since [timeParts]int64
}

// A block says of each part of so many events from when on they were received: the times of those that follow each other
// ascend, but for the clocks of several servers.
const (
	timePart  = 64
	timeParts = BlockSize / timePart
)

// Add takes in an event, received at an instant. Each event is added once, in any order.
func (b *Block) Add(seq int64, e *event.Event, received int64) {
	if b.Len() == 0 {
		b.Min, b.Max = received, received
		for i := range b.since {
			b.since[i] = math.MaxInt64
		}
	}
	b.Min, b.Max = min(b.Min, received), max(b.Max, received)
	place := uint64((seq - 1) % BlockSize) //nolint:gosec // never negative
	b.since[place/timePart] = min(b.since[place/timePart], received)
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

// Lists yields what is to be stored of a block, but for its words.
func (b *Block) Lists() iter.Seq2[Field, List] {
	return func(yield func(Field, List) bool) {
		for f := range b.prints {
			slices.Sort(b.prints[f])
			if !yield(Field(f), listOf(b.prints[f])) {
				return
			}
		}
		yield(FieldTimes, b.times())
	}
}

// times is, of each part, from when on its events were received.
func (b *Block) times() (l List) {
	for _, at := range b.since {
		l = binary.BigEndian.AppendUint64(l, uint64(at)) //nolint:gosec // it is read as it was
	}
	return l
}

// from reads from when on the events of a part were received. It reports false for a list that is not well formed.
func (l List) from(part int) (at int64, ok bool) {
	if len(l) != 8*timeParts {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(l[8*part:])), true //nolint:gosec // as above
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

// next returns the first print of a list that is not empty, with its places, and what follows. It reports false for
// a list that is not well formed.
func (l List) next() (print uint32, places []byte, rest List, ok bool) {
	if len(l) < 5 {
		return 0, nil, nil, false
	}
	size, n := binary.Uvarint(l[4:])
	if n <= 0 || size > uint64(len(l)-4-n) { //nolint:gosec // n is at most what follows the print
		return 0, nil, nil, false
	}
	places, rest = l[4+n:][:size], l[4+n+int(size):] //nolint:gosec // at most len(l)
	return binary.BigEndian.Uint32(l), places, rest, true
}

// find adds the places of a value to p. It reports false for a list that is not well formed.
func (l List) find(print uint32, p *Places) bool {
	for len(l) > 0 {
		found, places, rest, ok := l.next()
		switch {
		case !ok:
			return false
		case found > print:
			return true
		case found == print:
			return p.add(places)
		}
		l = rest
	}
	return true
}

// hide takes the places of values away from p, whose prints are in order. It reports false for a list that is not well
// formed.
func (l List) hide(prints []uint32, p *Places) bool {
	for len(l) > 0 {
		print, places, rest, ok := l.next()
		_, hidden := slices.BinarySearch(prints, print)
		var gone Places
		if !ok || hidden && !gone.add(places) {
			return false
		}
		for i := range gone {
			p[i] &^= gone[i]
		}
		l = rest
	}
	return true
}

// covers reports whether a list has each value of another one, with all its places but some.
func (l List) covers(other List, but *Places) bool {
	for len(other) > 0 {
		print, places, rest, ok := other.next()
		has, wants := *but, Places{}
		if !ok || !wants.add(places) || !l.find(print, &has) {
			return false
		}
		for i := range wants {
			if wants[i]&^has[i] != 0 {
				return false
			}
		}
		other = rest
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

// Finds reports whether the lists of a block, as list returns them, find every event that was added to b, and its
// bounds of time hold for all.
func (b *Block) Finds(list func(Field) List, minAt, maxAt int64) bool {
	for field, want := range b.Lists() {
		if field == FieldTimes {
			continue
		}
		if !list(field).covers(want, new(Places)) {
			return false
		}
	}
	if b.Len() == 0 {
		return true
	}
	times := list(FieldTimes)
	for i, since := range b.since {
		if at, ok := times.from(i); !ok || at > since {
			return false
		}
	}
	return minAt <= b.Min && b.Max <= maxAt
}

// A term is a value of a field.
type term struct {
	field Field
	print uint32
}

// A Search is a filter as blocks answer it.
type Search struct {
	steps []Step
	words []uint32 // which an event has to have, too
}

// A Step of a search narrows what those before it have left: an event that the filter selects has one of its values.
type Step struct {
	terms []term
	until int64 // of a step without terms: events received before are selected, in Unix nanoseconds
	// hidden are the prints, in order, of conversations of which no events are selected but those of the user own; such a
	// step has no terms.
	hidden []uint32
	own    uint32
	// Words says that the step is about words: it tells nothing of a block whose words are not known.
	Words bool
}

// SearchFor returns what blocks can say about a filter, whose Until is until, in Unix nanoseconds. An event that the
// filter selects is always among what they find.
func SearchFor(f *event.Filter, until int64) Search {
	s := Search{words: wordsFor(f)}
	if !f.Until.IsZero() {
		s.steps = append(s.steps, Step{until: until})
	}
	// What few events have comes first: the lists of the others are then read of few blocks.
	for _, v := range [...]struct {
		field Field
		value string
	}{{fieldThread, f.Thread}, {fieldUser, f.User}, {fieldChannel, f.Channel}, {fieldSource, f.Source}, {fieldTeam, f.Team}} {
		if v.value != "" {
			s.steps = append(s.steps, Step{terms: []term{{v.field, printOf(v.value, "")}}})
		}
	}
	if hidden := hiddenFrom(f.Sight); len(hidden) > 0 {
		s.steps = append(s.steps, Step{hidden: hidden, own: printOf(f.Sight.Self, "")})
	}
	if kinds := kindsOf(f.Patterns); len(kinds) > 0 {
		s.steps = append(s.steps, Step{terms: kinds})
	}
	if f.ExcludeSelf {
		s.steps = append(s.steps, Step{terms: []term{{fieldOwn, printOf(foreign, "")}}})
	}
	for _, p := range s.words {
		s.steps = append(s.steps, Step{terms: []term{{fieldLong, 0}, {wordList(p), p}}, Words: true})
	}
	return s
}

// hiddenFrom returns the prints, in order, of the conversations that a reader does not see: but for such as another one
// has that they may see.
func hiddenFrom(s *event.Sight) []uint32 {
	if s == nil || s.Hidden == nil {
		return nil
	}
	hidden, others := s.Hidden()
	prints := make([]uint32, len(hidden))
	for i, id := range hidden {
		prints[i] = printOf(id, "")
	}
	seen := make(map[uint32]bool, len(others))
	for _, id := range others {
		seen[printOf(id, "")] = true
	}
	slices.Sort(prints)
	return slices.DeleteFunc(prints, func(p uint32) bool { return seen[p] })
}

// kindsOf returns the values of which an event has one that a pattern selects; none are all events.
func kindsOf(patterns []event.Pattern) (kinds []term) {
	for _, p := range patterns {
		typ, subtype, channelType := p.Parts()
		switch {
		case typ == "*":
			return nil
		case subtype != nil:
			kinds = append(kinds, term{fieldSubtype, printOf(typ, *subtype)})
		case channelType != "":
			kinds = append(kinds, term{fieldChannelType, printOf(channelType, "")})
		default:
			kinds = append(kinds, term{fieldType, printOf(typ, "")})
		}
	}
	return kinds
}

// Steps are to be taken one after the other.
func (s *Search) Steps() []Step { return s.steps }

// Fields are those whose lists the step needs.
func (s *Step) Fields() (list []Field) {
	switch {
	case len(s.hidden) > 0:
		return []Field{fieldChannel, fieldUser}
	case len(s.terms) == 0:
		return []Field{FieldTimes}
	}
	for _, t := range s.terms {
		if !slices.Contains(list, t.field) {
			list = append(list, t.field)
		}
	}
	return list
}

// Begin returns what the step finds in a block that has none of its lists.
func (s *Step) Begin() Places {
	if len(s.terms) == 0 {
		return AllPlaces() // An earlier build made the block, or nothing in it is hidden.
	}
	return Places{}
}

// Find adds to p the events of a block that have one of the step's values, by the list of one of its fields, or takes away
// those that came too late or are hidden. Fields come in the order of Fields. It reports false for a list that is not well
// formed.
func (s *Step) Find(f Field, l List, p *Places) bool {
	switch {
	case len(s.hidden) > 0 && f == fieldChannel:
		return l.hide(s.hidden, p)
	case len(s.hidden) > 0:
		return l.find(s.own, p)
	case len(s.terms) == 0:
		for i := range timeParts {
			at, ok := l.from(i)
			if !ok {
				return false
			}
			if at >= s.until {
				p[i] = 0 // timePart events are one word.
			}
		}
		return true
	}
	for _, t := range s.terms {
		if t.field == f && !l.find(t.print, p) {
			return false
		}
	}
	return true
}
