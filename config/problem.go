package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that keeps the program from starting. It contains no secret.
type Problem struct {
	// Setting is the key it is about, or the name of a file.
	Setting string
	// What is wrong, as a clause that follows the setting: "is missing".
	What string
	// Remedy is what to do, as a sentence without its full stop.
	Remedy string
}

// String is one line: setting, what is wrong, remedy.
func (p Problem) String() string {
	text := p.Setting + " " + p.What
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	return text
}

// An Error is every problem of a configuration, in the order of the table.
type Error struct{ Problems []Problem }

// Error is a readable block: a heading, then a line for each problem.
func (e *Error) Error() string {
	var b strings.Builder
	if len(e.Problems) == 1 {
		b.WriteString("1 problem with the configuration:")
	} else {
		fmt.Fprintf(&b, "%d problems with the configuration:", len(e.Problems))
	}
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	return b.String()
}

// problems gathers what is wrong, at most one problem for each setting, because what
// follows from the first only confuses.
type problems struct{ found []Problem }

func (p *problems) add(setting, what, remedy string) {
	if !p.about(setting) {
		p.found = append(p.found, Problem{Setting: setting, What: what, Remedy: remedy})
	}
}

func (p *problems) about(setting string) bool {
	return slices.ContainsFunc(p.found, func(q Problem) bool { return q.Setting == setting })
}

// err returns the problems in the table's order, those of files first, or nil.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int { return rank(a.Setting) - rank(b.Setting) })
	return &Error{Problems: p.found}
}

func rank(key string) int {
	return slices.IndexFunc(table, func(s Setting) bool { return s.Key == key })
}
