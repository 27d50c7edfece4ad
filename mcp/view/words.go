package view

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"slackmcp/slackapi"
)

// Words is what a message says to a person who looks at it: its text or, where it has none, the
// texts of its blocks, and then what its attachments say.
func Words(m *slackapi.Message) string {
	var found []string
	for _, p := range partsOf(m) {
		found = append(found, p.words...)
	}
	return strings.Join(found, "\n")
}

// A part is a piece of a message that has an author of its own.
type part struct {
	words []string
	// attachment is what Slack, or an app, put below the message's own words; nil is those.
	attachment *attachment
}

// partsOf takes a message apart, in the order in which it is read.
func partsOf(m *slackapi.Message) []part {
	var parts []part
	if strings.TrimSpace(m.Text) != "" {
		parts = append(parts, part{words: []string{m.Text}})
	} else if v, err := decodeJSON(m.Blocks); err == nil {
		if words := texts(v, nil); len(words) > 0 {
			parts = append(parts, part{words: words})
		}
	}
	for _, at := range attachmentsOf(m) {
		words := at.words()
		if at.quotes() || at.fetched() {
			words = quote(words)
		}
		parts = append(parts, part{words: words, attachment: &at})
	}
	return parts
}

// quote marks each line as another one's: what a message brings with it must not read as if its
// author had said it.
func quote(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	return []string{"> " + strings.Join(strings.FieldsFunc(strings.Join(words, "\n"), isBreak), "\n> ")}
}

// isBreak reports a character that ends a line.
func isBreak(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) }

// texts collects the values of the members that hold words, in order.
func texts(v any, found []string) []string {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = texts(item, found)
		}
	case map[string]any:
		for _, key := range []string{"pretext", "title", "text", "alt_text", "fields", "elements", "rows", "blocks", "message_blocks", "message", "fallback"} {
			switch s, ok := v[key].(string); {
			case !ok:
				found = texts(v[key], found)
			case s != "" && (key != "fallback" || len(found) == 0):
				found = append(found, s)
			}
		}
	}
	return found
}

// An attachment is one entry of a message's attachments: what Slack shows below a message
// (docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments and, of shared
// messages, what Slack sends).
type attachment struct {
	FromURL   string `json:"from_url"`
	Original  string `json:"original_url"`
	Shared    bool   `json:"is_share"`
	Message   bool   `json:"is_msg_unfurl"`
	Reply     bool   `json:"is_reply_unfurl"`
	Root      bool   `json:"is_thread_root_unfurl"`
	AppUnfurl bool   `json:"is_app_unfurl"`
	AppURL    string `json:"app_unfurl_url"`
	BotID     string `json:"bot_id"`
	AppID     string `json:"app_id"`
	AuthorID  string `json:"author_id"`
	Channel   string `json:"channel_id"`
	TS        string `json:"ts"`

	Text   string          `json:"text"`
	Blocks json.RawMessage `json:"message_blocks"`
	Files  []slackapi.File `json:"files"`

	raw any
}

// attachmentsOf reads a message's attachments. What is not an object is left out.
func attachmentsOf(m *slackapi.Message) []attachment {
	var list []json.RawMessage
	if len(m.Attachments) == 0 || json.Unmarshal(m.Attachments, &list) != nil {
		return nil
	}
	all := make([]attachment, 0, len(list))
	for _, raw := range list {
		v, err := decodeJSON(raw)
		if _, object := v.(map[string]any); err != nil || !object {
			continue
		}
		at := attachment{raw: v}
		_ = json.Unmarshal(raw, &at) // what Slack writes otherwise is as if it were absent
		all = append(all, at)
	}
	return all
}

func (at *attachment) words() []string { return texts(at.raw, nil) }

// quotes reports that Slack made the attachment of a message that was shared.
func (at *attachment) quotes() bool { return at.Shared || at.Message || at.Reply || at.Root }

// fetched reports that the attachment is the preview of a link.
func (at *attachment) fetched() bool {
	return at.AppUnfurl || at.AppURL != "" || at.FromURL != "" || at.Original != ""
}

// byApp reports that an app wrote the attachment, whatever else it says of itself.
func (at *attachment) byApp() bool {
	return at.AppUnfurl || at.AppURL != "" || at.BotID != "" || at.AppID != ""
}

// isTable reports that the attachment is a table which a person pasted: Slack keeps that beside the
// message's blocks. It has nothing else in it that could be another one's.
func (at *attachment) isTable() bool {
	object, _ := at.raw.(map[string]any)
	for name := range object {
		if !slices.Contains([]string{"id", "color", "fallback", "blocks"}, name) {
			return false
		}
	}
	blocks, _ := object["blocks"].([]any)
	return len(blocks) > 0 && !slices.ContainsFunc(blocks, func(b any) bool {
		block, _ := b.(map[string]any)
		return block["type"] != "table"
	})
}

// attachment says who wrote an attachment of a message by a, and whether it passes. Below what
// a person typed stands what Slack put there: a message that was shared is its author's, a preview
// the web's. What an app posts it may have written itself, so there nothing is taken for
// a quotation.
func (r *Reading) attachment(at *attachment, a *author, passes bool, s *scene) bool {
	switch app := a.bot != "" || a.app != ""; {
	case !r.Lockdown():
		return true
	case !app && at.byApp():
		return false
	case at.quotes():
		return !app && r.quoted(author{user: at.AuthorID, ts: at.TS}, scene{own: s.own, app: s.app, bot: s.bot, channel: at.Channel})
	case at.fetched(), !app && !at.isTable():
		return false
	}
	return passes
}

func (r *Reading) quoted(a author, s scene) bool {
	_, passes := r.author(a, &s)
	return passes
}

// announced are the subtypes of messages that Slack writes about what a person did. Their
// words are Slack's, but for a name or a text at the end.
var announced = map[string]string{
	"channel_join": "joined the channel", "group_join": "joined the channel",
	"channel_leave": "left the channel", "group_leave": "left the channel",
	"channel_topic": "set the channel's topic", "group_topic": "set the channel's topic",
	"channel_purpose": "set the channel's purpose", "group_purpose": "set the channel's purpose",
	"channel_name": "renamed the channel", "group_name": "renamed the channel",
	"channel_archive": "archived the channel", "group_archive": "archived the channel",
	"channel_unarchive": "unarchived the channel", "group_unarchive": "unarchived the channel",
	"channel_convert_to_private": "made the channel private", "channel_posting_permissions": "changed who may post in the channel",
	"pinned_item": "pinned an item", "unpinned_item": "unpinned an item",
	"bot_add": "added an integration", "bot_remove": "removed an integration", "bot_enable": "enabled an integration", "bot_disable": "disabled an integration",
	"reminder_add": "set a reminder", "tombstone": "is no longer shown: this message was deleted",
	"assistant_app_thread": "began a conversation with an app",
	"huddle_thread":        "began a huddle", "sh_room_created": "began a huddle",
	"channel_canvas_updated": "changed the channel's canvas", "tabbed_canvas_updated": "changed a canvas of the channel",
	"document_mention": "mentioned somebody in a document", "file_mention": "mentioned a file",
	"ekm_access_denied": "wrote what the organisation's keys do not open",
}

// wholly are the subtypes of an announcement that end with the person's own words.
var wholly = []string{"channel_topic", "group_topic", "channel_purpose", "group_purpose"}

// spoken are the subtypes of messages whose words are their author's.
var spoken = []string{"", botMessage, "file_share", "me_message", "thread_broadcast", "reply_broadcast", "file_comment"}

// named finds the mentions in a text that carry the name of what they mention: the name is not
// the author's.
var named = regexp.MustCompile(`<((?:[@#]|!subteam\^)[^<>|]*)\|[^<>]*>`)

// nameless takes those names out.
func nameless(words []string) []string {
	var bare []string
	for _, w := range words {
		bare = append(bare, named.ReplaceAllString(w, "<$1>"))
	}
	return bare
}

// announcement is what passes of a message that Slack wrote about what a person did.
func announcement(m *slackapi.Message) string {
	if m.User == "" {
		return announced[m.Subtype]
	}
	return "<@" + m.User + "> " + announced[m.Subtype]
}

// ownWords is what passes of a message's own words. It reports whether something was withheld.
func (r *Reading) ownWords(m *slackapi.Message, words []string, passes bool) (said []string, withheld bool) {
	ends := slices.Contains(wholly, m.Subtype)
	switch {
	case !r.Lockdown():
		return words, false
	case announced[m.Subtype] != "" && (!passes || !ends):
		return []string{announcement(m)}, ends
	case announced[m.Subtype] == "" && !slices.Contains(spoken, m.Subtype), !passes:
		return nil, len(words) > 0
	}
	return nameless(words), false
}

// words is what passes of all that a message says.
func (r *Reading) words(m *slackapi.Message, a *author, passes bool, s *scene, f *Flags) string {
	var found []string
	for _, p := range partsOf(m) {
		words, withheld := p.words, false
		if p.attachment == nil {
			words, withheld = r.ownWords(m, words, passes)
		} else if !r.attachment(p.attachment, a, passes, s) {
			words, withheld = nil, len(words) > 0
		} else if r.Lockdown() {
			words = nameless(words)
		}
		if withheld {
			f.Add(FlagWithheld)
		}
		found = append(found, words...)
	}
	return strings.Join(found, "\n")
}

// shown is what passes of a message's attachments, rebuilt of what is known of them.
func (r *Reading) shown(m *slackapi.Message, a *author, passes bool, s *scene, f *Flags) json.RawMessage {
	var all []any
	for _, at := range attachmentsOf(m) {
		if !r.attachment(&at, a, passes, s) {
			f.Add(FlagWithheld)
			continue
		}
		v := map[string]any{"text": f.Text(strings.Join(nameless(at.words()), "\n"), MaxText)}
		for name, value := range map[string]string{"author_id": at.AuthorID, "channel_id": at.Channel, "ts": at.TS} {
			if at.quotes() && identifier.MatchString(value) {
				v[name] = value
			}
		}
		all = append(all, v)
	}
	if all == nil {
		return nil
	}
	raw, err := encodeJSON(all)
	if err != nil {
		return nil
	}
	return raw
}

// identifier is what Slack and programs use for ids, types and instants: no words.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{0,100}$`)
