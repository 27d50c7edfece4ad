package embed_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestSurface$ . -update
//go:generate go -C ../../examples/embed mod tidy

var update = flag.Bool("update", false, "write the golden file anew")

// surface are the packages that a program imports which embeds the server.
var surface = []string{"config", "server", "webhook/event", "store/queue", "webhook/worker"}

const golden = "testdata/surface.txt"

// TestSurface holds what programs that embed the server can see of it: a change here
// may break them, so it has to be meant.
func TestSurface(t *testing.T) {
	var b bytes.Buffer
	for _, dir := range surface {
		b.WriteString("package slackmcp/" + dir + "\n\n")
		for _, decl := range exported(t, filepath.Join("..", "..", filepath.FromSlash(dir))) {
			b.WriteString(decl + "\n")
		}
		b.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the exported surface changed: if that is meant, run go generate ./test/embed (-golden +now):\n%s", diff)
	}
}

// exported prints a package's exported declarations without bodies and comments, sorted.
func exported(t *testing.T, dir string) []string {
	t.Helper()
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var decls []string
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(f)
		for _, d := range f.Decls {
			decls = append(decls, split(t, fset, d)...)
		}
	}
	slices.Sort(decls)
	return decls
}

// split prints a declaration; a group of them, one by one.
func split(t *testing.T, fset *token.FileSet, d ast.Decl) []string {
	t.Helper()
	text := func(node any) string {
		var b strings.Builder
		if err := (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 4}).Fprint(&b, fset, node); err != nil {
			t.Fatal(err)
		}
		// Positions leave blank lines where comments were.
		var lines []string
		for line := range strings.Lines(b.String()) {
			if strings.TrimSpace(line) != "" {
				lines = append(lines, strings.TrimRight(line, "\n"))
			}
		}
		return strings.Join(lines, "\n")
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		d.Body = nil
		return []string{text(d)}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		var list []string
		for _, s := range d.Specs {
			list = append(list, d.Tok.String()+" "+text(s))
		}
		return list
	}
	return nil
}
