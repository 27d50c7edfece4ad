package channel

import (
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// A message is one that somebody on the list wrote.
type message struct{ view.Event }

// key names the message, whichever event tells of it.
func (m message) key() string { return m.Channel + "/" + m.TS }

// root is the message in whose thread an answer belongs.
func (m message) root() string {
	if m.ThreadTS != "" {
		return m.ThreadTS
	}
	return m.TS
}

func (m message) thread() string { return m.Channel + "/" + m.root() }

// direct are the conversations in which everything said is said to the model.
var direct = map[string]bool{"im": true, "app_home": true}

// words are the subtypes of messages that are somebody's own, new words.
var words = map[string]bool{"": true, "thread_broadcast": true, "file_share": true}

// heard reads a new message by somebody on the list out of an event, and reports whether
// it is one. Changed and deleted messages are none, nor is anything by a bot.
func (c *Channel) heard(e *event.Event) (message, bool) {
	if e.Source != event.SourceSlack || e.FromSelf || !c.senders[e.User] || !words[e.Kind.Subtype] {
		return message{}, false
	}
	if e.Kind.Type != "message" && e.Kind.Type != mention {
		return message{}, false
	}
	m := message{view.NewEvent(e, view.EventOptions{})}
	// The sender is what Slack says of the author, not what the text claims; a bot that
	// posts in somebody's name is not that person.
	if m.Provenance.Kind != view.KindPerson || !m.Provenance.Verified || m.TS == "" {
		return message{}, false
	}
	return m, true
}

const mention = "app_mention"

// addressed reports whether a message is meant for the model: a mention, a direct
// message, a message of a watched channel, or one in a thread where the model was
// addressed before.
func (c *Channel) addressed(m message) bool {
	return m.Type == mention || direct[m.ChannelType] || c.watch[m.Channel] || c.threads.has(m.thread())
}
