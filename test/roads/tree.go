package main

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is what import paths of the tree begin with.
const module = "slackmcp/"

// support are the folders of what tests, tries or imitates, and is no part of the product:
// a file counts when one of them is a folder above it.
var support = []string{
	"test", "examples", "internal/arch", "internal/requires", "internal/testservers", "slackapi/sandbox",
	"cmd/slack-webhook-server/internal/selftest", "cmd/slack-webhook-server/internal/bench",
}

// product says whether a file is part of the product. Packages whose name ends in "test"
// are suites for tests.
func product(name string) bool {
	dir := path.Dir(name)
	if strings.HasSuffix(dir, "test") {
		return false
	}
	return !slices.ContainsFunc(support, func(s string) bool { return dir == s || strings.HasPrefix(dir, s+"/") })
}

// A tree is what is counted of the sources.
type tree struct {
	Files       int `json:"files"`        // that are no tests
	Lines       int `json:"lines"`        // in these
	Median      int `json:"median_lines"` // of a file
	Long        int `json:"long_functions"`
	Product     int `json:"product_lines"` // without test support and sandbox
	ProductCode int `json:"product_code"`  // of these, those that are neither blank nor comments only
	ProductSize int `json:"product_files"`
}

// longFunction is the length above which a function is counted as long.
const longFunction = 60

// count reads a tree.
func count(root string) (tree, error) {
	var t tree
	var lengths []int
	names, err := sources(root)
	if err != nil {
		return t, err
	}
	for _, name := range names {
		lines, code, err := length(filepath.Join(root, name))
		if err != nil {
			return t, err
		}
		all, _, err := functions(filepath.Join(root, name))
		if err != nil {
			return t, err
		}
		lengths = append(lengths, lines)
		t.Files, t.Lines = t.Files+1, t.Lines+lines
		for _, fn := range all {
			if fn.Lines > longFunction {
				t.Long++
			}
		}
		if product(name) {
			t.ProductSize, t.Product, t.ProductCode = t.ProductSize+1, t.Product+lines, t.ProductCode+code
		}
	}
	if len(lengths) > 0 {
		slices.Sort(lengths)
		t.Median = lengths[len(lengths)/2]
	}
	return t, nil
}

// sources lists the Go files that are no tests, by their paths from the root.
func sources(root string) (names []string, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// length counts the lines of a file, and those that hold code.
func length(name string) (lines, code int, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, 0, err
	}
	set := token.NewFileSet()
	f := set.AddFile(name, -1, len(b))
	var s scanner.Scanner
	s.Init(f, b, nil, 0)
	last := 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return strings.Count(string(b), "\n"), code, nil
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue
		}
		from := f.Line(pos)
		to := from + strings.Count(lit, "\n") // a raw string may have several lines
		code += to - max(from, last+1) + 1
		last = max(last, to)
	}
}
