package view

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slackmcp/internal/words"
	"slackmcp/slackapi"
)

// wordsOf reads what a message says, without its files.
func wordsOf(m *slackapi.Message) *words.Message {
	return &words.Message{Text: m.Text, Blocks: m.Blocks, Attachments: m.Attachments}
}

// parts takes a message by a apart. Under lockdown, where each part is judged by its author, nothing is
// in a part that another one may have written. The text of a person's message holds all that the person
// wrote in its blocks; blocks that say something else are not the person's.
func (r *Reading) parts(m *slackapi.Message, a *author) []words.Part {
	w := wordsOf(m)
	switch {
	case !r.Lockdown():
		return w.Parts()
	case a.bot == "" && a.app == "" && strings.TrimSpace(w.Text) != "":
		w.Blocks = nil
	}
	return w.Authored()
}

// attachment says who wrote an attachment of a message by a, and whether it passes. Below what
// a person typed stands what Slack put there: a message that was shared is its author's, a preview
// the web's. What an app posts it may have written itself, so there nothing is taken for
// a quotation.
func (r *Reading) attachment(at *words.Attachment, a *author, passes bool, s *scene) bool {
	switch app := a.bot != "" || a.app != ""; {
	case !r.Lockdown():
		return true
	case !app && at.ByApp():
		return false
	case at.Quotes():
		return !app && r.quoted(author{user: at.AuthorID, ts: at.TS}, scene{own: s.own, app: s.app, bot: s.bot, channel: at.Channel})
	case at.Fetched(), !app && !at.IsTable():
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
func nameless(lines []string) []string {
	var bare []string
	for _, w := range lines {
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
func (r *Reading) ownWords(m *slackapi.Message, lines []string, passes bool) (said []string, withheld bool) {
	ends := slices.Contains(wholly, m.Subtype)
	switch {
	case !r.Lockdown():
		return lines, false
	case announced[m.Subtype] != "" && (!passes || !ends):
		return []string{announcement(m)}, ends
	case announced[m.Subtype] == "" && !slices.Contains(spoken, m.Subtype), !passes:
		return nil, len(lines) > 0
	}
	return nameless(lines), false
}

// words is what passes of all that a message says, and what of it the words do not show.
func (r *Reading) words(m *slackapi.Message, a *author, passes bool, s *scene, f *Flags) (said, more string) {
	var found []string
	var left []bool
	for _, p := range r.parts(m, a) {
		lines, withheld := r.part(&p, m, a, passes, s)
		if withheld {
			f.Add(FlagWithheld)
		}
		found = append(found, lines...)
		if p.More {
			left = append(left, p.Attachment != nil)
		}
	}
	if !r.Lockdown() { // which shows no more in any form
		more = moreOf(left)
	}
	return strings.Join(found, "\n"), more
}

// part is what passes of a part of a message.
func (r *Reading) part(p *words.Part, m *slackapi.Message, a *author, passes bool, s *scene) (lines []string, withheld bool) {
	switch {
	case p.Attachment == nil:
		lines, withheld = r.ownWords(m, p.Lines, passes)
	case !r.attachment(p.Attachment, a, passes, s):
		return nil, len(p.Lines) > 0
	case r.Lockdown():
		lines = nameless(p.Lines)
	default:
		lines = p.Lines
	}
	return lines, withheld || p.Foreign && r.Lockdown()
}

// moreOf names what a message holds beside its words, such as "blocks, 3 attachments". Each entry
// says whether it is an attachment.
func moreOf(left []bool) string {
	var all []string
	n := 0
	for _, attachment := range left {
		if attachment {
			n++
		} else {
			all = append(all, "blocks")
		}
	}
	switch n {
	case 0:
	case 1:
		all = append(all, "1 attachment")
	default:
		all = append(all, strconv.Itoa(n)+" attachments")
	}
	return strings.Join(all, ", ")
}

// shown is what passes of a message's attachments, rebuilt of what is known of them.
func (r *Reading) shown(m *slackapi.Message, a *author, passes bool, s *scene, f *Flags) json.RawMessage {
	var all []any
	for _, p := range r.parts(m, a) {
		at := p.Attachment
		if at == nil {
			continue
		}
		lines, withheld := r.part(&p, m, a, passes, s)
		if withheld {
			f.Add(FlagWithheld)
		}
		if len(lines) == 0 {
			continue
		}
		v := map[string]any{"text": f.Text(strings.Join(lines, "\n"), MaxText)}
		for name, value := range map[string]string{"author_id": at.AuthorID, "channel_id": at.Channel, "ts": at.TS} {
			if at.Quotes() && identifier.MatchString(value) {
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
