package sandbox

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// storedBlocks writes the blocks of a message as Slack keeps them and hands them out
// afterwards, in answers, events and interactions alike: blocks and elements without an
// id are given one, texts are escaped and trimmed, emoji are their names, and what was left to its
// default is written out. What is no list of objects stays as it is.
func storedBlocks(raw json.RawMessage, ts string) json.RawMessage {
	if raw == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var blocks []object
	if err := d.Decode(&blocks); err != nil {
		return raw
	}
	for i, b := range blocks {
		if id, _ := b["block_id"].(string); id == "" {
			b["block_id"] = digest(5, ts, "block", strconv.Itoa(i))
		}
		storedTexts(b)
		elements, _ := b["elements"].([]any)
		for n, e := range append(elements, b["accessory"]) {
			element, _ := e.(map[string]any)
			if id, _ := element["action_id"].(string); id == "" && interactive[element["type"]] {
				element["action_id"] = digest(5, ts, "action", strconv.Itoa(i), strconv.Itoa(n))
			}
		}
	}
	out, err := json.Marshal(blocks)
	if err != nil {
		return raw // what was decoded encodes
	}
	return out
}

// storedAttachments writes the attachments of a message as Slack keeps them: numbered, their
// colour without #, their blocks as those of a message, and each with a fallback: its text
// where the author gave none, or words that say that there is none.
func storedAttachments(raw json.RawMessage, ts string) json.RawMessage {
	var attachments []map[string]json.RawMessage
	if raw == nil || json.Unmarshal(raw, &attachments) != nil {
		return raw
	}
	for i, a := range attachments {
		var text, color string
		_, _ = json.Unmarshal(a["text"], &text), json.Unmarshal(a["color"], &color) // others stay as they are
		if a["id"] == nil {
			a["id"] = json.RawMessage(strconv.Itoa(i + 1))
		}
		if a["fallback"] == nil {
			a["fallback"] = mustJSON(or(text, "[no preview available]"))
		}
		if color != "" {
			a["color"] = mustJSON(strings.TrimPrefix(color, "#"))
		}
		if a["blocks"] != nil {
			a["blocks"] = storedBlocks(a["blocks"], ts+strconv.Itoa(i))
		}
		if a["actions"] != nil {
			a["actions"] = storedActions(a["actions"])
		}
	}
	return mustJSON(attachments)
}

// storedActions numbers the buttons and menus of an attachment, and says where a menu has its options from.
func storedActions(raw json.RawMessage) json.RawMessage {
	var actions []object
	if json.Unmarshal(raw, &actions) != nil {
		return raw
	}
	for i, a := range actions {
		if a == nil {
			return raw
		}
		a["id"] = strconv.Itoa(i + 1)
		if a["type"] == "select" && a["data_source"] == nil {
			a["data_source"] = "static"
		}
	}
	return mustJSON(actions)
}

// interactive are the elements that Slack gives an action_id.
var interactive = map[any]bool{
	"button": true, "static_select": true, "external_select": true, "users_select": true, "conversations_select": true,
	"channels_select": true, "multi_static_select": true, "overflow": true, "datepicker": true, "timepicker": true,
	"radio_buttons": true, "checkboxes": true,
}

// storedTexts changes every text object below v, but in rich text.
func storedTexts(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			storedTexts(item)
		}
	case map[string]any:
		if v["type"] == "rich_text" {
			return
		}
		storedTextObject(v)
		for _, item := range v {
			storedTexts(item)
		}
	}
}

func storedTextObject(v map[string]any) {
	text, isText := v["text"].(string)
	if !isText {
		return
	}
	written := func(name string, otherwise bool) {
		if _, ok := v[name]; !ok {
			v[name] = otherwise
		}
	}
	switch v["type"] {
	case "mrkdwn":
		v["text"] = storedText(normalise(text))
		written("verbatim", false)
	case "plain_text":
		v["text"] = storedText(plainEscaper.Replace(unescape(text)))
		written("emoji", true)
	}
}

var plainEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// storedText is a text as Slack keeps it.
func storedText(s string) string { return strings.TrimRight(shortcodes.Replace(s), " \t\r\n") }

// shortcodes are the names of some emoji that people and programs write most.
var shortcodes = strings.NewReplacer(
	"👍", ":+1:", "👎", ":-1:", "✅", ":white_check_mark:", "❌", ":x:", "🚀", ":rocket:", "⚠️", ":warning:", "🎉", ":tada:", "🔥", ":fire:",
	"🛑", ":octagonal_sign:", "😀", ":grinning:", "🙂", ":slightly_smiling_face:",
)
