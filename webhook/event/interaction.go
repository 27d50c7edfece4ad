package event

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Inner parses what happened into a T: of an event_callback the object "event", of an
// interaction the payload, of anything else the whole body. A slash command's fields
// are given as an object of strings. It parses anew with each call; an unknown field
// is no error.
func Inner[T any](e *Event) (T, error) {
	var v T
	raw, err := InnerJSON(e)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("parse %s: %w", e.Kind, err)
	}
	return v, nil
}

// InnerJSON returns the JSON that Inner parses. Like Raw it may hold secrets, and may
// share Raw's bytes.
func InnerJSON(e *Event) ([]byte, error) {
	if e.Encoding == Form {
		if payload, ok := FormValue(e.Raw, "payload"); ok {
			return payload, nil
		}
		fields := map[string]string{}
		for name, value := range Pairs(e.Raw) {
			fields[string(name)] = string(value)
		}
		return json.Marshal(fields)
	}
	outer := parse(e.Raw, func(name []byte) bool { return string(name) == "event" || string(name) == "type" })
	if inner := outer.get("event"); inner.Value != nil && string(outer.text("type")) == "event_callback" {
		return inner.Value, nil
	}
	return e.Raw, nil
}

// An Interaction is what a person did with an app: the person used a button, a menu, a shortcut or
// a view. It has the fields that Slack's kinds of interactions share
// (docs.slack.dev/reference/interaction-payloads); read the others with [Inner]. The
// Kind's type of its event is Type.
type Interaction struct {
	Type       string `json:"type"`
	CallbackID string `json:"callback_id"`
	User       struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"channel"`
	// Container is where the element stood.
	Container struct {
		Type      string `json:"type"`
		MessageTS string `json:"message_ts"`
		ChannelID string `json:"channel_id"`
		ThreadTS  string `json:"thread_ts"`
		ViewID    string `json:"view_id"`
	} `json:"container"`
	// Actions are the elements that were used, in a block_actions or an interactive_message.
	Actions []Action `json:"actions"`
	// ActionID, BlockID and Value are of a block_suggestion: the menu, and what was
	// typed into it so far.
	ActionID string `json:"action_id"`
	BlockID  string `json:"block_id"`
	Value    string `json:"value"`
	// View and Message are Slack's own JSON; empty where there is none.
	View    json.RawMessage `json:"view"`
	Message json.RawMessage `json:"message"`
}

// An Action is one element that was used.
type Action struct {
	ActionID string `json:"action_id"`
	BlockID  string `json:"block_id"`
	// Name is what the elements of an interactive_message have in place of ActionID.
	Name string `json:"name"`
	Text struct {
		Text string `json:"text"`
	} `json:"text"`
	ActionTS string `json:"action_ts"`
	Chosen
}

// Chosen is what a person chose or typed in one element
// (docs.slack.dev/reference/block-kit/block-elements): the part that an action and an entry of a
// form's state share. Each type of element has its own field.
type Chosen struct {
	Type                  string          `json:"type"`
	Value                 string          `json:"value"`
	SelectedOption        Option          `json:"selected_option"`
	SelectedOptions       []Option        `json:"selected_options"`
	SelectedUser          string          `json:"selected_user"`
	SelectedUsers         []string        `json:"selected_users"`
	SelectedChannel       string          `json:"selected_channel"`
	SelectedChannels      []string        `json:"selected_channels"`
	SelectedConversation  string          `json:"selected_conversation"`
	SelectedConversations []string        `json:"selected_conversations"`
	SelectedDate          string          `json:"selected_date"`
	SelectedTime          string          `json:"selected_time"`
	SelectedDateTime      json.Number     `json:"selected_date_time"` // Unix seconds
	RichText              json.RawMessage `json:"rich_text_value"`    // a rich_text block
	Files                 []struct {
		ID string `json:"id"`
	} `json:"files"`
}

// An Option is one entry of a menu, or one box of several.
type Option struct {
	Text struct {
		Text string `json:"text"`
	} `json:"text"`
	Value string `json:"value"`
}

// Values are the values that were chosen or typed, whole and in Slack's order: of options their
// values, of people, conversations and files their ids. Rich text has no value.
func (c *Chosen) Values() []string {
	values := []string{
		c.Value, c.SelectedOption.Value, c.SelectedUser, c.SelectedChannel, c.SelectedConversation,
		c.SelectedDate, c.SelectedTime, c.SelectedDateTime.String(),
	}
	for _, o := range c.SelectedOptions {
		values = append(values, o.Value)
	}
	values = slices.Concat(values, c.SelectedUsers, c.SelectedChannels, c.SelectedConversations)
	for _, f := range c.Files {
		values = append(values, f.ID)
	}
	return slices.DeleteFunc(values, func(s string) bool { return s == "" })
}

// A Command is a slash command that a person used.
type Command struct {
	Command     string `json:"command"` // with its slash
	Text        string `json:"text"`
	UserID      string `json:"user_id"`
	UserName    string `json:"user_name"`
	ChannelID   string `json:"channel_id"`
	ChannelName string `json:"channel_name"`
	TeamID      string `json:"team_id"`
	ThreadTS    string `json:"thread_ts"`
}

// handles are the fields that let a holder answer an interaction without a token.
type handles struct {
	ResponseURL  string `json:"response_url"`
	ResponseURLs []struct {
		ResponseURL string `json:"response_url"`
	} `json:"response_urls"`
	TriggerID string `json:"trigger_id"`
}

// ResponseURLs returns the addresses at which an interaction or a slash command may be
// answered, five times within half an hour each; none where Slack gave none. A holder of
// such an address speaks as the app: they are for handlers, and no view shows them.
func ResponseURLs(e *Event) []string {
	h, err := Inner[handles](e)
	if err != nil {
		return nil
	}
	var urls []string
	if h.ResponseURL != "" {
		urls = append(urls, h.ResponseURL)
	}
	for _, r := range h.ResponseURLs {
		if r.ResponseURL != "" {
			urls = append(urls, r.ResponseURL)
		}
	}
	return urls
}

// TriggerID returns what opens a view in answer to an interaction, once and within three
// seconds of it, or "". It is as secret as a response URL.
func TriggerID(e *Event) string {
	h, err := Inner[handles](e)
	if err != nil {
		return ""
	}
	return h.TriggerID
}
