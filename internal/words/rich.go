package words

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// rich returns the lines of a rich text (docs.slack.dev/reference/block-kit/blocks/rich-text-block).
func (r *reader) rich(o object) []string {
	var lines []string
	for _, e := range list(o, "elements") {
		if element, ok := e.(object); ok && r.enter() {
			lines = append(lines, r.paragraph(element)...)
			r.leave()
		}
	}
	return lines
}

// paragraph returns the lines of one piece of a rich text.
func (r *reader) paragraph(o object) []string {
	switch str(o, "type") {
	case "rich_text_section":
		return strings.Split(strings.TrimSuffix(r.inline(list(o, "elements")), "\n"), "\n")
	case "rich_text_list":
		return r.items(o)
	case "rich_text_quote":
		lines := strings.Split(r.inline(list(o, "elements")), "\n")
		for i := range lines {
			lines[i] = "&gt; " + lines[i]
		}
		return lines
	case "rich_text_preformatted":
		return []string{"```\n" + strings.Trim(r.inline(list(o, "elements")), "\n") + "\n```"}
	case "rich_text_header":
		return r.value(o["text"])
	case "rich_text_divider":
		return nil
	}
	return []string{r.inline([]any{o})}
}

// maxIndent is how deep a list is shown.
const maxIndent = 8

// items returns the lines of a list.
func (r *reader) items(o object) []string {
	indent, offset := whole(o, "indent"), whole(o, "offset")
	margin := strings.Repeat("    ", min(max(indent, 0), maxIndent))
	var lines []string
	for i, item := range list(o, "elements") {
		element, ok := item.(object)
		if !ok || !r.enter() {
			continue
		}
		mark := "• "
		switch str(o, "style") {
		case "ordered":
			mark = strconv.Itoa(offset+i+1) + ". "
		case "checked":
			mark = "[x] "
		case "unchecked":
			mark = "[ ] "
		}
		lines = append(lines, r.take(margin+mark)+strings.Join(r.paragraph(element), "\n"+margin+"  "))
		r.leave()
	}
	return lines
}

func whole(o object, name string) int {
	n, err := strconv.Atoi(number(o, name))
	if err != nil {
		return 0
	}
	return n
}

// inline joins the pieces of a line.
func (r *reader) inline(elements []any) string {
	var b strings.Builder
	for _, e := range elements {
		if element, ok := e.(object); ok && r.enter() {
			b.WriteString(styled(sub(element, "style"), r.piece(element)))
			r.leave()
		}
	}
	return b.String()
}

// piece is one element of a line of rich text.
func (r *reader) piece(o object) string {
	switch str(o, "type") {
	case "text":
		return r.plain(str(o, "text"))
	case "link":
		return r.link(str(o, "url"), escape(str(o, "text")))
	case "emoji":
		return r.emoji(o)
	case "user", "canvas_user_mention":
		return r.mention("@", str(o, "user_id"))
	case "usergroup":
		return r.mention("!subteam^", str(o, "usergroup_id"))
	case "channel":
		return r.mention("#", str(o, "channel_id"))
	case "team":
		return r.plain(str(o, "team_id"))
	case "broadcast":
		return r.mention("!", str(o, "range"))
	case "color":
		return r.plain(str(o, "value"))
	case "date":
		return r.date(o)
	case "rich_text_section", "rich_text_quote", "rich_text_preformatted", "rich_text_list":
		return strings.Join(r.paragraph(o), "\n")
	}
	return r.reference(o)
}

// emoji writes an emoji by its name, as people type it.
func (r *reader) emoji(o object) string {
	s := ":" + str(o, "name") + ":"
	if tone := number(o, "skin_tone"); tone != "" {
		s += ":skin-tone-" + tone + ":"
	}
	return r.plain(s)
}

// date writes an instant as the author wrote it for those who cannot show it.
func (r *reader) date(o object) string {
	s := escape(cmp.Or(str(o, "fallback"), instant(number(o, "timestamp"))))
	return r.link(str(o, "url"), s)
}

// instant writes Unix seconds for a reader, in UTC; what is none is returned as it is.
func instant(seconds string) string {
	whole, _, _ := strings.Cut(seconds, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return seconds
	}
	return time.Unix(n, 0).UTC().Format("2006-01-02 15:04 UTC")
}

// reference is what a rich text refers to, such as another message, a canvas or a record. What it
// is called, others wrote.
func (r *reader) reference(o object) string {
	r.foreign = true
	kind := strings.NewReplacer("_mention", "", "_", " ").Replace(str(o, "type"))
	var ids []string
	for _, name := range []string{"channel_id", "message_ts", "root_message_channel", "root_message_ts", "file_id", "entity_id", "list_id", "record_id", "workflow_id"} {
		if id := str(o, name); identifier.MatchString(id) {
			ids = append(ids, id)
		}
	}
	if r.authored {
		if !identifier.MatchString(kind) {
			kind = "reference"
		}
		return r.take(bracket(kind, strings.Join(ids, " ")))
	}
	label := cmp.Or(str(o, "text"), str(o, "label"), str(o, "title"), str(o, "name"), str(o, "value"))
	if url := str(o, "url"); url != "" {
		return r.link(url, escape(label))
	}
	if label == "" {
		r.more = true
		label = strings.Join(ids, " ")
	}
	return r.take(bracket(escape(kind), escape(label)))
}

// styled marks a text as Slack's markup does. Marks stand next to words, not to space.
func styled(style object, s string) string {
	words := strings.TrimSpace(s)
	if len(style) == 0 || words == "" || strings.Contains(words, "\n") {
		return s
	}
	before, after, _ := strings.Cut(s, words)
	for _, of := range []struct{ name, mark string }{{"code", "`"}, {"strike", "~"}, {"italic", "_"}, {"bold", "*"}} {
		if on, _ := style[of.name].(bool); on {
			words = of.mark + words + of.mark
		}
	}
	return before + words + after
}
