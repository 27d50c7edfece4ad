package words

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// An Attachment is one entry of a message's attachments: what Slack shows below a message
// (docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments and, of shared
// messages, what Slack sends).
type Attachment struct {
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

	Files []File `json:"files"`

	raw object
}

// Quotes reports that Slack made the attachment of a message that was shared.
func (at *Attachment) Quotes() bool { return at.Shared || at.Message || at.Reply || at.Root }

// Fetched reports that the attachment is the preview of a link.
func (at *Attachment) Fetched() bool {
	return at.AppUnfurl || at.AppURL != "" || at.FromURL != "" || at.Original != ""
}

// ByApp reports that an app wrote the attachment, whatever else it says of itself.
func (at *Attachment) ByApp() bool {
	return at.AppUnfurl || at.AppURL != "" || at.BotID != "" || at.AppID != ""
}

// IsTable reports that the attachment is a table which a person pasted: Slack keeps that beside the
// message's blocks. It has nothing else in it that could be another one's.
func (at *Attachment) IsTable() bool {
	for name := range at.raw {
		if !slices.Contains([]string{"id", "color", "fallback", "blocks"}, name) {
			return false
		}
	}
	blocks := list(at.raw, "blocks")
	return len(blocks) > 0 && !slices.ContainsFunc(blocks, func(b any) bool {
		block, _ := b.(object)
		return block["type"] != "table"
	})
}

// AssistantLine is what this program lets Slack show below a message that a tool wrote in a person's name. It
// is nobody's words, so it is in no part of a message.
const AssistantLine = "Sent by this person's assistant"

// isAssistantLine reports an attachment that holds the line and nothing else.
func (at *Attachment) isAssistantLine() bool {
	for name := range at.raw {
		if !slices.Contains([]string{"id", "color", "fallback", "blocks", "mrkdwn_in"}, name) {
			return false
		}
	}
	blocks := list(at.raw, "blocks")
	if len(blocks) != 1 {
		return false
	}
	block, _ := blocks[0].(object)
	elements := list(block, "elements")
	if block["type"] != "context" || len(elements) != 1 {
		return false
	}
	element, _ := elements[0].(object)
	return str(element, "text") == AssistantLine
}

// attachments reads a message's attachments. What is not an object is left out.
func (r *reader) attachments(raw json.RawMessage) []*Attachment {
	var entries []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &entries) != nil {
		return nil
	}
	var all []*Attachment
	for _, raw := range entries[:min(len(entries), maxList)] {
		o, ok := decode(raw).(object)
		if !ok {
			continue
		}
		at := &Attachment{raw: o}
		_ = json.Unmarshal(raw, at) // what Slack writes otherwise is as if it were absent
		all = append(all, at)
	}
	return all
}

// attachment returns the lines of an attachment. Of a message that was shared, all but
// what it says itself is left out where only the author's words are wanted.
func (r *reader) attachment(at *Attachment) []string {
	o := at.raw
	if r.authored && at.Quotes() {
		return r.authoredQuote(at)
	}
	lines := []string{r.take(str(o, "pretext")), r.byline(at)}
	body := r.card(at)
	body = append(body, r.value(o["actions"])...)
	body = append(body, r.fileLines(at)...)
	body = append(body, r.inner(o)...)
	if lines = nonempty(append(lines, body...)); len(lines) == 0 {
		lines = nonempty([]string{r.fallback(o)})
	}
	r.more = r.more || str(o, "image_url") != "" && !strings.Contains(strings.Join(lines, "\n"), str(o, "image_url"))
	if lines = nonempty(append(lines, r.footer(o))); len(lines) > 0 || at.Quotes() {
		return lines
	}
	return nonempty([]string{r.link(cmp.Or(at.FromURL, at.Original), "")})
}

// card is the middle of an attachment: its title, text and fields, and its blocks.
func (r *reader) card(at *Attachment) []string {
	o := at.raw
	lines := []string{r.link(str(o, "title_link"), str(o, "title")), r.take(str(o, "text"))}
	if isPlaceholder(lines[1]) {
		lines[1] = ""
	}
	for _, f := range list(o, "fields") {
		field, ok := f.(object)
		if !ok || !r.enter() {
			continue
		}
		title, value := r.take(oneLine(str(field, "title"))), r.take(str(field, "value"))
		if title != "" && value != "" {
			title += ": "
		}
		lines = append(lines, title+value)
		r.leave()
	}
	blocks, _ := o["blocks"].([]any)
	lines = r.merge(strings.Join(nonempty(lines), "\n"), append(slices.Clone(blocks), quotedBlocks(o)...))
	return lines
}

// quotedBlocks are the blocks of a message that was shared.
func quotedBlocks(o object) []any {
	var all []any
	for _, m := range list(o, "message_blocks") {
		entry, _ := m.(object)
		if message := sub(entry, "message"); message != nil {
			all = append(all, list(message, "blocks")...)
		} else if entry["type"] != nil {
			all = append(all, entry)
		}
	}
	return all
}

// authoredQuote is what the author of a shared message says in it, after a mention of who that is.
func (r *reader) authoredQuote(at *Attachment) []string {
	o := at.raw
	blocks, _ := o["blocks"].([]any)
	lines := r.merge(r.take(str(o, "text")), append(slices.Clone(blocks), quotedBlocks(o)...))
	for i := range at.Files[:min(len(at.Files), maxList)] {
		lines = append(lines, bracket("file", r.mentioned(at.Files[i].ID)))
	}
	for _, name := range []string{"pretext", "title", "fields", "footer", "attachments", "actions"} {
		r.foreign = r.foreign || o[name] != nil
	}
	if lines = nonempty(lines); len(lines) > 0 && identifier.MatchString(at.AuthorID) {
		lines = append([]string{r.mention("@", at.AuthorID) + ":"}, lines...)
	}
	return lines
}

// mentioned is an id, or nothing where it is none.
func (r *reader) mentioned(id string) string {
	if !identifier.MatchString(id) {
		return ""
	}
	return r.take(id)
}

// byline says who wrote an attachment and, of a message that was shared, where that stands.
func (r *reader) byline(at *Attachment) string {
	o := at.raw
	name := r.take(str(o, "author_name"))
	if sub := r.take(str(o, "author_subname")); sub != name { // of a person both are often the same
		name = strings.TrimSpace(name + " " + sub)
	}
	if !at.Quotes() {
		return r.link(str(o, "author_link"), cmp.Or(name, r.take(str(o, "service_name"))))
	}
	if name == "" && identifier.MatchString(at.AuthorID) {
		name = r.mention("@", at.AuthorID)
	}
	if where := r.link(cmp.Or(at.FromURL, at.Original), ""); where != "" {
		name = strings.TrimSpace(name + " (" + where + ")")
	}
	if name == "" {
		return ""
	}
	return name + ":"
}

// footer is the small print of an attachment, with its time.
func (r *reader) footer(o object) string {
	s := r.take(str(o, "footer"))
	at := cmp.Or(str(o, "ts"), number(o, "ts"))
	if s == "" || at == "" {
		return s
	}
	return s + " | " + r.take(instant(at))
}

// fallback is what an attachment says that has nothing else.
func (r *reader) fallback(o object) string {
	if s := str(o, "fallback"); !isPlaceholder(s) {
		return r.take(s)
	}
	if url := cmp.Or(str(o, "image_url"), str(o, "thumb_url")); url != "" {
		return bracket("image", r.link(url, ""))
	}
	return ""
}

func (r *reader) fileLines(at *Attachment) []string {
	var lines []string
	for i := range at.Files[:min(len(at.Files), maxList)] {
		lines = append(lines, r.take(at.Files[i].String()))
	}
	return lines
}

// inner returns the lines of attachments within an attachment: those of a message that was shared.
func (r *reader) inner(o object) []string {
	var lines []string
	for _, a := range list(o, "attachments")[:min(len(list(o, "attachments")), maxList)] {
		if !r.enter() {
			break
		}
		if raw, err := json.Marshal([]any{a}); err == nil {
			for _, at := range r.attachments(raw) {
				lines = append(lines, r.attachment(at)...)
			}
		}
		r.leave()
	}
	return lines
}
