package guard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
)

// mass is how Slack's markup calls all members, or those of a group, with or without a label
// (docs.slack.dev/messaging/formatting-message-text). It takes spaces where Slack's own
// examples have none, so that it finds no less than Slack does.
var mass = regexp.MustCompile(`(?i)<\s*!\s*(?:(channel|here|everyone|group)|subteam\s*\^\s*([^|<>\s]*))[^|<>]*(?:\|([^<>]*))?>`)

// opening is how a mention begins.
var opening = regexp.MustCompile(`(?i)<\s*!(\s*(?:channel|here|everyone|group|subteam))`)

// MassMentions reports that whole channels and groups of users may be called.
func (g *Guard) MassMentions() bool { return g.massMentions }

// Text takes the call out of @channel, @here, @everyone and of groups of users in a text of
// Slack's markup, unless they are allowed. The words stay. Where a mention has a "<" within,
// its end is not known, and its own "<" is escaped. Text reports whether it changed anything.
func (g *Guard) Text(s string) (string, bool) {
	if g.massMentions || !strings.Contains(s, "<") {
		return s, false
	}
	out := opening.ReplaceAllString(mass.ReplaceAllStringFunc(s, unmarked), "&lt;!$1")
	return out, out != s
}

// hidden is how Markdown can write what mass finds: it decodes the character references of < and !,
// and takes the backslash before them away.
var hidden = regexp.MustCompile(`(?i)(?:\\?<|&lt;|&#0*60;|&#x0*3c;)\s*(?:\\?!|&excl;|&#0*33;|&#x0*21;)\s*(channel|here|everyone|group|subteam)`)

// Markdown does for a text in Markdown what [Guard.Text] does for one of Slack's markup.
func (g *Guard) Markdown(s string) (string, bool) {
	if g.massMentions {
		return s, false
	}
	out := g.bared(s)
	for plain := decoded(out); plain != out && opening.MatchString(plain); plain = decoded(out) {
		out = g.bared(plain) // letters are hidden as well: who writes so does not mean the rest either
	}
	return out, out != s
}

func (g *Guard) bared(s string) string {
	s, _ = g.Text(s)
	return hidden.ReplaceAllString(s, "@$1")
}

// unmarked is a mention as plain text.
func unmarked(m string) string {
	part := mass.FindStringSubmatch(m)
	if part[1] != "" {
		return "@" + strings.ToLower(part[1])
	}
	return "@" + strings.TrimLeft(cmp.Or(strings.TrimSpace(part[3]), part[2]), "@")
}

// Blocks does for a message's blocks what [Guard.Text] does for a text: in every text
// that they hold, and in the elements of a rich text that call several people. It returns the
// blocks encoded anew, allowed or not, so that Slack gets what was looked at: of members that
// stand twice readers take different ones.
func (g *Guard) Blocks(blocks json.RawMessage) (json.RawMessage, bool, error) {
	if len(blocks) == 0 {
		return nil, false, nil
	}
	d := json.NewDecoder(bytes.NewReader(blocks))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false, err
	}
	changed := false
	if !g.massMentions {
		v, changed = g.calm(v)
	}
	out, err := json.Marshal(v)
	return out, changed, err
}

func (g *Guard) calm(v any) (any, bool) {
	changed := false
	switch v := v.(type) {
	case string:
		return g.Text(v)
	case []any:
		for i, item := range v {
			item, c := g.calm(item)
			v[i], changed = item, changed || c
		}
	case map[string]any:
		if called, ok := calls(v); ok {
			return map[string]any{"type": "text", "text": "@" + called}, true
		}
		if text, ok := v["text"].(string); ok && kindOf(v) == "markdown" {
			v["text"], changed = g.Markdown(text)
		}
		for k, item := range v {
			item, c := g.calm(item)
			v[k], changed = item, changed || c
		}
	}
	return v, changed
}

// calls reports an element of a rich text that calls several people, and whom.
func calls(element map[string]any) (called string, ok bool) {
	switch kindOf(element) {
	case "broadcast":
		called, _ = element["range"].(string)
	case "usergroup":
		called, _ = element["usergroup_id"].(string)
	default:
		return "", false
	}
	return called, true
}

// kindOf is the type of a block or of an element.
func kindOf(v map[string]any) string {
	kind, _ := v["type"].(string)
	return strings.ToLower(strings.TrimSpace(kind))
}
