package event

import (
	"iter"
	"net/http"
	"strings"
)

// Headers are those of a delivery's headers that its source names, as lines "Name: value" that
// each end with a newline, in the order of their names. The zero value has none. All other headers
// of a delivery are not kept.
type Headers string

// HeaderPlace is how the place of a header begins where other places are paths in the body.
const HeaderPlace = "header:"

// MaxHeaderValue is how many bytes the value of a header has at most that is kept: a longer one
// counts as absent.
const MaxHeaderValue = 1024

// KeepHeaders returns those of the named headers that a request has; names are canonical. The
// values of one that is there several times are joined by a comma.
func KeepHeaders(h http.Header, names []string) Headers {
	var b strings.Builder
	for _, name := range names {
		value := strings.Join(h[name], ", ")
		if value == "" || len(value) > MaxHeaderValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			continue
		}
		b.WriteString(name + ": " + value + "\n")
	}
	return Headers(b.String())
}

// All yields the names, which are canonical, and the values.
func (h Headers) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for line := range strings.Lines(string(h)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if !yield(name, value) {
				return
			}
		}
	}
}

// Get returns the value of a header, whose name may be written in any case.
func (h Headers) Get(name string) (value string, ok bool) {
	name = http.CanonicalHeaderKey(name)
	for n, v := range h.All() {
		if n == name {
			return v, true
		}
	}
	return "", false
}

// Map returns the values by name; nil when there are none.
func (h Headers) Map() map[string]string {
	var m map[string]string
	for name, value := range h.All() {
		if m == nil {
			m = map[string]string{}
		}
		m[name] = value
	}
	return m
}
