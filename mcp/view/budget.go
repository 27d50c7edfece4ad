package view

import (
	"encoding/json"
	"unicode/utf8"
)

const (
	// MaxResult is how many characters of JSON a result has at most, unless more was asked for: common
	// clients cut what is longer, or move it to a file.
	MaxResult = 40_000
	// beside is kept of it for what stands beside the items: notes, cursors, who is who.
	beside = 4_000
)

// A Budget is how many characters a result may still take. It is used by one goroutine.
type Budget struct {
	left  int // characters
	taken bool

	of     *Reading // whose legend the result has; nil for none
	told   map[string]bool
	legend int // characters of the people in it
}

// freeLegend is how much of beside people take.
const freeLegend = 2_500

// Naming makes the budget also hold the people of a reading's legend: those whom the items mention.
func (b *Budget) Naming(of *Reading) *Budget {
	b.of, b.told = of, map[string]bool{}
	return b
}

// NewBudget returns the budget of a result of which nothing is written yet.
func NewBudget() *Budget { return NewBudgetOf(MaxResult) }

// NewBudgetOf is [NewBudget] of a result for which another length was asked.
func NewBudgetOf(characters int) *Budget { return &Budget{left: characters - beside} }

// Takes reports whether an item fits, and takes its characters. The first one always fits: a result that
// shows nothing would lead nowhere.
func (b *Budget) Takes(item any) bool {
	n := Size(item) + 1 // the comma
	people, size := b.mentioned(item)
	n += max(0, b.legend+size-freeLegend) - max(0, b.legend-freeLegend)
	if b.taken && n > b.left {
		return false
	}
	b.taken = true
	b.left -= n
	b.legend += size
	for _, id := range people {
		b.told[id] = true
	}
	return true
}

// mentioned are those whom an item mentions and none before it did, and how many characters they take.
func (b *Budget) mentioned(item any) (people []string, size int) {
	if b.of == nil {
		return nil, 0
	}
	raw, err := encodeJSON(item)
	if err != nil {
		return nil, 0
	}
	text := string(raw)
	for id := range b.of.naming.mentioned {
		if name := b.of.naming.labels[id].name; !b.told[id] && leavesOpen(text, id, name) {
			people = append(people, id)
			size += Size(name) + Size(id) + 2
		}
	}
	return people, size
}

// Fitting is as much of the beginning of a text as fits.
func (b *Budget) Fitting(text string) string {
	left := max(b.left, 0)
	text, _ = cut(text, left)
	for whole := Size(text); whole > left && text != ""; whole = Size(text) { // some characters are escaped
		keep := min(len(text)-1, len(text)*left/whole)
		for keep > 0 && !utf8.RuneStart(text[keep]) {
			keep--
		}
		text = text[:keep]
	}
	return text
}

// Size is how many characters a value takes as JSON in a result.
func Size(v any) int {
	var c counter
	e := json.NewEncoder(&c)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return 0 // it will not be written either
	}
	return int(c) - 1 // the line break
}

// A counter counts the characters that are written to it.
type counter int

// Write counts.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(utf8.RuneCount(p))
	return len(p), nil
}
