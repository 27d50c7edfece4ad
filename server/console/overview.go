package console

import (
	"net/http"
	"slices"
	"strings"

	"slackmcp/mcp/transport"
	"slackmcp/server/web"
)

// health shows how the server is, in words with remedies, and its last hour.
func (c *Console) health(r *http.Request) (any, error) {
	return struct {
		Report web.Report
		Charts []chart
	}{c.opt.Health(r.Context()), charts(c.opt.Past.Moments())}, nil
}

// assistants shows what assistants have open, by principal.
func (c *Console) assistants(*http.Request) (any, error) {
	var d struct {
		Stats transport.Stats
		Held  []transport.Held
		More  int
		None  bool
	}
	if d.None = c.opt.Assistants == nil; d.None {
		return d, nil
	}
	d.Stats, d.Held = c.opt.Assistants()
	slices.SortStableFunc(d.Held, func(a, b transport.Held) int { return int(b.Sessions+b.Streams) - int(a.Sessions+a.Streams) })
	if len(d.Held) > maxRows {
		d.Held, d.More = d.Held[:maxRows], len(d.Held)-maxRows
	}
	return d, nil
}

// maxRows bounds the rows of a table.
const maxRows = 200

// settings shows what is in force, with where each came from.
func (c *Console) settings(r *http.Request) (any, error) {
	type section struct {
		Name string
		List []Setting
	}
	var d struct {
		Kept     []Setting
		Place    string // of backups; "" where there are none
		Backups  []Backup
		More     int
		Unknown  string // why the backups are not known
		Sections []section
	}
	if b := c.opt.Backups; b != nil {
		list, err := b.List(r.Context())
		if err != nil {
			d.Unknown = err.Error()
		}
		d.Place, d.Backups = b.Place(), list[:min(len(list), maxBackupsShown)]
		d.More = len(list) - len(d.Backups)
	}
	if c.opt.Kept != nil {
		d.Kept = c.opt.Kept(r.Context())
	}
	for _, s := range c.opt.Settings {
		if n := len(d.Sections); n == 0 || d.Sections[n-1].Name != s.Section {
			d.Sections = append(d.Sections, section{Name: s.Section})
		}
		last := &d.Sections[len(d.Sections)-1]
		last.List = append(last.List, s)
	}
	return d, nil
}

// words are the fields of a query that are set, but for the part.
func words(r *http.Request, names ...string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		if v := strings.TrimSpace(r.FormValue(name)); v != "" {
			all[name] = v
		}
	}
	return all
}
