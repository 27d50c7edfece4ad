package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"slackmcp/internal/page"
)

// A choice says how a page shows what can be typed or chosen in an element of a type, and how Slack names the outcome.
type choice struct {
	kind  string // text, select or choices
	input string // of text: the type of its field
	key   string // in actions, and in the state of a view
	many  bool
	from  string // whose options it has beside its own: people, conversations, public channels, or those of the app
}

var choices = map[string]choice{
	"plain_text_input":           {kind: "text", input: "text", key: "value"},
	"email_text_input":           {kind: "text", input: "email", key: "value"},
	"url_text_input":             {kind: "text", input: "url", key: "value"},
	"number_input":               {kind: "text", input: "number", key: "value"},
	"datepicker":                 {kind: "text", input: "date", key: "selected_date"},
	"timepicker":                 {kind: "text", input: "time", key: "selected_time"},
	"datetimepicker":             {kind: "text", input: "datetime-local", key: "selected_date_time"},
	"static_select":              {kind: "select", key: "selected_option"},
	"overflow":                   {kind: "select", key: "selected_option"},
	"external_select":            {kind: "select", key: "selected_option", from: "app"},
	"users_select":               {kind: "select", key: "selected_user", from: "people"},
	"conversations_select":       {kind: "select", key: "selected_conversation", from: "conversations"},
	"channels_select":            {kind: "select", key: "selected_channel", from: "channels"},
	"radio_buttons":              {kind: "choices", key: "selected_option"},
	"checkboxes":                 {kind: "choices", key: "selected_options", many: true},
	"multi_static_select":        {kind: "select", key: "selected_options", many: true},
	"multi_external_select":      {kind: "select", key: "selected_options", many: true, from: "app"},
	"multi_users_select":         {kind: "select", key: "selected_users", many: true, from: "people"},
	"multi_conversations_select": {kind: "select", key: "selected_conversations", many: true, from: "conversations"},
	"multi_channels_select":      {kind: "select", key: "selected_channels", many: true, from: "channels"},
}

// localTime is how a browser writes what is chosen in a field of the type datetime-local.
const localTime = "2006-01-02T15:04"

// An optionView is what can be chosen.
type optionView struct {
	Label, Value string
	Selected     bool

	raw json.RawMessage // as the app has it; nil of people and conversations
}

// optionsJSON are the options of an element, or what an app offers.
type optionsJSON struct {
	Options []json.RawMessage
	Groups  []struct {
		Label   textJSON
		Options []json.RawMessage
	} `json:"option_groups"`
}

// maxOptions is how many options of an element a page shows.
const maxOptions = 100

// views are the options, with the name of the group before those of one.
func (o *optionsJSON) views() (all []optionView) {
	add := func(group string, list []json.RawMessage) {
		for _, raw := range list {
			var one struct {
				Text  textJSON
				Value string
			}
			if json.Unmarshal(raw, &one) == nil && len(all) < maxOptions {
				all = append(all, optionView{Label: group + page.Plain(one.Text.Text), Value: one.Value, raw: raw})
			}
		}
	}
	add("", o.Options)
	for _, g := range o.Groups {
		add(page.Plain(g.Label.Text)+": ", g.Options)
	}
	return all
}

// An initialJSON is what an element begins with.
type initialJSON struct {
	Option        json.RawMessage   `json:"initial_option"`
	Options       []json.RawMessage `json:"initial_options"`
	Value         string            `json:"initial_value"`
	Date          string            `json:"initial_date"`
	Time          string            `json:"initial_time"`
	DateTime      int64             `json:"initial_date_time"`
	User          string            `json:"initial_user"`
	Users         []string          `json:"initial_users"`
	Conversation  string            `json:"initial_conversation"`
	Conversations []string          `json:"initial_conversations"`
	Channel       string            `json:"initial_channel"`
	Channels      []string          `json:"initial_channels"`
}

// values are those that are chosen at first.
func (i *initialJSON) values() []string {
	all := slices.Concat([]string{i.User, i.Conversation, i.Channel}, i.Users, i.Conversations, i.Channels)
	for _, raw := range append(i.Options, i.Option) {
		var one struct{ Value string }
		if len(raw) > 0 && json.Unmarshal(raw, &one) == nil {
			all = append(all, one.Value)
		}
	}
	return all
}

// choose fills in what can be typed or chosen in an element.
func (l lookout) choose(v *elementView, raw json.RawMessage) {
	c, ok := choices[v.Type]
	if !ok {
		return
	}
	var own optionsJSON
	var first initialJSON
	if json.Unmarshal(raw, &own) != nil || json.Unmarshal(raw, &first) != nil {
		return
	}
	v.Kind, v.Input, v.Many, v.FromApp = c.kind, c.input, c.many, c.from == "app"
	v.Value = or(first.Value, or(first.Date, first.Time))
	if first.DateTime != 0 {
		v.Value = time.Unix(first.DateTime, 0).Format(localTime)
	}
	v.Options = own.views()
	switch c.from {
	case "app":
		v.Options = append(v.Options, l.offers[offerOf{l.me.ID, l.place, v.ActionID}]...)
	case "people":
		for _, p := range l.people() {
			v.Options = append(v.Options, optionView{Label: p.Name, Value: p.ID})
		}
	case "conversations", "channels":
		v.Options = append(v.Options, l.conversationOptions(c.from == "channels")...)
	}
	chosen := first.values()
	v.Options = slices.Clone(v.Options[:min(len(v.Options), 2*maxOptions)])
	for i := range v.Options {
		v.Options[i].Selected = v.Options[i].Value != "" && slices.Contains(chosen, v.Options[i].Value)
	}
}

// conversationOptions are the channels and groups that the person may choose, or the public channels alone.
func (l lookout) conversationOptions(publicOnly bool) (all []optionView) {
	for i := range min(l.channelCount(), lookedThrough) {
		if ch := l.channelAt(i); ch.kind != direct && (ch.kind == public || !publicOnly) && l.mayRead(ch) && len(all) < maxOptions {
			r := l.conversation(ch)
			all = append(all, optionView{Label: r.Sign + r.Name, Value: ch.id})
		}
	}
	return all
}

// state is what was typed or chosen in an element, as Slack says it; ok is false of one that has no choice.
func (e *elementView) state(values []string) (key string, value any, ok bool) {
	c, ok := choices[e.Type]
	if !ok {
		return "", nil, false
	}
	first := ""
	if len(values) > 0 {
		first = values[0]
	}
	var picked []any
	for _, o := range e.Options {
		if o.Value == "" || !slices.Contains(values, o.Value) {
			continue
		}
		if picked = append(picked, any(o.Value)); o.raw != nil {
			picked[len(picked)-1] = o.raw
		}
	}
	switch {
	case c.many:
		return c.key, append([]any{}, picked...), true
	case c.kind != "text" && len(picked) > 0:
		return c.key, picked[0], true
	case c.kind != "text" || first == "":
		return c.key, nil, true
	case c.input == "datetime-local":
		if at, err := time.ParseInLocation(localTime, first, time.Local); err == nil {
			return c.key, at.Unix(), true
		}
		return c.key, nil, true
	}
	return c.key, first, true
}

// picked are the values of an element in a form of a page.
func picked(form url.Values, e *elementView) []string { return form["pick:"+e.Ref] }

// elementsOf are all elements of blocks that have something to choose, and the buttons.
func elementsOf(blocks []blockView) (all []*elementView) {
	for i := range blocks {
		b := &blocks[i]
		for j := range b.Elements {
			all = append(all, &b.Elements[j])
		}
		if b.Accessory != nil {
			all = append(all, b.Accessory)
		}
	}
	return all
}

// An offerOf says for whom an app has offered options: a person, in a message or a modal, for an element.
type offerOf struct{ person, place, action string }

// maxOffers bounds what is remembered of offers.
const maxOffers = 100

// suggest asks the app for the options of an element of a message, or of the person's modal where there is no ts.
func (v *workspacePages) suggest(r *http.Request, at spot, ts, action string) error {
	typed := r.PostFormValue("typed:" + action)
	place := ts
	var a Answer
	var err error
	if ts == "" {
		place, a, err = v.suggestInModal(r.Context(), at.As, action, typed)
	} else {
		a, err = v.Suggest(r.Context(), at.As, at.In, ts, action, typed)
	}
	if err := refused(a, err); err != nil {
		return err
	}
	var said optionsJSON
	if json.Unmarshal(bytes.TrimSpace(a.Body), &said) != nil {
		return errors.New("the server answered with no options: " + strconv.Quote(string(a.Body[:min(len(a.Body), 100)])))
	}
	v.mu.Lock()
	if len(v.offers) >= maxOffers {
		clear(v.offers)
	}
	v.offers[offerOf{at.As, place, action}] = said.views()
	v.mu.Unlock()
	v.watch.live.Changed(changedConversations)
	return nil
}

// suggestInModal asks as Slack asks from a modal.
func (s *Sandbox) suggestInModal(ctx context.Context, person, action, typed string) (view string, a Answer, err error) {
	s.mu.Lock()
	open, u := s.modals[person], s.personNamed(person)
	if open == nil || u == nil {
		s.mu.Unlock()
		return "", a, errModalClosed
	}
	payload := s.interaction("block_suggestion", u)
	delete(payload, "trigger_id") // a suggestion opens nothing
	payload["action_id"], payload["value"], payload["view"] = action, typed, s.viewOf(open, nil)
	payload["container"] = object{"type": "view", "view_id": open.id}
	for _, e := range elementsOf(lookout{Sandbox: s, me: u}.blocks(open.blocks)) {
		if e.ActionID == action {
			payload["block_id"] = e.BlockID
		}
	}
	view = open.id
	s.mu.Unlock()
	a, err = s.interact(ctx, payload, "")
	return view, a, err
}

// upload shares a file.
func (v *workspacePages) upload(w http.ResponseWriter, r *http.Request) {
	at := spotOf(r.PostForm)
	f, header, err := r.FormFile("file")
	if err != nil {
		v.site.Refuse(w, r, http.StatusBadRequest, "No file was chosen.", "Choose one of at most 1 MB.")
		return
	}
	defer f.Close()
	var data bytes.Buffer
	if header.Size == 0 {
		v.site.Refuse(w, r, http.StatusBadRequest, "The file is empty.", "Slack takes no empty file. Choose another one.")
		return
	}
	if _, err = data.ReadFrom(f); err == nil {
		_, _, err = v.UploadAs(at.As, at.In, header.Filename, data.Bytes(), r.PostFormValue("text"))
	}
	v.done(w, r, at, err)
}
