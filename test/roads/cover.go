package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A visit is what one road runs.
type visit struct {
	Road      string `json:"road"`
	Packages  int    `json:"packages"`
	Files     int    `json:"files"`
	Functions int    `json:"functions"`
	Visited   []file `json:"visited"`
}

// A file is one that a road visits, with the functions that run there.
type file struct {
	Path      string     `json:"path"`
	Functions []function `json:"functions"`
}

// A function is named as in `go tool cover -func`, with its receiver.
type function struct {
	Name  string `json:"name"`
	Line  int    `json:"line"`
	Lines int    `json:"lines"`
}

// measure drives a road and returns what ran more often than in an idle run, which has
// the same clients and lasts as long.
func measure(ctx context.Context, tree, server string, r road) (visit, error) {
	dir, err := os.MkdirTemp("", "roads-cover")
	if err != nil {
		return visit{}, err
	}
	defer os.RemoveAll(dir)
	idle, driven := filepath.Join(dir, "idle"), filepath.Join(dir, "driven")
	if err := errors.Join(os.Mkdir(idle, 0o700), os.Mkdir(driven, 0o700)); err != nil {
		return visit{}, err
	}
	var both sync.WaitGroup
	var errs [2]error
	done := make(chan struct{})
	both.Go(func() {
		errs[0] = r.run(ctx, server, idle, func(*stage) error { <-done; return nil })
	})
	errs[1] = r.run(ctx, server, driven, func(s *stage) error { return r.drive(ctx, s) })
	close(done)
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return visit{}, err
	}
	before, err := counters(ctx, idle)
	if err != nil {
		return visit{}, err
	}
	after, err := counters(ctx, driven)
	if err != nil {
		return visit{}, err
	}
	return compare(tree, r.name, before, after)
}

// A block is a piece of a file without a branch, as the compiler counts it.
type block struct {
	file string // its import path
	line int
}

// counters reads how often each block ran.
func counters(ctx context.Context, dir string) (map[block]int, error) {
	text := filepath.Join(dir, "text")
	if out, err := exec.CommandContext(ctx, "go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+text).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("covdata: %w\n%s", err, out)
	}
	b, err := os.ReadFile(text)
	if err != nil {
		return nil, err
	}
	counts := map[block]int{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		// path/file.go:from.column,to.column statements count
		name, rest, ok := strings.Cut(lines.Text(), ".go:")
		if !ok {
			continue
		}
		line, err := strconv.Atoi(rest[:strings.IndexByte(rest, '.')])
		if err != nil {
			return nil, err
		}
		fields := strings.Fields(rest)
		n, err := strconv.Atoi(fields[len(fields)-1])
		if err != nil {
			return nil, err
		}
		counts[block{name + ".go", line}] += n
	}
	if len(counts) == 0 {
		return nil, errors.New("the run wrote no counters")
	}
	return counts, nil
}

// often is how many times more than in the idle run a block has to run. What happens
// now and then, such as a heartbeat, is not part of the road.
const often = requests / 2

// compare finds the functions of the product that the requests ran.
func compare(tree, name string, idle, driven map[block]int) (visit, error) {
	v := visit{Road: name}
	more := increase(idle, driven)
	packages := map[string]bool{}
	for _, imported := range slices.Sorted(maps.Keys(more)) {
		short := strings.TrimPrefix(imported, module)
		if !product(short) {
			continue
		}
		all, generated, err := functions(filepath.Join(tree, filepath.FromSlash(short)))
		if err != nil {
			return visit{}, err
		}
		ran := slices.DeleteFunc(all, func(fn function) bool { return generated || !fn.ran(more[imported]) })
		if len(ran) > 0 {
			packages[path.Dir(short)] = true
			v.Visited = append(v.Visited, file{short, ran})
			v.Functions += len(ran)
		}
	}
	v.Packages, v.Files = len(packages), len(v.Visited)
	return v, nil
}

// increase is how much more often than in the idle run a block ran, by file and line, where
// that is often.
func increase(idle, driven map[block]int) map[string]map[int]int {
	more := map[string]map[int]int{}
	for b, n := range driven {
		if n -= idle[b]; n < often {
			continue
		}
		if more[b.file] == nil {
			more[b.file] = map[int]int{}
		}
		more[b.file][b.line] = n
	}
	return more
}

// ran says whether one of the function's blocks is among those that ran.
func (f function) ran(more map[int]int) bool {
	for n := range f.Lines {
		if more[f.Line+n] > 0 {
			return true
		}
	}
	return false
}

// functions lists the functions and methods of a file, in order.
func functions(name string) (list []function, generated bool, err error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, false, err
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			from, to := set.Position(fn.Pos()).Line, set.Position(fn.End()).Line
			list = append(list, function{Name: nameOf(fn), Line: from, Lines: to - from + 1})
		}
	}
	return list, ast.IsGenerated(f), nil
}

func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	receiver := fn.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}
