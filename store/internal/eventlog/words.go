package eventlog

import (
	"encoding/binary"
	"iter"
	"slices"

	"slackmcp/internal/search"
	"slackmcp/webhook/event"
)

// The words of a block's events have lists, too, beside those of the fields: each word, and each beginning of one, is
// in one of them by its print. So a reader of a word needs one of 64 lists of each block.
const (
	// fieldLong has the events whose words are in no list, because they are too many.
	fieldLong = Field(Fields)
	fieldWord = fieldLong + 1 // the first of the lists of words
	wordLists = 64
	// FieldTimes has, of each part of a block, from when on its events were received.
	FieldTimes = fieldWord + wordLists
	// AllFields is how many lists a block has at most.
	AllFields = int(FieldTimes) + 1
)

// Bounds of what is kept of words: of one event, and of a block, whose prints take four bytes each.
const (
	maxWords      = 2048
	maxBlockWords = 1 << 20
)

// termPrint is the print of a word, or of the beginning of one.
func termPrint(t search.Term) uint32 {
	if t.Prefix {
		return printOf(t.Word, "*")
	}
	return printOf(t.Word, "")
}

// wordList is the list that a print is in.
func wordList(print uint32) Field { return fieldWord + Field(print>>26) }

// WordsOf returns the prints of an event's words, or nil where there are too many.
func WordsOf(e *event.Event) []uint32 {
	return printsOf(search.Words(e))
}

// printsOf returns the prints of words, or nil where there are too many: no more words are read then than it takes to
// know that.
func printsOf(words iter.Seq[[]byte]) []uint32 {
	prints := make([]uint32, 0, 96)
	for w := range words {
		if len(prints) >= 2*maxWords { // Many of them may be the same.
			slices.Sort(prints)
			if prints = slices.Compact(prints); len(prints) > maxWords {
				return nil
			}
		}
		prints = append(prints, printOf(w, ""))
		if n := search.Prefix(w); n > 0 {
			prints = append(prints, printOf(w[:n], "*"))
		}
	}
	slices.Sort(prints)
	if prints = slices.Compact(prints); len(prints) > maxWords {
		return nil
	}
	return slices.Clone(prints)
}

// Words has the words of the events of one block. The zero value is empty.
type Words struct {
	prints [BlockSize][]uint32
	total  int
}

// Put takes in the words of an event as WordsOf returned them; those of an event that is not known are nil.
func (w *Words) Put(seq int64, prints []uint32) {
	at := (seq - 1) % BlockSize
	w.total -= len(w.prints[at])
	if w.total+len(prints) > maxBlockWords {
		prints = nil
	}
	w.total += len(prints)
	w.prints[at] = prints
}

// Reset empties it: no event is known.
func (w *Words) Reset() {
	clear(w.prints[:])
	w.total = 0
}

// Lists yields the lists of words of a full block.
func (w *Words) Lists() iter.Seq2[Field, List] {
	return func(yield func(Field, List) bool) {
		all, long := w.entries()
		if len(long) > 0 && !yield(fieldLong, listOf(long)) {
			return
		}
		for len(all) > 0 {
			field := wordList(uint32(all[0] >> 32))
			n := slices.IndexFunc(all, func(e uint64) bool { return wordList(uint32(e>>32)) != field })
			if n < 0 {
				n = len(all)
			}
			if !yield(field, listOf(all[:n])) {
				return
			}
			all = all[n:]
		}
	}
}

// Found reports whether the lists of a block, as list returns them, find every event whose words were put in, by each
// of them. All events of the block from one on were.
func (w *Words) Found(list func(Field) List, from int64) bool {
	var before, long Places
	for place := range (from - 1) % BlockSize {
		before[place/64] |= 1 << (place % 64)
	}
	if !list(fieldLong).find(0, &long) { // Of these each search reads the bodies.
		return false
	}
	for field, want := range w.Lists() {
		but := &long
		if field == fieldLong {
			but = &before
		}
		if !list(field).covers(want, but) {
			return false
		}
	}
	return true
}

// entries returns the prints with their places, in the order of the prints, and the places of the events whose words
// are not known.
func (w *Words) entries() (all, long []uint64) {
	all = make([]uint64, 0, w.total)
	for place, prints := range w.prints {
		if prints == nil {
			long = append(long, uint64(place))
		}
		for _, p := range prints {
			all = append(all, uint64(p)<<32|uint64(place))
		}
	}
	return byPrint(all), long
}

// byPrint sorts prints and places, whose places ascend, by their prints, in three passes over all of them: there are
// hundreds of thousands.
func byPrint(all []uint64) []uint64 {
	const digit = 11
	into := make([]uint64, len(all))
	for shift := 32; shift < 64; shift += digit {
		var ends [1 << digit]int
		for _, e := range all {
			ends[e>>shift&(1<<digit-1)]++
		}
		sum := 0
		for i, n := range ends {
			ends[i], sum = sum, sum+n
		}
		for _, e := range all {
			d := e >> shift & (1<<digit - 1)
			into[ends[d]] = e
			ends[d]++
		}
		all, into = into, all
	}
	return all
}

// Find returns the events of a block that is not full which may say what is asked for.
func (w *Words) Find(s *Search) Places {
	all := AllPlaces()
	for place, prints := range w.prints {
		if prints == nil {
			continue
		}
		for _, p := range s.words {
			if _, has := slices.BinarySearch(prints, p); !has {
				all[place/64] &^= 1 << (place % 64)
				break
			}
		}
	}
	return all
}

// wordsFor returns the prints that an event has to have for a filter to select it.
func wordsFor(f *event.Filter) (prints []uint32) {
	if f.Text == nil {
		return nil
	}
	q, err := search.Parse(f.Text.Query)
	if err != nil {
		return nil // Says alone decides
	}
	for _, t := range q.Terms() {
		prints = append(prints, termPrint(t))
	}
	return prints
}

// Asks reports whether words are asked for.
func (s *Search) Asks() bool { return len(s.words) > 0 }

// listOf makes a list of prints and places, which ascend.
func listOf(entries []uint64) List {
	var list List
	var places []byte
	for len(entries) > 0 {
		print, n := entries[0]>>32, 1
		for n < len(entries) && entries[n]>>32 == print {
			n++
		}
		places = appendPlaces(places[:0], entries[:n])
		list = binary.BigEndian.AppendUint32(list, uint32(print))
		list = binary.AppendUvarint(list, uint64(len(places)))
		list = append(list, places...)
		entries = entries[n:]
	}
	return list
}
