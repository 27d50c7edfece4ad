package events

import (
	"cmp"
	"slices"

	"slackmcp/mcp/toolset"
	"slackmcp/webhook/event"
)

// interactions are what people do with an app's buttons, menus, forms, shortcuts and
// commands (docs.slack.dev/reference/interaction-payloads).
var interactions = []string{
	"block_actions", "interactive_message", "view_submission", "view_closed", "dialog_submission",
	"shortcut", "message_action", event.SlashCommand,
}

type interactionArguments struct {
	where
	Kind       string `json:"kind,omitempty" enum:"block_actions,interactive_message,view_submission,view_closed,dialog_submission,shortcut,message_action,slash_command" doc:"only this kind"`
	CallbackID string `json:"callback_id,omitempty" max:"255" doc:"only of the form or shortcut with this callback_id"`
	ActionID   string `json:"action_id,omitempty" max:"255" doc:"only where the button or menu with this action_id was used"`
	Command    string `json:"command,omitempty" max:"100" doc:"only this slash command, such as /deploy"`
}

type actionData struct {
	ActionID string `json:"action_id,omitempty"`
	BlockID  string `json:"block_id,omitempty"`
	Type     string `json:"type,omitempty"`
	Value    string `json:"value,omitempty" doc:"of the button, or what was selected"`
}

type interactionData struct {
	origin
	place
	Kind       string       `json:"kind"`
	CallbackID string       `json:"callback_id,omitempty"`
	ViewID     string       `json:"view_id,omitempty"`
	Actions    []actionData `json:"actions,omitempty" doc:"what was clicked or chosen"`
	Command    string       `json:"command,omitempty"`
	Text       string       `json:"text,omitempty" doc:"what was written behind the command"`
	MessageTS  string       `json:"message_ts,omitempty" doc:"of the message that it happened on"`
	ThreadTS   string       `json:"thread_ts,omitempty"`
}

// An interacted is the part of an interaction that payloads are made of.
type interacted struct {
	CallbackID string `json:"callback_id"`
	Command    string `json:"command"`
	Text       string `json:"text"`
	MessageTS  string `json:"message_ts"`
	Container  struct {
		MessageTS string `json:"message_ts"`
		ThreadTS  string `json:"thread_ts"`
	} `json:"container"`
	View struct {
		ID         string `json:"id"`
		CallbackID string `json:"callback_id"`
	} `json:"view"`
	Actions []action `json:"actions"`
}

type action struct {
	ActionID string   `json:"action_id"`
	Name     string   `json:"name"` // of an attachment's button, which has no action_id
	BlockID  string   `json:"block_id"`
	Type     string   `json:"type"`
	Value    string   `json:"value"`
	Selected option   `json:"selected_option"`
	Several  []option `json:"selected_options"`
}

type option struct {
	Value string `json:"value"`
}

func (a *action) id() string { return cmp.Or(a.ActionID, a.Name) }

func (a *action) value() string {
	if v := cmp.Or(a.Value, a.Selected.Value); v != "" || len(a.Several) == 0 {
		return v
	}
	return a.Several[0].Value
}

// takes judges by what the filter of the log cannot see.
func (a *interactionArguments) takes(kind string, in *interacted) bool {
	used := func(x action) bool { return x.id() == a.ActionID }
	return (a.Kind == "" || a.Kind == kind) &&
		(a.CallbackID == "" || a.CallbackID == in.CallbackID) &&
		(a.ActionID == "" || slices.ContainsFunc(in.Actions, used)) &&
		(a.Command == "" || a.Command == in.Command)
}

// maxActions bounds the actions that a payload names.
const maxActions = 10

func interaction(a *interactionArguments, s *seen) (interactionData, bool) {
	in := inner[interacted](s)
	in.CallbackID = cmp.Or(in.CallbackID, in.View.CallbackID)
	if !a.takes(s.Kind.Type, &in) {
		return interactionData{}, false
	}
	d := interactionData{
		place: s.place(), Kind: s.view.Type, CallbackID: s.id(in.CallbackID), ViewID: s.id(in.View.ID),
		MessageTS: s.id(cmp.Or(in.MessageTS, in.Container.MessageTS)), ThreadTS: s.id(in.Container.ThreadTS),
	}
	if in.Command != "" {
		d.Command, d.Text = s.id(in.Command), s.words(in.Text)
	}
	for _, x := range in.Actions[:min(len(in.Actions), maxActions)] {
		d.Actions = append(d.Actions, actionData{ActionID: s.id(x.id()), BlockID: s.id(x.BlockID), Type: s.id(x.Type), Value: s.words(x.value())})
	}
	d.origin = s.origin()
	return d, true
}

type webhookArguments struct {
	Source string `json:"source,omitempty" max:"100" doc:"only of this configured source; without it, of every source but Slack and gaps"`
	Type   string `json:"type,omitempty" max:"200" doc:"only events that the source calls so: a type, or type/subtype"`
}

func (a webhookArguments) filter() (event.Filter, error) {
	f := event.Filter{Source: a.Source}
	if a.Source == event.SourceSlack {
		return f, &toolset.ArgumentError{Argument: "source", Problem: "events of Slack have types of their own, such as message.created"}
	}
	if a.Source == event.SourceGaps {
		return f, &toolset.ArgumentError{Argument: "source", Problem: "gaps have a type of their own: gap.detected"}
	}
	if a.Type == "" {
		return f, nil
	}
	if _, err := event.ParsePattern(a.Type); err != nil {
		return f, &toolset.ArgumentError{Argument: "type", Problem: "write a type, or type/subtype"}
	}
	return f, nil
}

type webhookData struct {
	origin
	HappenedAt string `json:"happened_at,omitempty" doc:"by the sender's word"`
	ReceivedAt string `json:"received_at"`
}

func webhook(a *webhookArguments, s *seen) (webhookData, bool) {
	if s.Source == event.SourceSlack || s.Source == event.SourceGaps {
		return webhookData{}, false
	}
	if a.Type != "" {
		p, err := event.ParsePattern(a.Type)
		if err != nil || !p.Match(s.Event) {
			return webhookData{}, false
		}
	}
	d := webhookData{HappenedAt: s.view.HappenedAt, ReceivedAt: s.view.ReceivedAt}
	d.origin = s.origin()
	return d, true
}
