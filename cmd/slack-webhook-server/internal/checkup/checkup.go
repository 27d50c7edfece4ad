// Package checkup says what a configuration comes to before a server runs with it, and
// asks what the server will depend on: Slack, the store, the way in from outside, and
// the clock.
//
// [Foresee] calls no server, and opens nothing but the files of an embedded store, to read
// them. An [Online] check waits at most [Limit] for each thing that it
// asks, publishes nothing, posts nothing but Slack's url_verification, and opens no Socket
// Mode connection. Neither promises that the next start succeeds: a port may be taken by
// then.
//
// No secret is in a report. The caller still passes it through config.Config.Scrubbed,
// because errors of other libraries are in it.
package checkup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/toolset"
	"slackmcp/server"
	"slackmcp/slackapi"
	"slackmcp/store/sqlite"
)

// A Report is what a configuration comes to.
type Report struct {
	Mode     config.Mode `json:"mode"`
	Sandbox  bool        `json:"sandbox"`
	Settings []Setting   `json:"settings"`
	Queue    Queue       `json:"queue"`
	// Store is how the files of an embedded store are; nil where there is none.
	Store    *Integrity     `json:"store,omitempty"`
	Routes   []server.Route `json:"routes"`
	Tools    []mcp.Offered  `json:"tools"`
	Warnings []string       `json:"warnings,omitempty"`
	Problems []Problem      `json:"problems,omitempty"`
	// Online are the results of an online check; nil when there was none.
	Online []Item `json:"online,omitempty"`
}

// A Setting is one row of the table with its value in force.
type Setting struct {
	Section config.Section `json:"section"`
	Key     string         `json:"key"`
	// Value is as config.Config.Shown gives it.
	Value string            `json:"value"`
	Kind  config.OriginKind `json:"from"`
	// Where names the flag, the variable, or the line of the file.
	Where string `json:"where"`
}

// Queue is the backend and why it was chosen.
type Queue struct {
	Backend config.Backend `json:"backend"`
	Because string         `json:"because"`
}

// Integrity is what was found of the files of an embedded store.
type Integrity struct {
	Events int64 `json:"events"`
	// Deep says that everything was read, and not a sample.
	Deep  bool `json:"deep"`
	Whole bool `json:"whole"`
}

// A Problem is a config.Problem as programs read it.
type Problem struct {
	Setting string `json:"setting"`
	What    string `json:"what"`
	Remedy  string `json:"remedy,omitempty"`
}

// Foresee makes the report of a configuration, and finds the problems that a start would
// meet after those of loading, which come as loaded. Of an embedded store it reads a sample,
// or with deep everything. The error is an *config.Error with all of them; the report is
// whole as far as it can be also then.
func Foresee(ctx context.Context, c config.Config, loaded error, deep bool) (Report, error) {
	r := Report{
		Mode: c.Mode, Sandbox: c.Sandbox, Queue: Queue{c.Queue.Backend, c.Queue.Because},
		Routes: []server.Route{}, Tools: []mcp.Offered{}, Warnings: c.Warnings,
	}
	for _, s := range config.Settings() {
		from := c.Origin(s.Key)
		r.Settings = append(r.Settings, Setting{s.Section, s.Key, c.Shown(s.Key), from.Kind, from.String()})
	}
	found, ok := errors.AsType[*config.Error](loaded)
	if loaded != nil && !ok {
		return r, loaded
	}
	var all []config.Problem
	if ok {
		all = found.Problems
	}
	unusable := dataDir(c)
	all = append(all, unusable...)
	if w := config.SharedDataDir(c.Queue.DataDir); w != "" && c.NeedsDataDir() {
		r.Warnings = append(r.Warnings, w)
	}
	if len(unusable) == 0 {
		all = append(all, r.integrity(ctx, c, deep)...)
	}
	r.tools(c)
	// What does not load has no routes, and would only repeat its problems.
	if !ok {
		all = append(all, r.compose(ctx, c)...)
		r.Warnings = append(r.Warnings, server.SourceWarnings(c)...)
	}
	for _, p := range all {
		r.Problems = append(r.Problems, Problem(p))
	}
	if len(all) == 0 {
		return r, nil
	}
	told := &config.Error{Problems: all}
	if ok {
		told.Warnings = found.Warnings // as the start tells them
	}
	return r, told
}

// choice is what the settings say of the tools.
func choice(c config.Config) toolset.Choice {
	return toolset.Choice{Toolsets: c.MCP.Toolsets, Tools: c.MCP.Tools, ReadOnly: c.MCP.ReadOnly}
}

// offer lists the tools of a grant. Every mode with an MCP side has Slack: without a
// token it does not start.
func offer(c config.Config, of toolset.Choice, g toolset.Grant) ([]mcp.Offered, error) {
	return mcp.Offer(of, true, c.Mode.Webhook(), g)
}

// tools fills in what would be offered. A name that is unknown is a problem of loading.
func (r *Report) tools(c config.Config) {
	if !c.Mode.MCP() {
		return
	}
	g := toolset.Grant{HasUser: c.Sandbox || c.Slack.UserToken.IsSet(), Alone: !c.Sandbox && c.Slack.UserAlone()}
	if list, err := offer(c, choice(c), g); err == nil {
		r.Tools = list
	}
}

// compose makes what a start makes, as far as that opens and calls nothing.
func (r *Report) compose(ctx context.Context, c config.Config) []config.Problem {
	var problems []config.Problem
	add := func(what string, err error) {
		if err != nil {
			problems = append(problems, config.Problem{Setting: what, What: "cannot be used", Remedy: err.Error()})
		}
	}
	if c.Slack.BotToken.IsSet() || c.Slack.UserAlone() {
		_, err := newClient(c, nil)
		add("SLACK_BOT_TOKEN, SLACK_USER_TOKEN or SLACK_API_URL", err)
	}
	routes, err := server.Routes(ctx, c)
	add("the server", err)
	r.Routes = append(r.Routes, routes...)
	return problems
}

// newClient makes the client as the server does, with a transport to listen in on.
func newClient(c config.Config, d *dates) (*slackapi.Client, error) {
	o := slackapi.Options{
		BotToken: c.Slack.BotToken.Reveal(), UserToken: c.Slack.UserToken.Reveal(), URL: c.Slack.APIURL,
		Timeout: Limit, AttemptTimeout: Limit,
	}
	if d != nil {
		o.Transport = d
	}
	return slackapi.New(o)
}

// dataDir finds out whether the directory can be used, and makes none.
func dataDir(c config.Config) []config.Problem {
	if !c.NeedsDataDir() {
		return nil
	}
	dir := filepath.Clean(c.Queue.DataDir)
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, os.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err == nil && info.IsDir() && at != dir:
			return nil // the start makes it
		}
		bad, ok := errors.AsType[*config.Error](config.PrepareDataDir(dir)) // it is there, or cannot be made
		if !ok {
			return nil
		}
		return bad.Problems
	}
}

// integrity looks at the files of the embedded store, and makes none. A server may own them.
func (r *Report) integrity(ctx context.Context, c config.Config, deep bool) []config.Problem {
	if !c.Receives() || c.Queue.Backend != config.SQLite {
		return nil
	}
	found, err := sqlite.Check(ctx, filepath.Clean(c.Queue.DataDir), c.Queue.Topic, deep)
	problems := make([]config.Problem, 0, len(found.Problems))
	for _, d := range found.Problems {
		problems = append(problems, config.Problem{Setting: "DATA_DIR", What: "has a damaged store: " + d.Path + " " + d.What, Remedy: d.Remedy})
	}
	if err != nil {
		problems = append(problems, config.Problem{Setting: "DATA_DIR", What: "has a store that cannot be looked at (" + err.Error() + ")", Remedy: remedy(config.SQLite)})
	}
	if found.Exists {
		r.Store = &Integrity{Events: found.Events, Deep: deep, Whole: len(problems) == 0}
	}
	return problems
}

// String is what was found, in words.
func (i *Integrity) String() string {
	switch {
	case !i.Whole:
		return "damaged"
	case i.Deep:
		return fmt.Sprintf("%d events, all read", i.Events)
	}
	return fmt.Sprintf("%d events, looked at some (--deep reads all)", i.Events)
}

// Limit bounds each thing that is asked.
const Limit = 10 * time.Second

// A Status is how one check ended.
type Status string

// The ways a check ends.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
)

// An Item is one line of an online check.
type Item struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Found says what was seen; Remedy what to do, "" where nothing is to be done.
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// Failures counts the items that failed.
func Failures(items []Item) int {
	n := 0
	for _, i := range items {
		if i.Status == Failed {
			n++
		}
	}
	return n
}

// within gives one check its time.
func within[T any](ctx context.Context, ask func(context.Context) T) T {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	return ask(ctx)
}

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
	if r.Store != nil {
		t.row("store", r.Store.String())
	}
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
