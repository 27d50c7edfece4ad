package words

import (
	"cmp"
	"strings"
)

// element returns the lines of a button, a menu or a field
// (docs.slack.dev/reference/block-kit/block-elements), or false where it is another thing.
func (r *reader) element(kind string, o object) ([]string, bool) {
	switch {
	case kind == "button", kind == "workflow_button", kind == "icon_button":
		return []string{bracket("button", r.link(str(o, "url"), r.text(o["text"])))}, true
	case kind == "" && o["text"] != nil && !r.authored:
		return r.value(o["text"]), true // a text object of old
	case kind == "feedback_buttons":
		return []string{bracket("button", r.text(sub(o, "positive_button")["text"])), bracket("button", r.text(sub(o, "negative_button")["text"]))}, true
	case kind == "checkboxes", kind == "radio_buttons":
		return r.choices(o), true
	case kind == "overflow":
		return []string{bracket("menu", strings.Join(r.labels(list(o, "options")), ", "))}, true
	case kind == "select", strings.HasSuffix(kind, "_select"), strings.HasSuffix(kind, "picker"):
		r.more = r.more || o["options"] != nil || o["option_groups"] != nil
		return []string{bracket("menu", cmp.Or(r.chosen(o), r.plain(oneLine(str(o, "text")))))}, true
	case strings.HasSuffix(kind, "_input"):
		return []string{bracket("input", cmp.Or(r.text(o["initial_value"]), r.text(o["placeholder"])))}, true
	}
	return nil, false
}

// chosen is what a menu shows: what is selected in it, or else its placeholder.
func (r *reader) chosen(o object) string {
	var all []string
	if initial := sub(o, "initial_option"); initial != nil {
		all = append(all, r.text(initial["text"]))
	}
	all = append(all, r.labels(list(o, "initial_options"))...)
	for _, of := range []struct{ mark, name string }{
		{"@", "initial_user"},
		{"@", "initial_users"},
		{"#", "initial_channel"},
		{"#", "initial_channels"},
		{"#", "initial_conversation"},
		{"#", "initial_conversations"},
	} {
		for _, id := range append(list(o, of.name), str(o, of.name)) {
			if id, _ := id.(string); id != "" {
				all = append(all, r.mention(of.mark, id))
			}
		}
	}
	for _, name := range []string{"initial_date", "initial_time"} {
		all = append(all, r.plain(str(o, name)))
	}
	if at := number(o, "initial_date_time"); at != "" {
		all = append(all, r.take(instant(at)))
	}
	if all = nonempty(all); len(all) > 0 {
		return strings.Join(all, ", ")
	}
	return r.text(o["placeholder"])
}

// labels are the texts of options.
func (r *reader) labels(options []any) []string {
	var all []string
	for _, o := range options {
		option, _ := o.(object)
		all = append(all, r.text(option["text"]))
	}
	return all
}

// choices writes each choice as a line, and marks those that are chosen.
func (r *reader) choices(o object) []string {
	chosen := map[string]bool{}
	for _, one := range append(list(o, "initial_options"), o["initial_option"]) {
		option, _ := one.(object)
		chosen[str(option, "value")] = option != nil
	}
	var lines []string
	for _, one := range list(o, "options") {
		option, _ := one.(object)
		mark := "[ ] "
		if chosen[str(option, "value")] {
			mark = "[x] "
		}
		lines = append(lines, strings.TrimSpace(mark+r.text(option["text"])+" "+r.text(option["description"])))
	}
	return lines
}
