package checkup

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/config"
)

// Write prints the report for people. The problems are left to the error.
func (r *Report) Write(w io.Writer) error {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	r.writeSettings(t)
	if len(r.Routes) > 0 {
		t.heading("Routes")
	}
	for _, route := range r.Routes {
		t.row("  "+route.Addr, route.Path, route.For)
	}
	r.writeTools(t)
	if len(r.Warnings) > 0 {
		t.heading("Warnings")
	}
	for _, warning := range r.Warnings {
		t.row("  " + warning)
	}
	if len(r.Online) > 0 {
		t.heading("Online")
	}
	for _, item := range r.Online {
		t.row(item.line())
	}
	return t.Flush()
}

// A table aligns the cells of the rows between two headings. Flush reports the first
// error of them all.
type table struct{ *tabwriter.Writer }

func (t *table) heading(text string) { _, _ = fmt.Fprintf(t, "\n%s\n", text) }

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cells[i] = plain.Text(cell); cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
}

func (r *Report) writeSettings(t *table) {
	mode := string(r.Mode)
	if r.Sandbox {
		mode += ", in the sandbox"
	}
	t.row("mode", mode)
	t.row("queue", string(r.Queue.Backend), r.Queue.Because)
	var section config.Section
	for _, s := range r.Settings {
		if s.Section != section {
			section = s.Section
			t.heading(string(section))
		}
		t.row("  "+s.Key, s.Value, s.Where)
	}
}

func (r *Report) writeTools(t *table) {
	if len(r.Tools) > 0 {
		t.heading(fmt.Sprintf("Tools (%d chosen)", len(r.Tools)))
	}
	for _, set := range r.sets() {
		t.row("  "+set[0], set[1])
	}
	for _, tool := range r.Tools {
		if tool.Missing != nil {
			t.row("  hidden", tool.Tool+" lacks "+needs(tool.Missing))
		}
	}
}

// sets lists the toolsets with the names of the tools that are shown.
func (r *Report) sets() [][2]string {
	var list [][2]string
	for _, tool := range r.Tools {
		if tool.Missing != nil {
			continue
		}
		if n := len(list); n == 0 || list[n-1][0] != tool.Toolset {
			list = append(list, [2]string{tool.Toolset, tool.Tool})
		} else {
			list[n-1][1] += ", " + tool.Tool
		}
	}
	return list
}

// line is one item as people read it.
func (i Item) line() string {
	line := fmt.Sprintf("%-8s %s: %s", i.Status, i.Name, i.Found)
	if i.Remedy != "" {
		line += "; " + i.Remedy
	}
	return line
}
