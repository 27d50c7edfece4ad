package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"slackmcp/cmd/slack-webhook-server/internal/console"
)

// hostile moves the cursor, changes colours, turns text around and hides it.
const hostile = "a\x1b[2J\x1b]0;title\x07b\u009b31mc\u202ed\u2066e\x7ff\U000e0041g\r\nh\ti\u2028j\xffk"

type row struct{ Text string }

func columns(most int) []console.Column[row] {
	return []console.Column[row]{
		{Name: "text", Max: most, Cell: func(r row) string { return r.Text }},
		{Name: "n", Right: true, Cell: func(r row) string { return "1" }},
	}
}

// TestNothingHarmfulReachesATerminal in any format.
func TestNothingHarmfulReachesATerminal(t *testing.T) {
	for _, format := range []console.Format{console.Table, console.JSON, console.JSONL} {
		var out bytes.Buffer
		p := &console.Printer{Out: &out, Format: format}
		items := []row{{hostile}}
		if err := errors.Join(console.List(p, columns(0), items, items, ""), console.Line(p, columns(0), items[0]), p.Value(items[0]), p.Line(items[0])); err != nil {
			t.Fatal(err)
		}
		for _, r := range out.String() {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028') {
				t.Errorf("%s: %q reaches the terminal in %q", format, r, out.String())
			}
		}
	}
}

func TestJSONSaysTheSame(t *testing.T) {
	var out bytes.Buffer
	p := &console.Printer{Out: &out, Format: console.JSONL}
	if err := p.Line(row{hostile}); err != nil {
		t.Fatal(err)
	}
	var got row
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if want := strings.ToValidUTF8(hostile, "\ufffd"); got.Text != want {
		t.Errorf("read back %q, want %q", got.Text, want)
	}
}

func TestFormats(t *testing.T) {
	items := []row{{"one"}, {"漢字 with wide characters"}}
	whole := map[string]any{"items": items}
	for name, tc := range map[string]struct {
		p    console.Printer
		want string
	}{
		"a terminal":     {console.Printer{Terminal: true}, "TEXT          N\none           1\n漢字 with w…  1\n"},
		"a pipe":         {console.Printer{}, "{\"Text\":\"one\"}\n{\"Text\":\"漢字 with wide characters\"}\n"},
		"json":           {console.Printer{Terminal: true, Format: console.JSON}, "{\n  \"items\": [\n    {\n      \"Text\": \"one\"\n    },\n    {\n      \"Text\": \"漢字 with wide characters\"\n    }\n  ]\n}\n"},
		"a table, piped": {console.Printer{Format: console.Table}, "TEXT          N\none           1\n漢字 with w…  1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			tc.p.Out = &out
			if err := console.List(&tc.p, columns(12), items, whole, "none"); err != nil {
				t.Fatal(err)
			}
			if out.String() != tc.want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), tc.want)
			}
		})
	}
	var out bytes.Buffer
	if err := console.List(&console.Printer{Out: &out, Format: console.Table}, columns(0), nil, whole, "There is none."); err != nil || out.String() != "There is none.\n" {
		t.Errorf("an empty table: %q, %v", out.String(), err)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]error{"y\n": nil, "YES\n": nil, "n\n": console.ErrRefused, "\n": console.ErrRefused, "": console.ErrRefused, "yep\n": console.ErrRefused} {
		var out bytes.Buffer
		if err := console.Confirm(t.Context(), strings.NewReader(answer), &out, "Really?"); !errors.Is(err, want) {
			t.Errorf("answer %q: %v, want %v", answer, err, want)
		}
		if out.String() != "Really? [y/N] " {
			t.Errorf("asked %q", out.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, writer := io.Pipe()
	defer writer.Close()
	if err := console.Confirm(ctx, in, io.Discard, "Really?"); !errors.Is(err, console.ErrRefused) {
		t.Errorf("interrupted: %v, want ErrRefused", err)
	}
}

func TestGuard(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	g := &console.Guard{File: file}
	const text = "plain ü 日本\t\n\x1b[2J\u202eright\u2066\u200b\r\x9b\u009b\x07 \U000e0001 end\n"
	want := "plain ü 日本\t\n\\u001b[2J\\u202eright\\u2066\\u200b\\u000d\\ufffd\\u009b\\u0007 \\udb40\\udc01 end\n"
	for _, b := range []byte(text) { // Characters come in pieces, too.
		if n, err := g.Write([]byte{b}); n != 1 || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	if _, err := io.Copy(g, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file.Name()); err != nil || string(got) != want+want {
		t.Errorf("written is %q (%v), want twice %q", got, err, want)
	}
}

func TestProgressIsForPeople(t *testing.T) {
	var out bytes.Buffer
	p := console.NewProgress(&out, false, "redrive", 10)
	p.Set(5)
	p.Done()
	if out.Len() != 0 {
		t.Errorf("without a terminal %q is written", out.String())
	}
	p = console.NewProgress(&out, true, "redrive", 10)
	p.Set(5)
	p.Done()
	if !strings.Contains(out.String(), "5/10") {
		t.Errorf("on a terminal %q is written, want the count", out.String())
	}
}
