package events

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/words"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// spoken are the kinds of messages that a person or a bot wrote, as opposed to those that Slack
// writes about a channel (docs.slack.dev/reference/events/message).
var spoken = []string{"message/", "message/file_share", "message/bot_message", "message/me_message", "message/thread_broadcast"}

type messageArguments struct {
	where
	ThreadTS    string `json:"thread_ts,omitempty" doc:"only in the thread of this message, by its ts"`
	ChannelType string `json:"channel_type,omitempty" enum:"channel,group,im,mpim" doc:"only in conversations of this kind"`
	Keyword     string `json:"keyword,omitempty" max:"200" doc:"only where what the message says, also in its blocks, attachments and files, has these characters, in upper or lower case"`
}

func (a messageArguments) filter() (event.Filter, error) {
	f, err := a.where.filter()
	if err == nil && a.ThreadTS != "" && !names.IsTS(a.ThreadTS) {
		err = &toolset.ArgumentError{Argument: "thread_ts", Problem: "write the ts of the thread's first message, such as 1700000000.123456"}
	}
	f.Thread = a.ThreadTS
	return f, err
}

// takes judges by what the filter of the log cannot see.
func (a *messageArguments) takes(s *seen, m *view.Message) bool {
	switch {
	case a.ChannelType != "" && a.ChannelType != s.ChannelType:
		return false
	case a.Keyword == "":
		return true
	}
	said, keyword := strings.ToLower(view.Said(m.Text, m.Files)), strings.ToLower(a.Keyword)
	return strings.Contains(said, keyword) || strings.Contains(words.Unescape(said), keyword)
}

type messageData struct {
	origin
	place
	TS       string         `json:"ts" doc:"the message's id in its channel"`
	ThreadTS string         `json:"thread_ts,omitempty" doc:"ts of the thread's first message, of a reply"`
	Text     string         `json:"text,omitempty" doc:"its first 1000 characters"`
	Files    []view.FileRef `json:"files,omitempty"`
	More     string         `json:"more,omitempty" doc:"what it holds that the text does not show; slack_get_event has it"`
}

// maxFiles bounds the files that a payload names.
const maxFiles = 10

// message is the data of a message as it is shown.
func (s *seen) message(m *view.Message) messageData {
	d := messageData{place: s.place(), TS: s.id(m.TS), Text: s.view.Flags.Text(s.reading.Mentions(m.Text, &s.view.Flags), excerpt), Files: m.Files[:min(len(m.Files), maxFiles)], More: m.More}
	if m.ThreadTS != m.TS {
		d.ThreadTS = s.id(m.ThreadTS)
	}
	s.note(m.Flags)
	d.origin = s.origin()
	return d
}

// note adds what was done to the texts of a part.
func (s *seen) note(flags view.Flags) {
	for _, f := range flags {
		s.view.Flags.Add(f)
	}
}

// told shows the message that the event is about, and what it said before it was changed.
func (s *seen) told() (now, before view.Message) { return s.reading.Told(s.Event, view.MaxText) }

func written(a *messageArguments, s *seen) (messageData, bool) {
	m, _ := s.told()
	if !a.takes(s, &m) {
		return messageData{}, false
	}
	return s.message(&m), true
}

// reply is a message in a thread that is not its first.
func reply(a *messageArguments, s *seen) (messageData, bool) {
	m, _ := s.told()
	if m.ThreadTS == "" || m.ThreadTS == m.TS || !a.takes(s, &m) {
		return messageData{}, false
	}
	return s.message(&m), true
}

func direct(a *messageArguments, s *seen) (messageData, bool) {
	if !slices.Contains(spoken, s.Kind.Type+"/"+s.Kind.Subtype) {
		return messageData{}, false
	}
	return written(a, s)
}

type changedData struct {
	messageData
	PreviousText string `json:"previous_text,omitempty" doc:"what it said before, its first 1000 characters"`
}

func changed(a *messageArguments, s *seen) (changedData, bool) {
	now, before := s.told()
	if now.TS == "" || !a.takes(s, &now) {
		return changedData{}, false
	}
	s.note(before.Flags)
	d := changedData{PreviousText: s.view.Flags.Text(s.reading.Mentions(before.Text, &s.view.Flags), excerpt)}
	d.messageData = s.message(&now)
	return d, true
}

type deletedArguments struct {
	where
	ThreadTS string `json:"thread_ts,omitempty" doc:"only in the thread of this message, by its ts"`
}

func (a deletedArguments) filter() (event.Filter, error) {
	return messageArguments{where: a.where, ThreadTS: a.ThreadTS}.filter()
}

type deletedData struct {
	origin
	place
	TS           string `json:"ts" doc:"of the message that is gone"`
	ThreadTS     string `json:"thread_ts,omitempty"`
	PreviousText string `json:"previous_text,omitempty" doc:"what it said, its first 1000 characters"`
}

func deleted(_ *deletedArguments, s *seen) (deletedData, bool) {
	m, _ := s.told()
	d := deletedData{place: s.place(), TS: s.id(m.TS), PreviousText: s.view.Flags.Text(m.Text, excerpt)}
	s.note(m.Flags)
	if m.ThreadTS != m.TS {
		d.ThreadTS = s.id(m.ThreadTS)
	}
	d.origin = s.origin()
	return d, true
}

type reactionArguments struct {
	where
	Reaction  string `json:"reaction,omitempty" max:"100" doc:"only this emoji, by its name without colons"`
	MessageTS string `json:"message_ts,omitempty" max:"64" doc:"only on this message, by its ts"`
	Author    string `json:"message_author,omitempty" max:"64" doc:"only on messages of this user, by their id"`
}

type reactionData struct {
	origin
	place
	Reaction string `json:"reaction" doc:"the emoji's name"`
	TS       string `json:"ts,omitempty" doc:"of the message"`
	Author   string `json:"message_author,omitempty" doc:"who wrote the message"`
}

func reaction(a *reactionArguments, s *seen) (reactionData, bool) {
	in := inner[struct {
		Reaction string `json:"reaction"`
		ItemUser string `json:"item_user"`
		Item     struct {
			TS string `json:"ts"`
		} `json:"item"`
	}](s)
	switch {
	case a.Reaction != "" && strings.Trim(a.Reaction, ":") != in.Reaction,
		a.MessageTS != "" && a.MessageTS != in.Item.TS,
		a.Author != "" && a.Author != in.ItemUser:
		return reactionData{}, false
	}
	d := reactionData{place: s.place(), Reaction: s.reading.Emoji(s.Event, in.Reaction, &s.view.Flags), TS: s.id(in.Item.TS), Author: s.id(in.ItemUser)}
	d.origin = s.origin()
	return d, true
}

func messageTypes() []definition {
	return []definition{
		define("message.created", "Somebody wrote a message, in any conversation that the bot is in: channels, threads and direct messages.", spoken, written),
		define("message.changed", "A message was edited, or Slack added to it, such as the preview of a link.", []string{"message/message_changed"}, changed),
		define("message.deleted", "A message was deleted.", []string{"message/message_deleted"}, deleted),
		define("mention.received", "Somebody mentioned the bot.", []string{"app_mention"}, written),
		define("direct_message.received", "Somebody wrote to the bot directly.", []string{"message.im"}, direct),
		define("thread.replied", "Somebody replied in a thread; with thread_ts, in that one.", spoken, reply),
		define("reaction.added", "Somebody put an emoji on a message.", []string{"reaction_added"}, reaction),
		define("reaction.removed", "Somebody took an emoji off a message.", []string{"reaction_removed"}, reaction),
	}
}

type channelArguments struct{ where }

type channelData struct {
	origin
	place
	Name    string `json:"name,omitempty" doc:"its name now, where Slack tells it"`
	Creator string `json:"creator,omitempty"`
}

// channel reads what Slack writes as an object in some events and as an id in others.
func channel(_ *channelArguments, s *seen) (channelData, bool) {
	in := inner[struct {
		Channel json.RawMessage `json:"channel"`
	}](s)
	var c slackapi.Channel
	_ = json.Unmarshal(in.Channel, &c) // an id says no more than the envelope does
	d := channelData{place: s.place(), Name: s.reading.Named(s.Event, &c, &s.view.Flags), Creator: s.id(c.Creator)}
	d.origin = s.origin()
	return d, true
}

func channelTypes() []definition {
	return []definition{
		define("channel.created", "A public channel was created.", []string{"channel_created"}, channel),
		define("channel.renamed", "A channel got another name.", []string{"channel_rename", "group_rename"}, channel),
		define("channel.archived", "A channel was archived.", []string{"channel_archive", "group_archive"}, channel),
	}
}

type memberArguments struct{ where }

type memberData struct {
	origin
	place
	Inviter string `json:"inviter,omitempty" doc:"who brought them in"`
}

func member(_ *memberArguments, s *seen) (memberData, bool) {
	in := inner[struct {
		Inviter string `json:"inviter"`
	}](s)
	d := memberData{place: s.place(), Inviter: s.id(in.Inviter)}
	d.origin = s.origin()
	return d, true
}

type userArguments struct{ where }

type userData struct {
	origin
	place
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	RealName    string `json:"real_name,omitempty"`
	StatusText  string `json:"status_text,omitempty"`
	StatusEmoji string `json:"status_emoji,omitempty"`
	Deleted     bool   `json:"deleted,omitempty" doc:"the account was deactivated"`
	IsBot       bool   `json:"is_bot,omitempty"`
	Joined      bool   `json:"joined,omitempty" doc:"they are new in the workspace"`
}

func user(_ *userArguments, s *seen) (userData, bool) {
	in := inner[struct {
		User slackapi.User `json:"user"`
	}](s)
	u := s.reading.User(&in.User)
	s.note(u.Flags)
	d := userData{
		place: s.place(), Name: u.Handle, DisplayName: u.DisplayName, RealName: u.RealName,
		Deleted: u.IsDeleted, IsBot: u.IsBot, Joined: s.Kind.Type == "team_join",
	}
	if u.Shown() {
		d.StatusText, d.StatusEmoji = s.view.Flags.Name(in.User.Profile.StatusText), s.view.Flags.Name(in.User.Profile.StatusEmoji)
	}
	d.origin = s.origin()
	return d, true
}

type fileArguments struct{ where }

type fileData struct {
	origin
	place
	FileID string `json:"file_id" doc:"as slack_get_file_info takes it"`
}

func file(_ *fileArguments, s *seen) (fileData, bool) {
	in := inner[struct {
		FileID string `json:"file_id"`
	}](s)
	d := fileData{place: s.place(), FileID: s.id(in.FileID)}
	d.origin = s.origin()
	return d, true
}

func peopleTypes() []definition {
	return []definition{
		define("member.joined", "Somebody, perhaps the bot, joined a channel that the bot is in.", []string{"member_joined_channel"}, member),
		define("member.left", "Somebody left a channel that the bot is in.", []string{"member_left_channel"}, member),
		define("user.changed", "A person's profile or account changed, or they are new in the workspace.", []string{"user_change", "user_profile_changed", "user_status_changed", "team_join"}, user),
		define("file.shared", "Somebody shared a file.", []string{"file_shared"}, file),
	}
}

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
	Value    string `json:"value,omitempty" doc:"of the button, or what was chosen or typed; the first of several"`
	// Values are all of several that were chosen.
	Values []string `json:"values,omitempty" doc:"where several were chosen, all of them"`
}

type interactionData struct {
	origin
	place
	Kind       string       `json:"kind"`
	CallbackID string       `json:"callback_id,omitempty"`
	ViewID     string       `json:"view_id,omitempty"`
	Actions    []actionData `json:"actions,omitempty" doc:"what was clicked or chosen"`
	Inputs     []actionData `json:"inputs,omitempty" doc:"what a form that was sent holds"`
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
		State      struct {
			Values map[string]map[string]event.Chosen `json:"values"` // by block_id and action_id
		} `json:"state"`
	} `json:"view"`
	Submission map[string]any `json:"submission"` // of a dialog
	Actions    []event.Action `json:"actions"`
}

// actionID is the name of an element; an attachment's button has no action_id.
func actionID(a *event.Action) string { return cmp.Or(a.ActionID, a.Name) }

// action is the data of an element that was used.
func (s *seen) action(id, block string, c *event.Chosen) actionData {
	d := actionData{ActionID: s.id(id), BlockID: s.id(block), Type: s.id(c.Type)}
	values := c.Values()
	if len(c.RichText) > 0 {
		values = []string{s.reading.Rich(c.RichText)}
	}
	for _, v := range values[:min(len(values), maxInputs)] {
		if v = s.reading.Chosen(s.Event, c.Type, v, &s.view.Flags); v != "" {
			d.Values = append(d.Values, v)
		}
	}
	if len(d.Values) > 0 {
		d.Value = d.Values[0]
	}
	if len(d.Values) < 2 {
		d.Values = nil
	}
	return d
}

// inputs is what a form holds, in the order of its ids. Several people may have filled it, so lockdown
// withholds it.
func (s *seen) inputs(in *interacted) []actionData {
	var all []actionData
	state := in.View.State.Values
	if s.Kind.Type != "view_submission" {
		state = nil // it was not sent
	}
	for _, block := range slices.Sorted(maps.Keys(state)) {
		for _, id := range slices.Sorted(maps.Keys(state[block])) {
			c := state[block][id]
			if s.reading.Lockdown() {
				s.view.Flags.Add(view.FlagWithheld)
				return nil
			}
			all = append(all, s.action(id, block, &c))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.Submission)) {
		value, _ := in.Submission[name].(string)
		if s.reading.Lockdown() {
			s.view.Flags.Add(view.FlagWithheld)
			return nil
		}
		all = append(all, s.action(name, "", &event.Chosen{Value: value}))
	}
	return all[:min(len(all), maxInputs)]
}

// takes judges by what the filter of the log cannot see.
func (a *interactionArguments) takes(kind string, in *interacted) bool {
	used := func(x event.Action) bool { return actionID(&x) == a.ActionID }
	return (a.Kind == "" || a.Kind == kind) &&
		(a.CallbackID == "" || a.CallbackID == in.CallbackID) &&
		(a.ActionID == "" || slices.ContainsFunc(in.Actions, used)) &&
		(a.Command == "" || a.Command == in.Command)
}

// said is a text of the one who acted.
func (s *seen) said(text string) string { return s.reading.Said(s.Event, text, &s.view.Flags) }

// Bounds of the actions that a payload names, and of the values and inputs of a form: a view has at
// most 100 blocks.
const (
	maxActions = 10
	maxInputs  = 100
)

func interaction(a *interactionArguments, s *seen) (interactionData, bool) {
	in := inner[interacted](s)
	in.CallbackID = cmp.Or(in.CallbackID, in.View.CallbackID)
	if !a.takes(s.Kind.Type, &in) {
		return interactionData{}, false
	}
	d := interactionData{
		place: s.place(), Kind: s.view.Type, CallbackID: s.id(in.CallbackID), ViewID: s.id(in.View.ID),
		MessageTS: s.id(cmp.Or(in.MessageTS, in.Container.MessageTS)),
	}
	if in.Container.ThreadTS != in.Container.MessageTS { // as Slack says of a thread's first message
		d.ThreadTS = s.id(in.Container.ThreadTS)
	}
	if in.Command != "" {
		d.Command, d.Text = s.id(in.Command), s.said(in.Text)
	}
	for i := range in.Actions[:min(len(in.Actions), maxActions)] {
		x := &in.Actions[i]
		d.Actions = append(d.Actions, s.action(actionID(x), x.BlockID, &x.Chosen))
	}
	d.Inputs = s.inputs(&in)
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

// rateLimited is Slack's own notice that it withheld events of a minute.
const rateLimited = "app_rate_limited"

type gapArguments struct{}

func (gapArguments) filter() (event.Filter, error) { return event.Filter{}, nil }

type gapData struct {
	origin
	Reason  string `json:"reason" doc:"rate_limited: Slack sent less than happened; downtime: no server was there; unavailable: the server could store nothing, or was too busy; unreachable: something in front of the server was in the way; disconnected: there was no Socket Mode connection; lost: the store has lost what it had stored"`
	At      string `json:"at" doc:"when it began, as far as it is known"`
	From    string `json:"from,omitempty" doc:"events may have been missed from then on"`
	To      string `json:"to,omitempty" doc:"until then, as it was noticed; gaps_uri says whether it grew"`
	GapID   string `json:"gap_id,omitempty" doc:"the gap's id in gaps_uri; absent where only Slack told of it"`
	GapsURI string `json:"gaps_uri" doc:"resource with all gaps, and whether they were filled"`
}

func gap(_ *gapArguments, s *seen) (gapData, bool) {
	d := gapData{GapsURI: view.GapsURI}
	var from, to time.Time
	switch g, ok := s.Gap(); {
	case ok:
		d.Reason, d.GapID, from, to = s.id(g.Kind), s.id(g.ID), g.From, g.To
	case s.Source == event.SourceSlack && s.Kind.Type == rateLimited:
		d.Reason = "rate_limited"
		if !s.At.IsZero() {
			from, to = s.At, s.At.Add(time.Minute)
		}
	default:
		return d, false
	}
	d.From, d.To = view.Time(from), view.Time(to)
	d.At = cmp.Or(d.From, s.view.ReceivedAt)
	d.origin = s.origin()
	return d, true
}

func otherTypes() []definition {
	return []definition{
		define("interaction.received", "Somebody used a button, a menu, a form, a shortcut or a slash command of the app.", interactions, interaction),
		define("webhook.received", "A configured webhook source other than Slack sent something.", []string{"*"}, webhook),
		define("gap.detected", "Events of Slack's may have been missed: Slack sent less than happened, or for a while nothing could be received. What was said then has to be read from Slack.", []string{rateLimited, event.KindGap}, gap),
	}
}
