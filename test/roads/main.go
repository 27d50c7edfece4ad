// Command roads measures how much of the program a colleague has to read to follow one
// request: it runs the server, built with a counter in every block, along four roads
// with 40 requests each, subtracts what an idle server with the same clients runs in the
// same time, and counts the functions that run at least once in two requests, with their
// files and packages. It also counts the tree.
//
//	go run ./test/roads                              # a table
//	go run ./test/roads -list 1                      # the functions of road 1, by file
//	go run ./test/roads -json                        # all of it, for programs
//	go run ./test/roads -tree ../old                 # another tree
//	go run ./test/roads -write docs/roads.md         # also keeps the figures there
//
// Only functions of the product count: no generated file, no test support, and not the
// sandbox, which plays Slack in this process.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"

	"slackmcp/test/internal/driver"
)

// options are the command's flags.
type options struct {
	tree, server, write string
	list, only          int
	asJSON              bool
}

func main() {
	var o options
	flag.StringVar(&o.tree, "tree", ".", "root of the sources to measure")
	flag.StringVar(&o.server, "server", "", "a binary of the tree that was built with -cover -covermode=count -coverpkg=./...; empty builds one")
	flag.IntVar(&o.only, "road", 0, "measure this road only, 1 to 4")
	flag.IntVar(&o.list, "list", 0, "list the functions of this road by file, 1 to 4")
	flag.BoolVar(&o.asJSON, "json", false, "print JSON")
	flag.StringVar(&o.write, "write", "", "also write the figures and the lists of files to this document, between their markers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "roads:", err)
		os.Exit(1)
	}
}

// A report is everything that is measured. A road that was not asked for is empty.
type report struct {
	Roads []visit `json:"roads"`
	Tree  tree    `json:"tree"`
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.list > 0 {
		o.only = o.list
	}
	var r report
	var err error
	if r.Tree, err = count(o.tree); err != nil {
		return err
	}
	if o.server == "" {
		dir, err := os.MkdirTemp("", "roads-build")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.server = filepath.Join(dir, "server")
		if err := build(ctx, o.tree, o.server); err != nil {
			return err
		}
	}
	if r.Roads, err = measureAll(ctx, o); err != nil {
		return err
	}
	switch {
	case o.asJSON:
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	case o.list > 0:
		list(out, r.Roads[0])
	default:
		fmt.Fprint(out, table(r))
	}
	if o.write != "" {
		err = errors.Join(err, write(o.write, r))
	}
	return err
}

// build makes a binary that counts.
func build(ctx context.Context, tree, name string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-cover", "-covermode=count", "-coverpkg=./...", "-o", name, "./cmd/slack-webhook-server")
	cmd.Dir = tree
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// measureAll measures the roads side by side: they wait most of the time.
func measureAll(ctx context.Context, o options) ([]visit, error) {
	all := roads()
	if o.only < 0 || o.only > len(all) {
		return nil, fmt.Errorf("there is no road %d: name one of 1 to %d", o.only, len(all))
	}
	if o.only > 0 {
		all = all[o.only-1 : o.only]
	}
	visits, errs := make([]visit, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() {
			visits[i], errs[i] = measure(ctx, o.tree, o.server, r)
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", r.name, errs[i])
			}
		})
	}
	wg.Wait()
	return visits, errors.Join(errs...)
}

// table prints the figures for people.
func table(r report) string {
	var b strings.Builder
	b.WriteString("| road | packages | files | functions |\n|---|---:|---:|---:|\n")
	for _, v := range r.Roads {
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", v.Road, v.Packages, v.Files, v.Functions)
	}
	t := r.Tree
	b.WriteString("\n| tree | |\n|---|---:|\n")
	for _, row := range []struct {
		what string
		n    int
	}{
		{"Go files that are no tests", t.Files},
		{"lines in them", t.Lines},
		{"median lines of a file", t.Median},
		{"functions of more than 60 lines", t.Long},
		{"product: files", t.ProductSize},
		{"product: lines", t.Product},
		{"product: lines of code", t.ProductCode},
	} {
		fmt.Fprintf(&b, "| %s | %d |\n", row.what, row.n)
	}
	return b.String()
}

// list prints the functions of a road by file.
func list(out io.Writer, v visit) {
	fmt.Fprintf(out, "%s: %d packages, %d files, %d functions\n", v.Road, v.Packages, v.Files, v.Functions)
	for _, f := range v.Visited {
		fmt.Fprintf(out, "%s (%d)\n", f.Path, len(f.Functions))
		for _, fn := range f.Functions {
			fmt.Fprintf(out, "\t%s:%d (%d lines)\n", fn.Name, fn.Line, fn.Lines)
		}
	}
}

// write puts the tables and the files of each road between the markers of a document.
func write(name string, r report) error {
	var text strings.Builder
	text.WriteString(table(r))
	for _, v := range r.Roads {
		fmt.Fprintf(&text, "\n### %s\n\n", v.Road)
		for _, f := range v.Visited {
			var names []string
			for _, fn := range f.Functions {
				names = append(names, fn.Name)
			}
			fmt.Fprintf(&text, "- `%s`: %s\n", f.Path, strings.Join(names, ", "))
		}
	}
	return driver.Replace(name, "roads", text.String())
}
