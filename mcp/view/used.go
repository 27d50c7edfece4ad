package view

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// A usage is the part of an interaction that says what was used, and what a form holds.
type usage struct {
	event.Interaction
	Name       string         `json:"name"`
	Submission map[string]any `json:"submission"` // of a dialog
	State      struct {
		Values formState `json:"values"`
	} `json:"state"`
	Form struct {
		CallbackID string `json:"callback_id"`
		State      struct {
			Values formState `json:"values"`
		} `json:"state"`
		Blocks []formBlock `json:"blocks"`
	} `json:"view"`
	Original struct {
		Blocks []formBlock `json:"blocks"`
	} `json:"message"`
}

// A formState is what stands in a form: block_id -> action_id -> element.
type formState map[string]map[string]event.Chosen

// A formBlock is a block that may hold an input.
type formBlock struct {
	BlockID string `json:"block_id"`
	Label   struct {
		Text string `json:"text"`
	} `json:"label"`
}

func (t *telling) usage() *usage {
	in := &usage{}
	_ = json.Unmarshal(t.what.raw, in) // what Slack writes otherwise is as if it were absent
	return in
}

// form is the callback_id of the form that was sent or closed.
func (t *telling) form() string {
	in := t.usage()
	return t.id(cmp.Or(in.CallbackID, in.Form.CallbackID))
}

// used tells which elements were used, and with what.
func (t *telling) used() string {
	in := t.usage()
	var said []string
	for i := range in.Actions[:min(len(in.Actions), maxTold)] {
		x := &in.Actions[i]
		words := []string{"used", t.id(x.Type), t.id(cmp.Or(x.ActionID, x.Name))}
		if label := t.label(x.Text.Text); label != "" {
			words = append(words, "“"+label+"”")
		}
		line := strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
		said = append(said, line+prefixed(": ", t.chosen(&x.Chosen)))
	}
	return strings.Join(append(said, t.state(in.State.Values, in.Original.Blocks, in.Actions)...), "\n")
}

// Rich is what a block of rich text says that a person typed into an input.
func (r *Reading) Rich(block json.RawMessage) string {
	var said []string
	for _, p := range r.parts(&slackapi.Message{Blocks: slices.Concat([]byte("["), block, []byte("]"))}, &author{}) {
		said = append(said, p.Lines...)
	}
	return strings.Join(said, "\n")
}

// label is what stands on a button or an option. Lockdown shows the values alone.
func (t *telling) label(s string) string {
	if t.Lockdown() {
		return ""
	}
	return s
}

// chosen is what was chosen or typed in an element: of options their labels and values, of people
// and channels their mentions. What was chosen is of the author of the message that offers it, what
// was typed of the one who acts.
func (t *telling) chosen(c *event.Chosen) string {
	var said []string
	add := func(s string) {
		if s != "" {
			said = append(said, s)
		}
	}
	add(t.Chosen(t.event, c.Type, c.Value, t.flags))
	for _, o := range append([]event.Option{c.SelectedOption}, c.SelectedOptions...) {
		value, label := t.Chosen(t.event, c.Type, o.Value, t.flags), t.label(o.Text.Text)
		if label != "" && value != "" && label != value {
			label += " (" + value + ")"
		}
		add(cmp.Or(label, value))
	}
	add(t.people(append([]string{c.SelectedUser}, c.SelectedUsers...)))
	add(t.channels(slices.Concat([]string{c.SelectedChannel}, c.SelectedChannels, []string{c.SelectedConversation}, c.SelectedConversations)))
	add(t.id(c.SelectedDate))
	add(t.id(c.SelectedTime))
	add(moment(c.SelectedDateTime))
	if len(c.RichText) > 0 {
		add(t.Said(t.event, t.Rich(c.RichText), t.flags))
	}
	for _, f := range c.Files {
		add("the file " + t.id(f.ID))
	}
	if len(said) == 0 && c.Type != "button" && len(c.Values()) == 0 {
		return "nothing"
	}
	return strings.Join(said, ", ")
}

// state tells what the inputs of a form or a message hold, in the order of its blocks, but for the
// elements that were used. Several people may have filled them, so lockdown withholds them.
func (t *telling) state(values formState, blocks []formBlock, used []event.Action) []string {
	labels, order := ordered(values, blocks)
	var said []string
	for _, block := range order {
		for _, id := range sorted(values[block]) {
			if slices.ContainsFunc(used, func(a event.Action) bool { return a.ActionID == id && a.BlockID == block }) {
				continue
			}
			if t.Lockdown() {
				t.flags.Add(FlagWithheld)
				return nil
			}
			c := values[block][id]
			said = append(said, cmp.Or(labels[block], id)+": "+strings.ReplaceAll(t.chosen(&c), "\n", "\n  "))
		}
	}
	return said[:min(len(said), maxTold)]
}

// ordered returns the labels of a form's blocks, and the ids of the blocks that have values, in the form's order.
func ordered(values formState, blocks []formBlock) (labels map[string]string, order []string) {
	labels = map[string]string{}
	for _, b := range blocks {
		labels[b.BlockID] = b.Label.Text
		order = append(order, b.BlockID)
	}
	for _, id := range sorted(values) {
		if _, ok := labels[id]; !ok {
			order = append(order, id)
		}
	}
	return labels, order
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// submitted tells what was sent with a form.
func (t *telling) submitted() string {
	in := t.usage()
	said := []string{t.with("sent the form ", t.form())}
	said = append(said, t.state(in.Form.State.Values, in.Form.Blocks, nil)...)
	if len(in.Submission) > 0 && t.Lockdown() {
		t.flags.Add(FlagWithheld)
		in.Submission = nil
	}
	return strings.Join(said, "\n") + t.lines(in.Submission)
}

// suggestion tells what was typed into a menu that the app fills.
func (t *telling) suggestion() string {
	in := t.usage()
	return t.with("looks for an entry of the menu ", t.id(cmp.Or(in.ActionID, in.Name))) + prefixed(": ", t.Said(t.event, in.Value, t.flags))
}

// messageShortcut tells on which message a shortcut was used.
func (t *telling) messageShortcut() string {
	m := t.what.Changed
	if m == nil {
		m = &slackapi.Message{}
	}
	return t.with("used the shortcut ", t.id(t.in.CallbackID)) + " on " + t.message(m, "")
}
