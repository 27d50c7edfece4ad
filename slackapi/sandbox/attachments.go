package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"slackmcp/internal/page"
)

// maxLegacyActions is how many buttons and menus an attachment has at most, as Slack's field guide to its old
// interactive messages says.
const maxLegacyActions = 5

// A usedAttachment is an attachment, as far as people can use what stands in it.
type usedAttachment struct {
	ID       int             `json:"id"`
	Callback string          `json:"callback_id"`
	Blocks   json.RawMessage `json:"blocks"`
	Actions  []legacyAction  `json:"actions"`
}

// A legacyAction is a button or a menu of the time before blocks.
type legacyAction struct {
	Name, Text, Type, Value, Style, URL string

	Source  string         `json:"data_source"`
	Options []legacyOption `json:"options"`
	Groups  []struct {
		Text    string
		Options []legacyOption
	} `json:"option_groups"`
	Selected []legacyOption `json:"selected_options"`
	Confirm  struct{ Title, Text string }
}

type legacyOption struct{ Text, Value string }

// usedAttachments reads the attachments of a message. One whose members have other types than Slack's is left out.
func usedAttachments(raw json.RawMessage) (all []usedAttachment) {
	var list []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for i, one := range list {
		if a, ok := usedAttachmentOf(one, i+1); ok {
			all = append(all, a)
		}
	}
	return all
}

// usedAttachmentOf reads one attachment, whose number is place unless it has one.
func usedAttachmentOf(raw json.RawMessage, place int) (a usedAttachment, ok bool) {
	err := json.Unmarshal(raw, &a)
	if a.ID == 0 {
		a.ID = place
	}
	a.Actions = a.Actions[:min(len(a.Actions), maxLegacyActions)]
	return a, err == nil
}

// ref names an action in the forms of pages; its name need not be its alone.
func (a *usedAttachment) ref(action int) string {
	return fmt.Sprintf("attachment:%d:%d", a.ID, action+1)
}

// A usedElement is what a person uses of a message.
type usedElement struct {
	action     object          // as Slack sends it
	blocks     json.RawMessage // in which it stands
	attachment int             // the number of its attachment; 0 is the message itself
	legacy     *legacyAction   // nil for one of blocks
	callback   string          // of a legacy one
	ref        string          // as pages name a legacy one
}

// element finds what has an action_id or a label in the blocks of the message, and then in its attachments: in their
// blocks, and among the buttons and menus of the time before blocks by their name or label.
func (m *message) element(name string) (usedElement, error) {
	action, missing := findAction(m.Blocks, 0, name)
	if missing == nil {
		return usedElement{action: action, blocks: m.Blocks}, nil
	}
	for _, a := range usedAttachments(m.Attachments) {
		if action, err := findAction(a.Blocks, a.ID, name); err == nil {
			return usedElement{action: action, blocks: a.Blocks, attachment: a.ID}, nil
		}
		for i := range a.Actions {
			one := &a.Actions[i]
			if ref := a.ref(i); name != "" && slices.Contains([]string{ref, one.Name, one.Text}, name) {
				return usedElement{attachment: a.ID, legacy: one, callback: a.Callback, ref: ref}, nil
			}
		}
	}
	return usedElement{}, missing
}

// legacyUse makes of a button or a menu of the time before blocks what Slack sends of it.
func (l lookout) legacyUse(e *usedElement, form url.Values) (object, error) {
	a := e.legacy
	switch {
	case a.Type == "button" && a.URL != "":
		return nil, errors.New("the button is a link: Slack opens it, and tells the app nothing")
	case e.callback == "":
		return nil, errors.New("the attachment has no callback_id, which Slack requires of one with actions")
	case a.Name == "":
		return nil, errors.New("the action has no name, which Slack requires")
	case a.Type == "button":
		return object{"name": a.Name, "type": "button", "value": a.Value}, nil
	case a.Type != "select":
		return nil, errors.New("Slack knows no action of the type " + strconv.Quote(a.Type) + " in an attachment")
	}
	chosen := form.Get("pick:" + e.ref)
	if !slices.ContainsFunc(l.legacyOptions(a), func(o optionView) bool { return o.Value == chosen && chosen != "" }) {
		return nil, errors.New("choose one of the menu's options first")
	}
	return object{"name": a.Name, "type": "select", "selected_options": []object{{"value": chosen}}}, nil
}

// legacyOptions are what can be chosen from a menu of the time before blocks.
func (l lookout) legacyOptions(a *legacyAction) (all []optionView) {
	switch a.Source {
	case "", "static":
		add := func(group string, list []legacyOption) {
			for _, o := range list[:min(len(list), maxOptions)] {
				selected := slices.ContainsFunc(a.Selected, func(s legacyOption) bool { return s.Value == o.Value })
				all = append(all, optionView{Label: group + page.Plain(o.Text), Value: o.Value, Selected: selected})
			}
		}
		add("", a.Options)
		for _, g := range a.Groups {
			add(page.Plain(g.Text)+": ", g.Options)
		}
	case "users":
		for _, p := range l.people() {
			all = append(all, optionView{Label: p.Name, Value: p.ID})
		}
	case "channels", "conversations":
		all = l.conversationOptions(a.Source == "channels")
	}
	return all[:min(len(all), maxOptions)]
}

// A legacyView is a button or a menu of the time before blocks, as a page shows it.
type legacyView struct {
	Ref, Label, Style, Href, Confirm string
	Menu                             bool
	Options                          []optionView
	// Wrong says why Slack would not let anybody use it; empty where it would.
	Wrong string
}

func (l lookout) legacyViews(a *usedAttachment) (all []legacyView) {
	for i := range a.Actions {
		one := &a.Actions[i]
		v := legacyView{
			Ref: a.ref(i), Label: page.Plain(one.Text), Style: one.Style, Href: linkOf(one.URL), Menu: one.Type == "select",
			Confirm: page.Plain(or(one.Confirm.Text, one.Confirm.Title)),
		}
		switch {
		case v.Href != "":
		case v.Menu:
			v.Options = l.legacyOptions(one)
			if len(v.Options) == 0 {
				v.Wrong = "a menu whose options this page does not have"
			}
		case one.Type != "button":
			v.Wrong = "no action that Slack knows"
		}
		if v.Wrong == "" && v.Href == "" && (a.Callback == "" || one.Name == "") {
			v.Wrong = "not to be pressed: Slack requires a callback_id of the attachment and a name of the action"
		}
		all = append(all, v)
	}
	return all
}

// legacyPayload is Slack's interactive_message: it names the person, the attachment and the message otherwise than
// the payloads of blocks do.
func (s *Sandbox) legacyPayload(who actor, ch *channelRef, m *message, e *usedElement) object {
	payload := s.interaction("interactive_message", who.user)
	delete(payload, "api_app_id")
	payload["user"] = object{"id": who.user.ID, "name": who.user.Name}
	payload["callback_id"], payload["attachment_id"] = e.callback, strconv.Itoa(e.attachment)
	payload["action_ts"], payload["message_ts"] = s.newTS(), m.TS
	payload["original_message"], payload["is_app_unfurl"] = s.view(m, who), false
	payload["actions"] = []object{e.action}
	return payload
}
