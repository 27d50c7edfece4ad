package guard

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// mass is how Slack's markup calls everybody, with or without a label
// (docs.slack.dev/messaging/formatting-message-text).
var mass = regexp.MustCompile(`(?i)<!(channel|here|everyone|group)(\|[^>]*)?>`)

// Text takes the call out of @channel, @here and @everyone in a text of Slack's
// markup, unless they are allowed. The words stay. It reports whether it changed
// anything.
func (g *Guard) Text(s string) (string, bool) {
	if g.massMentions || !strings.Contains(s, "<!") {
		return s, false
	}
	out := mass.ReplaceAllStringFunc(s, func(m string) string {
		return "@" + strings.ToLower(mass.FindStringSubmatch(m)[1])
	})
	return out, out != s
}

// Blocks does for a message's blocks what [Guard.Text] does for a text: in every text
// that they hold, and in the elements of a rich text that call everybody.
func (g *Guard) Blocks(blocks json.RawMessage) (json.RawMessage, bool, error) {
	if g.massMentions || len(blocks) == 0 {
		return blocks, false, nil
	}
	d := json.NewDecoder(bytes.NewReader(blocks))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false, err
	}
	v, changed := g.calm(v)
	if !changed {
		return blocks, false, nil
	}
	out, err := json.Marshal(v)
	return out, true, err
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
		if v["type"] == "broadcast" {
			word, _ := v["range"].(string)
			return map[string]any{"type": "text", "text": "@" + word}, true
		}
		for k, item := range v {
			item, c := g.calm(item)
			v[k], changed = item, changed || c
		}
	}
	return v, changed
}
