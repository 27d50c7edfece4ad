package words

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// blocks returns the lines of each block of a list.
func (r *reader) blocks(v any) [][]string {
	all, _ := v.([]any)
	var each [][]string
	for _, b := range all {
		if lines := nonempty(r.value(b)); len(lines) > 0 {
			each = append(each, lines)
		}
	}
	return each
}

// shapes lists, of the blocks that show nothing but their members, which those are, in the order in
// which they are read (docs.slack.dev/reference/block-kit/blocks).
var shapes = map[string][]string{
	"section":   {"text", "fields", "accessory"},
	"header":    {"text"},
	"markdown":  {"text"},
	"alert":     {"text"},
	"divider":   {},
	"input":     {"label", "element", "hint"},
	"card":      {"hero_image", "icon", "title", "subtitle", "body", "actions"},
	"carousel":  {"elements"},
	"container": {"title", "subtitle", "child_blocks"},
	"plan":      {"title", "tasks"},
}

// value returns the lines of anything that a message shows: a block, an element of one, a text
// object, or a list of such.
func (r *reader) value(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{r.plain(v)}
	case []any:
		var lines []string
		for _, item := range v {
			lines = append(lines, r.value(item)...)
		}
		return lines
	case object:
		if !r.enter() {
			return nil
		}
		defer r.leave()
		return r.object(v)
	}
	return nil
}

func (r *reader) object(o object) []string {
	kind := str(o, "type")
	if shape, ok := shapes[kind]; ok {
		return r.shape(kind, o, shape)
	}
	switch kind {
	case "mrkdwn":
		return []string{r.take(str(o, "text"))}
	case "plain_text", "raw_text":
		return []string{r.plain(str(o, "text"))}
	case "raw_number":
		return []string{r.plain(cmp.Or(str(o, "text"), number(o, "value")))}
	case "rich_text":
		return r.rich(o)
	case "context", "actions", "context_actions":
		return []string{strings.Join(nonempty(r.value(o["elements"])), " ")}
	case "table", "data_table":
		return r.table(o)
	case "image":
		return r.image(o)
	case "video":
		return r.video(o)
	case "task_card":
		return r.task(o)
	case "data_visualization":
		return r.chart(o)
	case "url":
		return []string{r.link(str(o, "url"), escape(str(o, "text")))}
	case "call":
		return r.call(o)
	case "file":
		return r.fileBlock(o)
	}
	if lines, ok := r.element(kind, o); ok {
		return lines
	}
	return r.unknown(o)
}

// shape returns the lines of a block's members.
func (r *reader) shape(kind string, o object, members []string) []string {
	var lines []string
	for _, name := range members {
		switch {
		case name == "title" && o["rich_text_title"] != nil:
			lines = append(lines, r.value(o["rich_text_title"])...)
		case name == "text" && kind == "markdown":
			lines = append(lines, r.take(str(o, "text")))
		default:
			lines = append(lines, r.value(o[name])...)
		}
	}
	return lines
}

// text is a text object, a text or a rich text on one line.
func (r *reader) text(v any) string { return oneLine(strings.Join(r.value(v), " ")) }

func number(o object, name string) string {
	n, _ := o[name].(json.Number)
	return n.String()
}

// image is what a person who cannot see an image is told of it. That of a block is worth a look.
func (r *reader) image(o object) []string {
	title, alt := r.text(o["title"]), r.plain(oneLine(str(o, "alt_text")))
	r.more = r.more || o["block_id"] != nil
	switch {
	case title == "" || title == alt:
		return []string{bracket("image", alt)}
	case alt == "":
		return []string{bracket("image", title)}
	}
	return []string{bracket("image", title+" ("+alt+")")}
}

// bracket writes what has no words of its own.
func bracket(kind, what string) string {
	if what == "" {
		return "[" + kind + "]"
	}
	return "[" + kind + ": " + what + "]"
}

func (r *reader) video(o object) []string {
	title := cmp.Or(r.text(o["title"]), r.plain(str(o, "alt_text")))
	lines := []string{bracket("video", r.link(cmp.Or(str(o, "title_url"), str(o, "video_url")), title))}
	lines = append(lines, r.value(o["description"])...)
	return append(lines, r.plain(str(o, "author_name")), r.plain(str(o, "provider_name")))
}

func (r *reader) task(o object) []string {
	lines := []string{r.plain(strings.TrimSpace(str(o, "title") + " (" + strings.ReplaceAll(cmp.Or(str(o, "status"), "pending"), "_", " ") + ")"))}
	for _, name := range []string{"details", "output", "sources"} {
		lines = append(lines, r.value(o[name])...)
	}
	return lines
}

// table writes each row as a line, with bars between its cells.
func (r *reader) table(o object) []string {
	lines := r.value(o["caption"])
	for _, row := range list(o, "rows") {
		cells, _ := row.([]any)
		var texts []string
		for _, cell := range cells {
			texts = append(texts, r.text(cell))
		}
		lines = append(lines, r.take(strings.Join(texts, " | ")))
	}
	return lines
}

// chart writes the numbers that a chart draws.
func (r *reader) chart(o object) []string {
	chart := sub(o, "chart")
	lines := append(r.value(o["title"]), r.points(list(chart, "segments")))
	for _, s := range list(chart, "series") {
		series, _ := s.(object)
		if !r.enter() {
			break
		}
		lines = append(lines, r.plain(str(series, "name"))+": "+r.points(list(series, "data")))
		r.leave()
	}
	axes := sub(chart, "axis_config")
	return append(lines, strings.Join(nonempty([]string{r.plain(str(axes, "x_label")), r.plain(str(axes, "y_label"))}), ", "))
}

// points writes what the points of a chart are called, and their values.
func (r *reader) points(points []any) string {
	var all []string
	for _, p := range points {
		if !r.enter() {
			break
		}
		point, _ := p.(object)
		all = append(all, r.plain(cmp.Or(str(point, "label"), str(point, "name"), number(point, "x"))+" "+cmp.Or(number(point, "value"), number(point, "y"))))
		r.leave()
	}
	return strings.Join(all, ", ")
}

// call is a call that somebody began in another program, which named it.
func (r *reader) call(o object) []string {
	r.foreign = true
	if r.authored {
		return []string{bracket("call", "")}
	}
	v := sub(sub(o, "call"), "v1")
	return []string{bracket("call", r.link(str(v, "join_url"), escape(str(v, "name"))))}
}

// fileBlock is a file that is kept outside Slack, whose name stands in the message's files.
func (r *reader) fileBlock(o object) []string {
	id := cmp.Or(str(o, "file_id"), str(o, "external_id"))
	if !identifier.MatchString(id) && r.authored {
		r.foreign, id = true, ""
	}
	return []string{bracket("file", r.plain(id))}
}

// textual are the members in which what the package does not know may keep words.
var textual = []string{"title", "subtitle", "header", "name", "label", "caption", "text", "body", "description", "alt_text", "fallback"}

// unknown returns the words of a block or an element that Slack has added since: whose they are is
// not known.
func (r *reader) unknown(o object) []string {
	r.foreign, r.more = true, true
	if r.authored {
		return nil
	}
	var lines []string
	for _, name := range textual {
		lines = append(lines, r.value(o[name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		switch o[name].(type) {
		case object, []any:
			if !slices.Contains(textual, name) {
				lines = append(lines, r.nested(o[name])...)
			}
		}
	}
	return lines
}

// nested is value without texts that stand alone in a list: those are names of fields and the like.
func (r *reader) nested(v any) []string {
	items, ok := v.([]any)
	if !ok {
		return r.value(v)
	}
	var lines []string
	for _, item := range items {
		if _, text := item.(string); !text {
			lines = append(lines, r.value(item)...)
		}
	}
	return lines
}
