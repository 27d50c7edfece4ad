package sandbox

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Slack's bounds of blocks, from its reference of Block Kit. That of a whole message is not
// documented: it is what others have measured.
const (
	maxBlocks       = 50
	maxBlocksText   = 13_200 // characters of all blocks of a message
	maxSectionText  = 3_000
	maxFieldText    = 2_000
	maxHeaderText   = 150
	maxButtonText   = 75
	maxMarkdownText = 12_000 // of all markdown blocks of a message
)

// A blockChecker judges the blocks of one message.
type blockChecker struct {
	remarks         []string
	total, markdown int
}

// checkBlocks refuses what is no list of at most 50 blocks with types, and texts that are too long.
func checkBlocks(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var blocks []map[string]any
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return fail("invalid_blocks_format")
	}
	var check blockChecker
	if len(blocks) > maxBlocks {
		check.wrong("no more than 50 items allowed", "/blocks")
	}
	for i, b := range blocks {
		check.block(b, "/blocks/"+strconv.Itoa(i))
	}
	switch {
	case len(check.remarks) > 0:
		return failWith("invalid_blocks", object{"response_metadata": object{"messages": check.remarks}})
	case check.total > maxBlocksText:
		return fail("msg_blocks_too_long")
	}
	return nil
}

func (c *blockChecker) wrong(what, at string) {
	c.remarks = append(c.remarks, "[ERROR] "+what+" [json-pointer:"+at+"]")
}

func (c *blockChecker) block(b map[string]any, at string) {
	switch b["type"] {
	case nil, "":
		c.wrong("missing required field: type", at+"/type")
	case "section":
		c.text(b["text"], at+"/text", maxSectionText)
		c.list(b["fields"], at+"/fields", 10, func(v any, at string) { c.text(v, at, maxFieldText) })
	case "header":
		c.text(b["text"], at+"/text", maxHeaderText)
	case "context":
		c.list(b["elements"], at+"/elements", 10, func(v any, at string) { c.text(v, at, maxSectionText) })
	case "actions":
		c.list(b["elements"], at+"/elements", 25, c.element)
	case "markdown":
		text, _ := b["text"].(string)
		if c.markdown += c.length(text); text == "" || c.markdown > maxMarkdownText {
			c.wrong("must be more than 0 and less than 12001 characters", at+"/text")
		}
	}
}

// element judges what people click.
func (c *blockChecker) element(v any, at string) {
	if e, ok := v.(map[string]any); ok && e["type"] == "button" {
		c.text(e["text"], at+"/text", maxButtonText)
	}
}

// list judges each item of a list that a block may have.
func (c *blockChecker) list(v any, at string, limit int, item func(v any, at string)) {
	items, _ := v.([]any)
	if len(items) > limit {
		c.wrong("no more than "+strconv.Itoa(limit)+" items allowed", at)
	}
	for i, v := range items {
		item(v, at+"/"+strconv.Itoa(i))
	}
}

// text judges a text object that a block may have.
func (c *blockChecker) text(v any, at string, limit int) {
	o, ok := v.(map[string]any)
	if !ok {
		return
	}
	text, ok := o["text"].(string)
	if !ok {
		return
	}
	if n := c.length(text); n == 0 || n > limit {
		c.wrong("must be more than 0 and less than "+strconv.Itoa(limit+1)+" characters", at+"/text")
	}
}

// length counts the characters of a text, which are also those of the message.
func (c *blockChecker) length(text string) int {
	n := utf8.RuneCountInString(text)
	c.total += n
	return n
}
