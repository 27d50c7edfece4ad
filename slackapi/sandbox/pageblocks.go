package sandbox

import (
	"encoding/json"
	"strings"

	"slackmcp/internal/emoji"
	"slackmcp/internal/page"
)

// Bounds of what is shown of one message.
const (
	shownBlocks      = 50
	shownElements    = 50
	shownAttachments = 20
	shownDepth       = 6
)

// A blockView is a block of a message or a modal.
type blockView struct {
	Kind      string // section, header, context, divider, actions, image, input, rich, unknown
	ID        string
	Text      []page.Span
	Fields    [][]page.Span
	Plain     string
	Href      string // of an image, which is not loaded
	Rich      []richView
	Elements  []elementView // buttons and menus; of context, texts
	Accessory *elementView
	Hint      string
	Optional  bool
}

// An elementView is what can be pressed, chosen or typed into.
type elementView struct {
	Kind        string // button, select, choices, text, words
	Type        string // Slack's name of it
	ActionID    string
	BlockID     string
	Ref         string // names it in forms
	Label       string
	Style       string // primary or danger
	Href        string
	Confirm     string
	Placeholder string
	Value       string
	Multiline   bool
	Input       string // the type of the field
	Many        bool   // whether several may be chosen
	FromApp     bool   // whether the app provides the options
	Required    bool
	Options     []optionView
	Words       []page.Span
}

// A richView is a part of rich text: section, list, quote or pre.
type richView struct {
	Kind    string
	Ordered bool
	Spans   []page.Span
	Items   [][]page.Span
}

// The JSON of blocks, as far as a page shows them.
type (
	textJSON  struct{ Type, Text string }
	blockJSON struct {
		Type        string
		BlockID     string `json:"block_id"`
		Text        json.RawMessage
		Fields      []textJSON
		Elements    []json.RawMessage
		Accessory   json.RawMessage
		Element     json.RawMessage
		Label, Hint textJSON
		Title       textJSON
		AltText     string `json:"alt_text"`
		ImageURL    string `json:"image_url"`
		Optional    bool
	}
	elementJSON struct {
		Type        string
		ActionID    string `json:"action_id"`
		Text        json.RawMessage
		Style       json.RawMessage
		URL         string
		Placeholder textJSON
		Multiline   bool
		AltText     string `json:"alt_text"`
		Confirm     struct{ Text textJSON }

		// Of rich text.
		UserID      string `json:"user_id"`
		ChannelID   string `json:"channel_id"`
		UsergroupID string `json:"usergroup_id"`
		Range       string
		Name        string
		Elements    []json.RawMessage
	}
)

func (l lookout) blocks(raw json.RawMessage) (all []blockView) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for _, one := range list[:min(len(list), shownBlocks)] {
		var b blockJSON
		if json.Unmarshal(one, &b) == nil {
			all = append(all, l.block(b))
		}
	}
	return all
}

func (l lookout) block(b blockJSON) blockView {
	v := blockView{Kind: b.Type, ID: b.BlockID, Hint: page.Plain(b.Hint.Text), Optional: b.Optional}
	var text textJSON
	_ = json.Unmarshal(b.Text, &text) // another shape is shown as no text
	switch b.Type {
	case "section":
		v.Text = l.textObject(text)
		for _, f := range b.Fields[:min(len(b.Fields), shownElements)] {
			v.Fields = append(v.Fields, l.textObject(f))
		}
		v.Accessory = l.elementOf(b.Accessory, b.BlockID)
	case "header":
		v.Plain = page.Plain(text.Text)
	case "context", "actions":
		v.Elements = l.elements(b.Elements, b.BlockID)
	case "divider":
	case "image":
		v.Plain, v.Href = or(page.Plain(b.Title.Text), b.AltText), linkOf(b.ImageURL)
	case "input":
		v.Plain = page.Plain(b.Label.Text)
		if v.Accessory = l.elementOf(b.Element, b.BlockID); v.Accessory != nil {
			v.Accessory.Label, v.Accessory.Required = v.Plain, !b.Optional
		}
	case "rich_text":
		v.Rich = l.rich(b.Elements, 0)
	case "markdown", "video", "file":
		v.Kind, v.Text = "section", l.text(or(text.Text, or(unquoted(b.Text), or(page.Plain(b.Title.Text), b.AltText))))
	default:
		v.Kind, v.Plain = "unknown", b.Type
	}
	return v
}

func unquoted(raw json.RawMessage) (text string) {
	_ = json.Unmarshal(raw, &text) // what is no text is none
	return text
}

// linkOf is an address that a page may link to, or nothing.
func linkOf(address string) string {
	if page.Linkable(address) {
		return address
	}
	return ""
}

func (l lookout) textObject(t textJSON) []page.Span {
	if t.Type == "mrkdwn" {
		return l.text(t.Text)
	}
	return []page.Span{{Kind: "text", Text: page.Plain(t.Text)}}
}

func (l lookout) elements(list []json.RawMessage, block string) (all []elementView) {
	for _, raw := range list[:min(len(list), shownElements)] {
		if e := l.elementOf(raw, block); e != nil {
			all = append(all, *e)
		}
	}
	return all
}

func (l lookout) elementOf(raw json.RawMessage, block string) *elementView {
	var e elementJSON
	if len(raw) == 0 || json.Unmarshal(raw, &e) != nil {
		return nil
	}
	var text textJSON
	_ = json.Unmarshal(e.Text, &text)
	v := &elementView{
		Type: e.Type, ActionID: e.ActionID, BlockID: block, Ref: refOf(l.attachment, block, e.ActionID), Label: page.Plain(text.Text), Style: unquoted(e.Style), Href: linkOf(e.URL),
		Confirm: page.Plain(e.Confirm.Text.Text), Placeholder: page.Plain(e.Placeholder.Text), Multiline: e.Multiline,
	}
	switch e.Type {
	case "button":
		v.Kind = "button"
	case "mrkdwn":
		v.Kind, v.Words = "words", l.text(unquoted(e.Text))
	case "plain_text":
		v.Kind, v.Words = "words", []page.Span{{Kind: "text", Text: page.Plain(unquoted(e.Text))}}
	case "image":
		v.Kind, v.Words = "words", []page.Span{{Kind: "text", Text: "[" + e.AltText + "]"}}
	default:
		v.Kind = "words"
		l.choose(v, raw)
	}
	return v
}

// rich reads the parts of a rich text.
func (l lookout) rich(list []json.RawMessage, depth int) (all []richView) {
	for _, raw := range list[:min(len(list), shownElements)] {
		var e elementJSON
		if depth > shownDepth || json.Unmarshal(raw, &e) != nil {
			continue
		}
		v := richView{Kind: strings.TrimPrefix(e.Type, "rich_text_")}
		switch e.Type {
		case "rich_text_list":
			v.Ordered = unquoted(e.Style) == "ordered"
			for _, item := range l.rich(e.Elements, depth+1) {
				v.Items = append(v.Items, item.Spans)
			}
		default:
			for _, inner := range e.Elements[:min(len(e.Elements), 1000)] {
				v.Spans = append(v.Spans, l.richSpan(inner))
			}
		}
		if e.Type == "rich_text_preformatted" {
			v.Kind, v.Spans = "pre", []page.Span{{Kind: "text", Text: words(v.Spans)}}
		}
		all = append(all, v)
	}
	return all
}

// words are the texts of spans, without marks.
func words(spans []page.Span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Text + words(s.Inner))
	}
	return b.String()
}

// richSpan reads an element of a section of rich text. Its texts are as they are: nothing in them is markup.
func (l lookout) richSpan(raw json.RawMessage) page.Span {
	var e elementJSON
	if json.Unmarshal(raw, &e) != nil {
		return page.Span{Kind: "text"}
	}
	text := unquoted(e.Text)
	span := page.Span{Kind: "text", Text: text}
	switch e.Type {
	case "user":
		span = page.Span{Kind: "mention", Text: "@" + or(l.names('@', e.UserID, ""), e.UserID)}
	case "channel":
		span = page.Span{Kind: "mention", Text: "#" + or(l.names('#', e.ChannelID, ""), e.ChannelID)}
	case "usergroup":
		span = page.Span{Kind: "mention", Text: "@" + or(l.names('!', "subteam^"+e.UsergroupID, ""), e.UsergroupID)}
	case "broadcast":
		span = page.Span{Kind: "mention", Text: "@" + e.Range}
	case "emoji":
		span.Text = ":" + e.Name + ":"
		if character, ok := emoji.Character(e.Name); ok {
			span.Text = character
		}
	case "link":
		span.Text = or(text, e.URL)
		if page.Linkable(e.URL) {
			span = page.Span{Kind: "link", Href: e.URL, Inner: []page.Span{span}}
		}
	}
	return styled(span, e.Style)
}

// styled puts a span into what its style says.
func styled(span page.Span, style json.RawMessage) page.Span {
	var s struct{ Bold, Italic, Strike, Code bool }
	if len(style) == 0 || json.Unmarshal(style, &s) != nil {
		return span
	}
	if s.Code && span.Kind == "text" {
		span.Kind = "code"
	}
	for kind, is := range map[string]bool{"bold": s.Bold, "italic": s.Italic, "strike": s.Strike} {
		if is {
			span = page.Span{Kind: kind, Inner: []page.Span{span}}
		}
	}
	return span
}

// An attachmentView is one of the old attachments, or what Slack shows of a link.
type attachmentView struct {
	Class              string
	Pretext            []page.Span
	Author, Title      string
	TitleLink          string
	Text               []page.Span
	Fields             []fieldView
	Blocks             []blockView
	Actions            []legacyView
	Footer, ImageTitle string
}

type fieldView struct {
	Title string
	Value []page.Span
}

func (l lookout) attachments(raw json.RawMessage) (all []attachmentView) {
	var list []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for i, one := range list[:min(len(list), shownAttachments)] {
		var a struct {
			Pretext, Text, Title, Fallback, Color, Footer string
			Author                                        string `json:"author_name"`
			TitleLink                                     string `json:"title_link"`
			ImageURL                                      string `json:"image_url"`
			Blocks                                        json.RawMessage
			Fields                                        []struct{ Title, Value string }
		}
		if json.Unmarshal(one, &a) != nil {
			continue
		}
		used, usable := usedAttachmentOf(one, i+1)
		l.attachment = used.ID
		v := attachmentView{
			Class: attachmentClass(a.Color), Pretext: l.text(a.Pretext), Author: page.Plain(a.Author), Title: page.Plain(a.Title),
			TitleLink: linkOf(a.TitleLink), Text: l.text(a.Text), Footer: page.Plain(a.Footer), Blocks: l.blocks(a.Blocks),
		}
		if a.ImageURL != "" {
			v.ImageTitle = "an image, which is not loaded"
		}
		if usable {
			v.Actions = l.legacyViews(&used)
		}
		for _, f := range a.Fields[:min(len(a.Fields), shownElements)] {
			v.Fields = append(v.Fields, fieldView{page.Plain(f.Title), l.text(f.Value)})
		}
		if v.Title == "" && len(v.Text) == 0 && len(v.Blocks) == 0 && len(v.Actions) == 0 {
			v.Text = l.text(a.Fallback)
		}
		all = append(all, v)
	}
	return all
}

// attachmentClass names Slack's three colours; others have none of their own.
func attachmentClass(color string) string {
	switch color {
	case "good", "warning", "danger":
		return color
	}
	return ""
}
