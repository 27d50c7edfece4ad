// Package console is how commands speak: tables for people, JSON for programs, progress
// while something takes long, and a question before something cannot be undone. What
// others wrote is made harmless to a terminal in all of them.
package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/schollz/progressbar/v3"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
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
// none is what a person sees when there is no item.
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

// Plain makes a text of others fit for one cell of a table: one line, without characters
// that would move the cursor, change colours or hide or turn around what stands there.
func Plain(text string) string {
	return strings.Join(strings.Fields(plain.Text(text)), " ")
}

// escapeJSON writes the control and format characters of a JSON text as \u escapes, in
// which it says the same. In JSON they can only stand inside strings.
func escapeJSON(b []byte) []byte {
	if !bytes.ContainsFunc(b, harmful) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case !harmful(r):
			out = append(out, b[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// harmful reports a character that a terminal may act on, or that hides what is read;
// line ends between values are not.
func harmful(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', r == utf8.RuneError, r == '\u2028', r == '\u2029':
		return true
	}
	return r >= 0x7f && unicode.In(r, unicode.Cc, unicode.Cf)
}

// A Guard is a terminal that what others wrote cannot act on: characters that would move the
// cursor, change colours, or hide or turn around what stands there are written as \u escapes,
// as JSON has them. It is safe for concurrent use.
type Guard struct {
	*os.File

	mu   sync.Mutex
	rest []byte // the beginning of a character that is not whole yet; guarded by mu
}

// Write writes b, made harmless.
func (g *Guard) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := append(g.rest, b...)
	g.rest = nil
	for cut := max(len(text)-utf8.UTFMax, 0); cut < len(text); cut++ {
		if utf8.RuneStart(text[cut]) && !utf8.FullRune(text[cut:]) {
			text, g.rest = text[:cut], bytes.Clone(text[cut:])
		}
	}
	if _, err := g.File.Write(escapeJSON(text)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteString is Write.
func (g *Guard) WriteString(s string) (int, error) { return g.Write([]byte(s)) }

// ReadFrom copies what r gives.
func (g *Guard) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{g}, r)
}

// ErrRefused says that a person answered no.
var ErrRefused = errors.New("nothing was changed")

// Confirm asks a person a question and returns nil for yes. It reads one line of in; when
// ctx ends first the answer is no.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	if _, err := fmt.Fprintf(out, "%s [y/N] ", question); err != nil {
		return err
	}
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // the end of in is no
		answer <- line
	}()
	select {
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
	case <-ctx.Done():
	}
	return ErrRefused
}

// A Progress shows a person how far long work has come. Without a person, and when it is
// nil, it shows nothing.
type Progress struct {
	bar *progressbar.ProgressBar
}

// NewProgress begins to show work on total things; fewer than 0 is a number that is not
// known.
func NewProgress(out io.Writer, terminal bool, what string, total int64) *Progress {
	if !terminal || total == 0 {
		return &Progress{}
	}
	return &Progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true), progressbar.OptionSpinnerType(14))}
}

// Set says how many things are done.
func (p *Progress) Set(done int64) {
	if p != nil && p.bar != nil {
		_ = p.bar.Set64(done) // The work goes on when the bar cannot be drawn.
	}
}

// Done takes the bar away.
func (p *Progress) Done() {
	if p != nil && p.bar != nil {
		_ = p.bar.Clear() // likewise
	}
}
