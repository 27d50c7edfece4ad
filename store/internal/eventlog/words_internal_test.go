package eventlog

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"slackmcp/internal/search"
	"slackmcp/webhook/event"
)

// manyNumbers is an event whose body is a list of different numbers, of so many bytes.
func manyNumbers(size int) *event.Event {
	raw := []byte("[0")
	for i := 1; len(raw) < size; i++ {
		raw = strconv.AppendInt(append(raw, ','), int64(i), 10)
	}
	return &event.Event{Source: "shop", Raw: append(raw, ']')}
}

// TestPrintsOfTooManyWords counts the words that are read of a body of far too many: a sender would else have the store
// sort them again and again.
func TestPrintsOfTooManyWords(t *testing.T) {
	t.Parallel()
	e, n := manyNumbers(1<<20), 0
	prints := printsOf(func(yield func([]byte) bool) {
		for w := range search.Words(e) {
			if n++; !yield(w) {
				return
			}
		}
	})
	if prints != nil || n > 2*maxWords+1 {
		t.Errorf("%d words were read, and there are %d prints: want none, and to know that after %d words", n, len(prints), 2*maxWords+1)
	}
}

// TestPrintsOfTheSameWords has a body that says a few words very often.
func TestPrintsOfTheSameWords(t *testing.T) {
	t.Parallel()
	var raw bytes.Buffer
	var want []uint32
	for i := range 900 {
		want = append(want, printOf([]byte(fmt.Sprint("w", i)), ""))
	}
	for range 20 {
		for i := range 900 {
			fmt.Fprintf(&raw, "w%d ", i)
		}
	}
	for i := range 900 {
		if w := fmt.Appendf(nil, "w%d", i); search.Prefix(w) > 0 {
			want = append(want, printOf(w[:search.Prefix(w)], "*"))
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	got := WordsOf(&event.Event{Source: "shop", Raw: fmt.Appendf(nil, `{"text":%q}`, raw.String())})
	if !slices.Equal(got, want) {
		t.Errorf("there are %d prints, the first of them %d; want %d", len(got), got[:min(1, len(got))], len(want))
	}
}

func BenchmarkWordsOfTooMany(b *testing.B) {
	e := manyNumbers(1 << 20)
	for b.Loop() {
		WordsOf(e)
	}
}
