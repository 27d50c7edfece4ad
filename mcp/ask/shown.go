package ask

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
)

// A shownMessage is what of a message a person sees, as Slack writes it in the answer to
// the post and in the payload of a click.
type shownMessage struct {
	TS          string          `json:"ts"`
	Blocks      json.RawMessage `json:"blocks"`
	Attachments json.RawMessage `json:"attachments"`
	Files       json.RawMessage `json:"files"`
	// Edited is there once the message was changed. An open question is not
	// changed by this program, so that it then has been another's before, if it is not now.
	Edited json.RawMessage `json:"edited"`
}

// errChanged says that a message is none that was just asked with.
var errChanged = errors.New("the message was changed, or has parts that no question has")

// fingerprint is the same for two messages that show a person the same question: all blocks
// in their order with their ids, texts, labels and values, and whatever else they hold. Only
// what Slack itself may write in two ways makes no difference: members that are null, the
// defaults of a text, escapes and spaces at the end. A message that was edited, or that
// has attachments or files, is none.
func (m *shownMessage) fingerprint() (string, error) {
	if !empty(m.Attachments) || !empty(m.Files) || !empty(m.Edited) {
		return "", errChanged
	}
	d := json.NewDecoder(bytes.NewReader(m.Blocks))
	d.UseNumber()
	var blocks []any
	if err := d.Decode(&blocks); err != nil || len(blocks) == 0 {
		return "", errChanged
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(canonical(blocks)); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

func empty(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "[]", "{}", `""`:
		return true
	}
	return false
}

// canonical writes in one way what Slack may write in two.
func canonical(v any) any {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			v[i] = canonical(item)
		}
	case map[string]any:
		text, isText := v["text"].(string)
		switch {
		case isText && v["type"] == "mrkdwn":
			v["text"] = canonicalMarkup(text)
			delete(v, "verbatim")
		case isText && v["type"] == "plain_text":
			v["text"] = strings.TrimSpace(unescaper.Replace(text))
			delete(v, "emoji")
		}
		for name, item := range v {
			if item == nil {
				delete(v, name)
				continue
			}
			v[name] = canonical(item)
		}
	}
	return v
}

var (
	// markup is what stands between angle brackets, and an escape.
	markup    = regexp.MustCompile(`<[^<>]*>|&(?:amp|lt|gt);|[&<>]`)
	unescaper = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
	bare      = map[string]string{"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)

// canonicalMarkup escapes the characters of mrkdwn that stand alone. What is markup stays
// so, and an escape is never read as markup.
func canonicalMarkup(s string) string {
	s = markup.ReplaceAllStringFunc(s, func(m string) string {
		if escaped, ok := bare[m]; ok {
			return escaped
		}
		if m[0] == '<' { // a link's address may have its own & escaped or not
			return strings.ReplaceAll(strings.ReplaceAll(m, "&amp;", "&"), "&", "&amp;")
		}
		return m
	})
	return strings.TrimSpace(s)
}
