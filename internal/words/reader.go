package words

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A reader turns JSON into words, within the bounds of one message.
type reader struct {
	authored bool // what another one may have written is left out
	left     int  // bytes that may still be written
	nodes    int  // values that may still be looked at
	depth    int

	foreign bool // something that another one may have written was met
	more    bool // something was met that no words show
}

// enter goes one level down, and reports whether there is still room; leave has to follow then.
func (r *reader) enter() bool {
	if r.nodes <= 0 || r.depth >= maxDepth {
		r.more = true
		return false
	}
	r.nodes--
	r.depth++
	return true
}

func (r *reader) leave() { r.depth-- }

// take is as much of a text as there is room for.
func (r *reader) take(s string) string {
	s, long := cut(s, r.left)
	r.more = r.more || long
	r.left -= len(s)
	return s
}

// cut bounds a text to n bytes, between characters.
func cut(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]), true
}

// An object is a JSON object.
type object = map[string]any

func str(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

func list(o object, name string) []any {
	l, _ := o[name].([]any)
	return l
}

func sub(o object, name string) object {
	v, _ := o[name].(object)
	return v
}

// entity begins what is escaped already.
var entity = regexp.MustCompile(`&(amp;|lt;|gt;)?`)

// Unescape writes a text of Slack's markup as it is read: &, < and > in place of their escapes.
// What comes of it must not be taken for markup again.
func Unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// escape writes a plain text in Slack's markup. Slack returns some plain texts escaped and others
// not, so an escape is left as it is.
func escape(s string) string {
	if !strings.ContainsAny(s, "&<>") {
		return s
	}
	s = entity.ReplaceAllStringFunc(s, func(m string) string {
		if m == "&" {
			return "&amp;"
		}
		return m
	})
	return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(s)
}

// plain is a plain text of a message.
func (r *reader) plain(s string) string { return r.take(escape(s)) }

// link writes a link; without an address it is the label alone.
func (r *reader) link(url, label string) string {
	url = strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "\n", "", "\r", "").Replace(strings.TrimSpace(url))
	label = oneLine(label)
	switch {
	case url == "":
		return r.take(label)
	case label == "" || label == url:
		return r.take("<" + url + ">")
	case strings.ContainsAny(label, "<>"):
		return r.take(label + " (<" + url + ">)")
	}
	return r.take("<" + url + "|" + label + ">")
}

// identifier is what Slack uses for ids.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// mention writes a mention such as <@U…>. What is no id is a plain text.
func (r *reader) mention(mark, id string) string {
	if !identifier.MatchString(id) {
		return r.plain(id)
	}
	return r.take("<" + mark + id + ">")
}

// oneLine joins the lines of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// nonempty leaves blank lines out.
func nonempty(lines []string) []string {
	return slices.DeleteFunc(lines, func(s string) bool { return strings.TrimSpace(s) == "" })
}
