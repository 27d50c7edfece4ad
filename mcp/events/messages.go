package events

import (
	"slices"
	"strings"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// spoken are the kinds of messages that somebody wrote, as opposed to those that Slack
// writes about a channel (docs.slack.dev/reference/events/message).
var spoken = []string{"message/", "message/file_share", "message/bot_message", "message/me_message", "message/thread_broadcast"}

type messageArguments struct {
	where
	ThreadTS    string `json:"thread_ts,omitempty" doc:"only in the thread of this message, by its ts"`
	ChannelType string `json:"channel_type,omitempty" enum:"channel,group,im,mpim" doc:"only in conversations of this kind"`
	Keyword     string `json:"keyword,omitempty" max:"200" doc:"only where the text has these characters, in upper or lower case"`
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
func (a *messageArguments) takes(s *seen, text string) bool {
	switch {
	case a.ChannelType != "" && a.ChannelType != s.ChannelType:
		return false
	case a.Keyword == "":
		return true
	}
	return strings.Contains(strings.ToLower(text), strings.ToLower(a.Keyword))
}

type messageData struct {
	origin
	place
	TS       string         `json:"ts" doc:"the message's id in its channel"`
	ThreadTS string         `json:"thread_ts,omitempty" doc:"ts of the thread's first message, of a reply"`
	Text     string         `json:"text,omitempty" doc:"its first 1000 characters"`
	Files    []view.FileRef `json:"files,omitempty"`
}

// A said is the part of a message's event that payloads are made of.
type said struct {
	TS        string     `json:"ts"`
	ThreadTS  string     `json:"thread_ts"`
	DeletedTS string     `json:"deleted_ts"`
	Text      string     `json:"text"`
	Files     []saidFile `json:"files"`
	Message   *said      `json:"message"`
	Previous  *said      `json:"previous_message"`
}

type saidFile struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	MIMEType string `json:"mimetype"`
	Size     int64  `json:"size"`
}

// maxFiles bounds the files that a payload names.
const maxFiles = 10

func (s *seen) message(m *said) messageData {
	d := messageData{place: s.place(), TS: s.id(m.TS), Text: s.words(m.Text)}
	if m.ThreadTS != m.TS {
		d.ThreadTS = s.id(m.ThreadTS)
	}
	for _, f := range m.Files[:min(len(m.Files), maxFiles)] {
		d.Files = append(d.Files, view.FileRef{ID: s.id(f.ID), Name: s.words(f.Name), MIMEType: s.id(f.MIMEType), Size: f.Size})
	}
	d.origin = s.origin()
	return d
}

func written(a *messageArguments, s *seen) (messageData, bool) {
	m := inner[said](s)
	if !a.takes(s, m.Text) {
		return messageData{}, false
	}
	return s.message(&m), true
}

// reply is a message in a thread that is not its first.
func reply(a *messageArguments, s *seen) (messageData, bool) {
	m := inner[said](s)
	if m.ThreadTS == "" || m.ThreadTS == m.TS || !a.takes(s, m.Text) {
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
	m := inner[said](s)
	if m.Message == nil || !a.takes(s, m.Message.Text) {
		return changedData{}, false
	}
	d := changedData{}
	if m.Previous != nil {
		d.PreviousText = s.words(m.Previous.Text)
	}
	d.messageData = s.message(m.Message)
	return d, true
}

type deletedArguments struct {
	where
	ThreadTS string `json:"thread_ts,omitempty" doc:"only in the thread of this message, by its ts"`
}

func (a deletedArguments) filter() (event.Filter, error) {
	return messageArguments{where: a.where, ThreadTS: a.ThreadTS}.filter()
}

// deletedData has no text: it was taken back.
type deletedData struct {
	origin
	place
	TS       string `json:"ts" doc:"of the message that is gone"`
	ThreadTS string `json:"thread_ts,omitempty"`
}

func deleted(_ *deletedArguments, s *seen) (deletedData, bool) {
	m := inner[said](s)
	d := deletedData{place: s.place(), TS: s.id(m.DeletedTS)}
	if m.Previous != nil && m.Previous.ThreadTS != m.DeletedTS {
		d.ThreadTS = s.id(m.Previous.ThreadTS)
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
	d := reactionData{place: s.place(), Reaction: s.id(in.Reaction), TS: s.id(in.Item.TS), Author: s.id(in.ItemUser)}
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
