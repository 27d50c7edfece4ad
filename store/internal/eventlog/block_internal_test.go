package eventlog

import (
	"testing"

	"slackmcp/webhook/event"
)

// A conversation that the reader may see is looked at, also where its print is that of one that is hidden.
func TestAPrintOfTwoIsNotHidden(t *testing.T) {
	t.Parallel()
	var b Block
	for i, channel := range []string{"C1", "C2", "C3"} {
		b.Add(int64(i+1), &event.Event{Channel: channel}, 0)
	}
	hides := &event.Sight{Hidden: func() (hidden, others []string) { return []string{"C1", "C2"}, []string{"C2", "C3"} }}
	s := SearchFor(&event.Filter{Sight: hides}, 0)
	step := &s.Steps()[0]
	places := step.Begin()
	for _, f := range step.Fields() {
		for field, list := range b.Lists() {
			if field == f && !step.Find(f, list, &places) {
				t.Errorf("the list of field %d is not well formed", f)
			}
		}
	}
	if at := places.Next(0); at != 1 || places.Next(at+1) != 2 {
		t.Errorf("it begins with %d and %d", at, places.Next(at+1))
	}
}
