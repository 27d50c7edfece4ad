package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// A Stream writes a long list as [List] does, item by item, so that the list need not be in
// memory: of a table its items are kept, which should be small. It is used by one goroutine.
type Stream[T any] struct {
	Printer *Printer
	Columns []Column[T]
	// Member is the name of the list in the JSON object.
	Member string
	// None is what a person sees when there is no item.
	None string

	items []T
	n     int
}

// Add writes one item.
func (s *Stream[T]) Add(item T) error {
	s.n++
	switch s.Printer.format() {
	case JSONL:
		return s.Printer.line(item)
	case JSON:
		before := ",\n    "
		if s.n == 1 {
			before = fmt.Sprintf("{\n  %q: [\n    ", s.Member)
		}
		return s.write(before, item, "    ")
	case Auto, Table:
	}
	s.items = append(s.items, item)
	return nil
}

// End writes what follows the list: rest is an object, whose members are beside the list in
// the JSON object.
func (s *Stream[T]) End(rest any) error {
	switch s.Printer.format() {
	case JSONL:
		return nil
	case JSON:
		before := "\n  ]"
		if s.n == 0 {
			before = fmt.Sprintf("{\n  %q: []", s.Member)
		}
		return s.write(before, rest, "")
	case Auto, Table:
	}
	if s.n == 0 {
		_, err := fmt.Fprintln(s.Printer.Out, s.None)
		return err
	}
	return s.Printer.table(render(s.Columns, s.items, s.Printer.Width))
}

// write writes a value behind what stands before it. Of the object with which a document
// ends, whose lines are not indented, the beginning is left out: it has begun already.
func (s *Stream[T]) write(before string, v any, prefix string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	text := b.Bytes()
	switch {
	case prefix != "":
		text = bytes.TrimRight(text, "\n")
	case bytes.Equal(text, []byte("{}\n")):
		text = []byte("\n}\n")
	default:
		text = append([]byte(","), text[1:]...)
	}
	if _, err := io.WriteString(s.Printer.Out, before); err != nil {
		return err
	}
	_, err := s.Printer.Out.Write(escapeJSON(text))
	return err
}
