package yamldoc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong with a file.
type Problem struct {
	// Line counts from 1; 0 is the file as a whole.
	Line int
	// What is wrong, beginning with the field's name.
	What string
	// Remedy is what to do, without a full stop.
	Remedy string
}

// String is "line 7: what: remedy".
func (p Problem) String() string {
	s := p.What
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return s
}

// An Error is every problem of a file, by line.
type Error struct {
	File     string
	Problems []Problem
}

// Error is a heading and a line for each problem.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s cannot be used:", e.File)
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	return b.String()
}

// maxProblems bounds what is told of one file.
const maxProblems = 100

// A Reader gathers the problems while a file is read.
type Reader struct{ problems []Problem }

// Problem notes what is wrong.
func (r *Reader) Problem(line int, what, remedy string) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{Line: line, What: what, Remedy: remedy})
	}
}

func (r *Reader) err(file string) error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{File: file, Problems: r.problems}
}

// nearest returns the known name that somebody may have meant.
func nearest(name string, known []string) (string, bool) {
	best, at := 3, ""
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < best && d < len(k) {
			best, at = d, k
		}
	}
	return at, at != ""
}

// distance is the number of letters that two words differ by (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
