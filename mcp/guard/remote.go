package guard

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// errRemote refuses what would be fetched from elsewhere without a click: the address itself
// can carry data out.
var errRemote = &RefusedError{Code: "remote_content_not_allowed", Remedy: "The operator allows no previews of links and no images or videos by URL. Nothing was sent. Leave them out; upload an image with slack_upload_file, or give a link without a preview in a new message."}

var (
	// embedded is an image in Markdown.
	embedded = regexp.MustCompile(`!\[[^\]]*\]\s*[(\[]`)
	// linked is an address that Slack makes a link of.
	linked = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://|www\.`)
)

// fetched are the members of blocks and attachments whose address is fetched when the message is shown.
var fetched = map[string]bool{
	"image_url": true, "thumb_url": true, "thumbnail_url": true, "video_url": true, "icon_url": true,
	"provider_icon_url": true, "author_icon": true, "footer_icon": true,
}

// Unfurl refuses previews of links where they are not allowed.
func (g *Guard) Unfurl(wanted bool) error {
	if g.noRemote && wanted {
		return errRemote
	}
	return nil
}

// Remote refuses a text in Markdown or blocks that have an image or a video fetched from
// elsewhere, where that is not allowed.
func (g *Guard) Remote(markdown string, blocks json.RawMessage) error {
	if !g.noRemote {
		return nil
	}
	if embedded.MatchString(markdown) {
		return errRemote
	}
	if len(blocks) == 0 {
		return nil
	}
	var v any
	if err := json.NewDecoder(bytes.NewReader(blocks)).Decode(&v); err != nil {
		return err
	}
	if fetches(v) {
		return errRemote
	}
	return nil
}

// Links refuses a link in a text of which Slack cannot be told to show no preview, where
// previews are not allowed.
func (g *Guard) Links(texts ...string) error {
	for _, s := range texts {
		if g.noRemote && linked.MatchString(s) {
			return errRemote
		}
	}
	return nil
}

// fetches reports whether something is fetched for a part of a message.
func fetches(v any) bool {
	switch v := v.(type) {
	case string:
		return embedded.MatchString(v)
	case []any:
		return slices.ContainsFunc(v, fetches)
	case map[string]any:
		for k, item := range v {
			if fetched[strings.ToLower(strings.TrimSpace(k))] || fetches(item) {
				return true
			}
		}
	}
	return false
}
