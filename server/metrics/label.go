package metrics

import (
	"slices"
	"strings"
	"sync"
)

// Other stands for a label's values that are not in its list, or beyond its bound.
const Other = "other"

// A Label is a dimension of a metric, with what bounds its values.
type Label struct {
	Name string
	// Values are all there are, beside Other; nil for a label that is only bounded.
	Values []string
	// Most bounds the number of values of a label without a list.
	Most int
	// Note says in words where the values of such a label come from.
	Note string
}

// Closed is a label with a list of values; every other value counts as Other.
func Closed(name string, values ...string) Label { return Label{Name: name, Values: values} }

// Bounded is a label whose values the operator or the code chose; the first most of
// them are kept, and those that come later count as Other.
func Bounded(name string, most int, note string) Label {
	return Label{Name: name, Most: most, Note: note}
}

// maxLabelValue is the longest value that is kept, in bytes.
const maxLabelValue = 80

// bounds keep the values of a metric's labels within what was declared.
type bounds struct {
	labels []Label
	seen   []*valueSet
}

// A valueSet remembers the values of one bounded label.
type valueSet struct {
	mu   sync.RWMutex
	most int
	kept map[string]struct{} // guarded by mu
}

func newBounds(labels []Label) bounds {
	b := bounds{labels: labels, seen: make([]*valueSet, len(labels))}
	for i, l := range labels {
		if l.Values == nil {
			b.seen[i] = &valueSet{most: l.Most, kept: map[string]struct{}{}}
		}
	}
	return b
}

// keep returns the values with those replaced that are out of bounds.
func (b bounds) keep(values []string) []string {
	kept := make([]string, len(b.labels))
	for i := range b.labels {
		kept[i] = Other
		if i >= len(values) {
			continue
		}
		if set := b.seen[i]; set != nil && set.has(values[i]) || set == nil && slices.Contains(b.labels[i].Values, values[i]) {
			kept[i] = values[i]
		}
	}
	return kept
}

// has reports whether a value is among those that are kept, and keeps it while there is
// room.
func (s *valueSet) has(v string) bool {
	s.mu.RLock()
	_, ok := s.kept[v]
	full := len(s.kept) >= s.most
	s.mu.RUnlock()
	if ok || full || !plainValue(v) {
		return ok
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) < s.most {
		s.kept[v] = struct{}{}
	}
	_, ok = s.kept[v]
	return ok
}

// plainValue reports whether a value can be a name that somebody chose: short, and of
// printable ASCII.
func plainValue(v string) bool {
	return v != "" && len(v) <= maxLabelValue && !strings.ContainsFunc(v, func(r rune) bool { return r < '!' || r > '~' })
}

func joined(values []string) string { return strings.Join(values, "\x00") }
