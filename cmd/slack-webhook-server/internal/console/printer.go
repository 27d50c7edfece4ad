package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Format is how results are written.
type Format string

// The formats. Auto is Table on a terminal and JSONL elsewhere.
const (
	Auto  Format = "auto"
	Table Format = "table"
	JSON  Format = "json"
	JSONL Format = "jsonl"
)

// Formats lists the words of the flag --output.
func Formats() []string { return []string{string(Auto), string(Table), string(JSON), string(JSONL)} }

// A Printer writes results. It is not safe for concurrent use.
type Printer struct {
	Out io.Writer
	// Terminal says that a person reads Out, Format what that person asked for.
	Terminal bool
	Format   Format
	// Width bounds a table's lines, in columns; 0 is no bound.
	Width int
}

// Format returns the format in force.
func (p *Printer) format() Format {
	if p.Format == Auto || p.Format == "" {
		if p.Terminal {
			return Table
		}
		return JSONL
	}
	return p.Format
}

// People reports that tables are written, which have no place for the details.
func (p *Printer) People() bool { return p.format() == Table }

// A Column is one column of a table of T.
type Column[T any] struct {
	Name string
	// Max bounds the cell, in columns of the screen; 0 is no bound.
	Max int
	// Right aligns at the right, as numbers are.
	Right bool
	Cell  func(T) string
}

// List writes items: a table, one JSON value (whole, which holds them), or one a line.
// none is what a person is told when there is no item.
func List[T any](p *Printer, columns []Column[T], items []T, whole any, none string) error {
	switch p.format() {
	case JSON:
		return p.Value(whole)
	case JSONL:
		for _, item := range items {
			if err := p.line(item); err != nil {
				return err
			}
		}
		return nil
	case Auto, Table:
	}
	if len(items) == 0 {
		_, err := fmt.Fprintln(p.Out, none)
		return err
	}
	return p.table(render(columns, items, p.Width))
}

func (p *Printer) table(s string) error {
	_, err := io.WriteString(p.Out, s+"\n")
	return err
}

func render[T any](columns []Column[T], items []T, width int) string {
	w := table.NewWriter()
	w.SetStyle(plainStyle())
	if width > 0 {
		w.Style().Size.WidthMax = width
	}
	head := table.Row{}
	var configs []table.ColumnConfig
	for i, c := range columns {
		head = append(head, c.Name)
		config := table.ColumnConfig{Number: i + 1, WidthMax: c.Max, WidthMaxEnforcer: snip}
		if c.Right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	w.AppendHeader(head)
	w.SetColumnConfigs(configs)
	for _, item := range items {
		var row table.Row
		for _, c := range columns {
			row = append(row, Plain(c.Cell(item)))
		}
		w.AppendRow(row)
	}
	return trailing.ReplaceAllString(w.Render(), "")
}

// trailing are the spaces that fill up the last column.
var trailing = regexp.MustCompile(`(?m) +$`)

// plainStyle has spaces between the columns and nothing else.
func plainStyle() table.Style {
	s := table.StyleDefault
	s.Options = table.OptionsNoBordersAndSeparators
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatUpper
	return s
}

// Value writes one value as indented JSON, for people and programs alike, or as one line
// where lines were asked for.
func (p *Printer) Value(v any) error {
	if p.format() == JSONL {
		return p.line(v)
	}
	return p.encode(v, "  ")
}

func (p *Printer) line(v any) error { return p.encode(v, "") }

func (p *Printer) encode(v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := p.Out.Write(escapeJSON(b.Bytes()))
	return err
}

// snip cuts a cell to what its column takes.
func snip(s string, most int) string { return text.Snip(s, most, "…") }

// Line writes one value as a line of JSON at once, for a stream of values.
func (p *Printer) Line(v any) error { return p.line(v) }

// Line writes one row of a table that has no end: each cell as wide as its column may be,
// the last one as wide as it is.
func Line[T any](p *Printer, columns []Column[T], item T) error {
	var b bytes.Buffer
	for i, c := range columns {
		cell := Plain(c.Cell(item))
		if c.Max > 0 {
			cell = snip(cell, c.Max)
		}
		if i < len(columns)-1 {
			cell = text.Pad(cell, lineWidth(c.Max), ' ') + "  "
		}
		b.WriteString(cell)
	}
	_, err := p.Out.Write(append(bytes.TrimRight(b.Bytes(), " "), '\n'))
	return err
}

// lineWidth is how wide a column of a table without end is.
func lineWidth(most int) int {
	const usual = 19 // a date and a time
	if most == 0 {
		return usual
	}
	return min(most, usual)
}
