package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"slackmcp/internal/words"
	"slackmcp/webhook/event"
)

// LeftOut stands where a message of another conversation was, which the person may not see or of which
// it is not known.
const LeftOut = "(a message of another conversation, left out: not visible to you)"

// A Seer is a person to whom events are shown.
type Seer struct {
	// User is the person's id in Slack.
	User string
	// Sees reports that the person may see a conversation now. What is not known they may not see. It is
	// called while events are read, so it must not wait.
	Sees func(conversation string) bool
}

// Event returns an event, which the person may see, with what they may see of it: every view of a person is
// made of what it returns, and of nothing else. What Slack sent is built anew from the fields that
// are listed for the event's type. Who else gets the event, what a message said before, and handles that let
// one act are not among them; what was typed into a form, and the form, are there for the one
// who did it alone. A message that stands in another one, a pin, a forward or the preview of a link has its
// own conversation: where the person may not see that, or it is not known, [LeftOut] stands in its place.
// Other senders' events, and this server's own, are as they are.
func (s Seer) Event(e *event.Event) event.Event {
	shown := *e
	if e.Source != event.SourceSlack {
		return shown
	}
	c := contents{Seer: s, event: e, mine: e.User != "" && e.User == s.User, left: maxContents}
	shown.Raw, shown.Encoding = c.body(), event.JSON
	return shown
}

// maxContents bounds how many values of one event are shown, and maxNested how deep they lie.
const (
	maxContents = 20_000
	maxNested   = 40
)

// contents is an event's body on its way to a person.
type contents struct {
	Seer
	event *event.Event
	mine  bool // the person caused it
	left  int  // values
}

// body is the event as Slack might have sent it: its envelope names our installation, and no other.
func (c *contents) body() []byte {
	inner, err := event.InnerJSON(c.event)
	if err != nil {
		inner = nil
	}
	list := seenOf(c.event.Kind.Type)
	seen := c.object(inner, list, 0)
	if seen == nil {
		seen = []byte("{}")
	}
	var outer struct {
		Type string `json:"type"`
		ID   string `json:"event_id"`
		Time int64  `json:"event_time"`
	}
	if c.event.Encoding == event.Form || json.Unmarshal(c.event.Raw, &outer) != nil || outer.Type != eventCallback {
		return seen
	}
	at, v := sceneOf(c.event, inner), envelope{}
	_ = json.Unmarshal(c.event.Raw, &v)
	team := c.event.Team
	if len(at.own.teams) > 0 {
		team = at.own.teams[0]
	}
	out, err := encodeJSON(struct {
		Type         string          `json:"type"`
		ID           string          `json:"event_id,omitempty"`
		Time         int64           `json:"event_time,omitempty"`
		App          string          `json:"api_app_id,omitempty"`
		Team         string          `json:"team_id,omitempty"`
		Organisation string          `json:"enterprise_id,omitempty"`
		Shared       *bool           `json:"is_ext_shared_channel,omitempty"`
		Event        json.RawMessage `json:"event"`
	}{outer.Type, outer.ID, outer.Time, v.App, team, at.own.organisation, v.shared(), seen})
	if err != nil {
		return seen
	}
	return out
}

// eventCallback is the type of the envelope of events.
const eventCallback = "event_callback"

// object returns the members of an object that are listed, in the order of their names; nil of what is no
// object.
func (c *contents) object(raw []byte, list *allowance, depth int) json.RawMessage {
	members := membersOf(raw)
	if members == nil || depth > maxNested {
		return nil
	}
	return c.build(members, func(name string, v json.RawMessage) json.RawMessage {
		if at := list.members[name]; at != nil {
			return c.value(name, v, at, depth+1)
		}
		return nil
	})
}

// build writes an object with the members that show returns something for.
func (c *contents) build(members map[string]json.RawMessage, show func(name string, v json.RawMessage) json.RawMessage) json.RawMessage {
	out := []byte{'{'}
	for _, name := range sorted(members) {
		if c.left--; c.left < 0 {
			break
		}
		v := show(name, members[name])
		key, err := encodeJSON(name)
		if v == nil || err != nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), v...)
	}
	return append(out, '}')
}

// each returns an array of what show returns of the items of another one; what is no array is its own item.
func (c *contents) each(raw json.RawMessage, show func(json.RawMessage) json.RawMessage) json.RawMessage {
	if kindOf(raw) != '[' {
		return show(raw)
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil
	}
	out := []byte{'['}
	for _, item := range items {
		if c.left--; c.left < 0 {
			break
		}
		if v := show(item); v != nil {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, v...)
		}
	}
	return append(out, ']')
}

// value is what is shown of a field; nil is nothing.
func (c *contents) value(name string, v json.RawMessage, at *allowance, depth int) json.RawMessage {
	switch {
	case slices.Contains(conversations, name):
		return c.each(v, c.place)
	case at.owner == "" && at.members != nil:
		return c.each(v, func(v json.RawMessage) json.RawMessage { return c.object(v, at, depth) })
	}
	switch at.owner {
	case "message":
		return c.message(v, depth)
	case "file", "user", "group", "team":
		return c.each(v, func(v json.RawMessage) json.RawMessage { return c.thing(v, things[at.owner], depth) })
	case "attachments":
		return c.each(v, func(v json.RawMessage) json.RawMessage { return c.attachment(v, depth) })
	case "rich":
		return c.rich(v, depth)
	case "actions":
		return c.each(v, func(v json.RawMessage) json.RawMessage { return c.action(v, depth) })
	case "own":
		return c.own(v, func(v json.RawMessage) json.RawMessage { return c.rich(v, depth) })
	case "view":
		return c.own(v, func(v json.RawMessage) json.RawMessage { return c.object(v, things["view"], depth) })
	case "values", "submission":
		return c.own(v, func(v json.RawMessage) json.RawMessage { return c.form(v, at.owner, depth) })
	case "former":
		return nil
	}
	return c.each(v, c.scalar)
}

// thing is an object, or its id.
func (c *contents) thing(v json.RawMessage, list *allowance, depth int) json.RawMessage {
	if kindOf(v) == '{' {
		return c.object(v, list, depth)
	}
	return c.scalar(v)
}

// own is shown to the one who acted alone.
func (c *contents) own(v json.RawMessage, show func(json.RawMessage) json.RawMessage) json.RawMessage {
	if !c.mine {
		return nil
	}
	return show(v)
}

// form is what stands in a form, by names that the form chose: a dialog's texts or, of blocks, the elements of
// each.
func (c *contents) form(v json.RawMessage, kind string, depth int) json.RawMessage {
	members := membersOf(v)
	if members == nil {
		return nil
	}
	return c.build(members, func(_ string, v json.RawMessage) json.RawMessage {
		if kind == "submission" {
			return c.scalar(v)
		}
		block := membersOf(v)
		if block == nil {
			return nil
		}
		return c.build(block, func(_ string, v json.RawMessage) json.RawMessage {
			if kindOf(v) != '{' {
				return nil
			}
			return c.rich(v, depth+1)
		})
	})
}

// conversations are the names of fields that hold conversations.
var conversations = []string{
	"channel", "channel_id", "channel_ids", "channels", "old_channel_id", "new_channel_id", "selected_channel", "selected_channels",
	"selected_conversation", "selected_conversations",
}

// place is a conversation, by its id or as an object, that the person may see.
func (c *contents) place(v json.RawMessage) json.RawMessage {
	if kindOf(v) != '{' {
		if !c.Sees(textOf(v)) {
			return nil
		}
		return c.scalar(v)
	}
	if !c.Sees(textOf(membersOf(v)["id"])) {
		return nil
	}
	return c.object(v, things["channel"], maxNested)
}

// scalar is a text, a number or a truth value. A text does not tell the name of a conversation that the
// person may not see.
func (c *contents) scalar(v json.RawMessage) json.RawMessage {
	switch kindOf(v) {
	case '{', '[', 0:
		return nil
	case '"':
		if !bytes.Contains(v, []byte("<#")) && !bytes.Contains(v, []byte(`\u003c#`)) {
			return v
		}
		text, err := encodeJSON(labelled.ReplaceAllStringFunc(textOf(v), func(link string) string {
			if m := labelled.FindStringSubmatch(link); !c.Sees(m[1]) {
				return "<#" + m[1] + ">"
			}
			return link
		}))
		if err != nil {
			return nil
		}
		return text
	}
	return v
}

// labelled is a conversation in a text, with its name.
var labelled = regexp.MustCompile(`<#([^|>]*)\|[^>]*>`)

// message is a message that stands in an event, judged by its own conversation.
func (c *contents) message(v json.RawMessage, depth int) json.RawMessage {
	if kindOf(v) != '{' {
		return nil
	}
	in := membersOf(v)
	at := cmp.Or(textOf(in["channel"]), c.event.Channel)
	if linked := linkedIn(textOf(in["permalink"])); !c.Sees(at) || linked != "" && !c.Sees(linked) {
		return leftOut()
	}
	return c.object(v, things["message"], depth)
}

// attachment is what Slack shows below a message. A message that was forwarded, or is previewed, is judged by
// its own conversation.
func (c *contents) attachment(v json.RawMessage, depth int) json.RawMessage {
	var at words.Attachment
	in := membersOf(v)
	if in == nil || json.Unmarshal(v, &at) != nil {
		return nil
	}
	places := []string{at.Channel, linkedIn(at.FromURL), linkedIn(at.Original)}
	var quoted []struct {
		Channel string `json:"channel"`
	}
	_ = json.Unmarshal(in["message_blocks"], &quoted)
	for _, q := range quoted {
		places = append(places, q.Channel)
	}
	places = slices.DeleteFunc(places, func(p string) bool { return p == "" })
	quotes := at.Quotes() || len(quoted) > 0 || at.Channel != ""
	if quotes && len(places) == 0 || slices.ContainsFunc(places, func(p string) bool { return !c.Sees(p) }) {
		return leftOut()
	}
	return c.object(v, things["attachment"], depth)
}

// linkedIn is the conversation of a message's link; "" of another link.
func linkedIn(url string) string {
	if m := archived.FindStringSubmatch(url); m != nil {
		return m[1]
	}
	return ""
}

var archived = regexp.MustCompile(`^https?://[^/?#]+/archives/([A-Za-z0-9]+)`)

// leftOut is what stands in place of a message.
func leftOut() json.RawMessage {
	out, err := encodeJSON(map[string]string{"text": LeftOut, "fallback": LeftOut})
	if err != nil {
		return nil
	}
	return out
}

// rich is a tree of blocks: of what may stand in one, by the names that Slack gives it.
func (c *contents) rich(v json.RawMessage, depth int) json.RawMessage {
	if depth > maxNested {
		return nil
	}
	return c.each(v, func(v json.RawMessage) json.RawMessage {
		switch kindOf(v) {
		case '{':
			return c.build(membersOf(v), func(name string, v json.RawMessage) json.RawMessage {
				if !richNames[name] {
					return nil
				}
				return c.rich(v, depth+1)
			})
		case '[':
			return c.rich(v, depth+1)
		}
		return c.scalar(v)
	})
}

// action is an element that somebody used. What others typed or chose in a form is left out; which button
// they pressed is seen by all who see the message.
func (c *contents) action(v json.RawMessage, depth int) json.RawMessage {
	in := membersOf(v)
	if in == nil {
		return nil
	}
	if c.mine {
		return c.rich(v, depth)
	}
	list := things["action"]
	if textOf(in["type"]) == "button" {
		list = things["button"]
	}
	return c.object(v, list, depth)
}

// membersOf reads an object; nil is none.
func membersOf(raw []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if kindOf(raw) != '{' || json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// textOf reads a text; "" is none.
func textOf(raw json.RawMessage) string {
	var s string
	if kindOf(raw) != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// kindOf is the first character of a value; 0 is none.
func kindOf(raw []byte) byte {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// seenOf is the list of a type of event. Of one that is not listed nothing is shown but where and when.
func seenOf(typ string) *allowance {
	if list := seenLists[typ]; list != nil {
		return list
	}
	return allowed(unjudged)
}

// seenLists are the lists of all types.
var seenLists = func() map[string]*allowance {
	all := map[string]*allowance{}
	for typ, more := range seen {
		all[typ] = allowed(everywhere, common, fields[typ], more)
	}
	return all
}()

// richNames are the members of blocks.
var richNames = func() map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(richMembers) {
		all[name] = true
	}
	return all
}()
