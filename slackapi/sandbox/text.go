package sandbox

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

const maxText = 40_000 // characters of a message

var (
	// control finds what Slack takes as markup between angle brackets.
	control = regexp.MustCompile(`^<(?:[@#!][^<>\s][^<>]*|(?:https?://|mailto:|tel:)[^<>\s|]+(?:\|[^<>]*)?)>`)
	bareURL = regexp.MustCompile(`https?://[^\s<>|]+`)
	entity  = regexp.MustCompile(`^&(?:amp|lt|gt);`)
	mention = regexp.MustCompile(`<@([A-Z0-9]+)(?:\|[^>]*)?>`)
	token   = regexp.MustCompile(`<([@#!])([^>|]+)(?:\|([^>]*))?>|<((?:https?|mailto|tel):[^>|]+)(?:\|([^>]*))?>|:([a-z0-9_+'-]+):`)
)

// normalise writes a text as Slack stores it: &, < and > are escaped but where they
// are Slack's own markup, and bare URLs become links.
func normalise(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case rest[0] == '<':
			if m := control.FindString(rest); m != "" {
				b.WriteString(m)
				i += len(m)
				continue
			}
			b.WriteString("&lt;")
		case rest[0] == '>':
			b.WriteString("&gt;")
		case rest[0] == '&' && !entity.MatchString(rest):
			b.WriteString("&amp;")
		case strings.HasPrefix(rest, "http"):
			if m := bareURL.FindString(rest); m != "" && strings.HasPrefix(rest, m) {
				link := strings.TrimRight(m, ".,;:!?)'\"*_~`")
				b.WriteString("<" + strings.ReplaceAll(link, "&", "&amp;") + ">")
				i += len(link)
				continue
			}
			b.WriteByte(rest[0])
		default:
			b.WriteByte(rest[0])
		}
		i++
	}
	return b.String()
}

func unescape(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// mentions are the users whom a text names.
func mentions(text string) []string {
	var ids []string
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// richText is the block that Slack makes of a typed text.
func richText(text, ts string) json.RawMessage {
	if text == "" {
		return nil
	}
	blocks, err := json.Marshal([]object{{
		"type": "rich_text", "block_id": digest(5, ts, text),
		"elements": []object{{"type": "rich_text_section", "elements": elements(text)}},
	}})
	if err != nil {
		return nil // strings in maps always encode
	}
	return blocks
}

func elements(text string) []object {
	var all []object
	plain := func(s string) {
		if s != "" {
			all = append(all, object{"type": "text", "text": unescape(s)})
		}
	}
	at := 0
	for _, m := range token.FindAllStringSubmatchIndex(text, -1) {
		part := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return text[m[2*n]:m[2*n+1]]
		}
		plain(text[at:m[0]])
		at = m[1]
		all = append(all, element(part))
	}
	plain(text[at:])
	return all
}

// element is the rich text of one match of token.
func element(part func(int) string) object {
	name := part(2)
	switch part(1) {
	case "@":
		return object{"type": "user", "user_id": name}
	case "#":
		return object{"type": "channel", "channel_id": name}
	case "!":
		if id, ok := strings.CutPrefix(name, "subteam^"); ok {
			return object{"type": "usergroup", "usergroup_id": id}
		}
		return object{"type": "broadcast", "range": name}
	}
	if emoji := part(6); emoji != "" {
		return object{"type": "emoji", "name": emoji}
	}
	link := object{"type": "link", "url": unescape(part(4))}
	if label := part(5); label != "" {
		link["text"] = unescape(label)
	}
	return link
}
