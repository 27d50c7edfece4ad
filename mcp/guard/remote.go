package guard

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// errRemote refuses what would be fetched from elsewhere without a click: the address itself
// can carry data out.
var errRemote = &RefusedError{Code: "remote_content_not_allowed", Remedy: "The operator allows no previews of links, no bookmarks, and no images or videos by URL. Nothing was sent. Leave them out, and the names of hosts (example.com) too; upload an image with slack_upload_file, or give a link without a preview in a new message."}

var (
	// linked is how an address begins that Slack makes a link of, and how one in Slack's markup does.
	linked = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://|www\.|<[a-z][a-z0-9+.-]*:`)
	// dotted is what may be the name of a host, which emoji may be in, with what makes an address of it.
	dotted = regexp.MustCompile(`([\pL\pN\pM\p{So}\x{1F3FB}-\x{1F3FF}_-]+(?:\.[\pL\pN\pM\p{So}\x{1F3FB}-\x{1F3FF}_-]+)*\.\pL[\pL\pN-]+)(:[0-9]+)?([/?#]?)`)
	// unseen are characters that separate no words and that a reader does not see: programs that look for
	// addresses may pass over them.
	unseen = regexp.MustCompile(`\p{Cf}`)
	// escaped is what Markdown takes for the sign behind the backslash.
	escaped = regexp.MustCompile(`\\([[:punct:]])`)
	// fileName is a word with the ending of a file that is also a domain of highest level. Its one
	// label is the domain's own: who fetches it tells nothing to anybody who did not buy that very name.
	fileName = regexp.MustCompile(`(?i)^[\pL\pN_-]+\.(?:cc|md|mk|ml|mov|pl|pm|ps|py|rs|sh|so|st|tf|zip)$`)
)

// dots are what browsers take for the dot of a host's name.
var dots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// image is how an image begins in Markdown. How it goes on has many forms, and its address may
// stand elsewhere.
const image = "!["

// fetched are the members of blocks and attachments whose address is fetched when the message is shown.
var fetched = map[string]bool{
	"image_url": true, "thumb_url": true, "thumbnail_url": true, "video_url": true, "icon_url": true,
	"provider_icon_url": true, "author_icon": true, "footer_icon": true,
}

// pictured are parts of the names of members which may hold such an address, in blocks that Slack adds.
var pictured = regexp.MustCompile(`(?i)icon|image|thumb|video|avatar|logo|photo|picture`)

// fetches reports that the text of a member is fetched when the message is shown.
func fetches(name, text string) bool {
	name = strings.ToLower(strings.TrimSpace(name))
	return fetched[name] || text != "" && pictured.MatchString(name) && (links(text) || strings.HasPrefix(strings.TrimSpace(text), "//"))
}

// NoRemote reports that what is shown may fetch nothing from elsewhere.
func (g *Guard) NoRemote() bool { return g.noRemote }

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
	if g.noRemote && strings.Contains(markdown, image) {
		return errRemote
	}
	return g.refuse(blocks, func(name, text string) bool {
		return fetches(name, text) || strings.Contains(text, image)
	})
}

// Links refuses a link in blocks or texts where previews are not allowed: of some calls Slack
// cannot be told to show none. What Slack could make a link of is one, such as example.com.
func (g *Guard) Links(blocks json.RawMessage, texts ...string) error {
	if g.noRemote && slices.ContainsFunc(texts, links) {
		return errRemote
	}
	return g.refuse(blocks, func(_, text string) bool { return links(text) })
}

// refuse refuses blocks of which finds reports a part, as it reads when it is decoded: the
// name of a member, with its text or "", or a text, with "" for the name.
func (g *Guard) refuse(blocks json.RawMessage, finds func(name, text string) bool) error {
	if !g.noRemote || len(blocks) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(blocks, &v); err != nil {
		return err
	}
	if holds(v, finds) {
		return errRemote
	}
	return nil
}

func holds(v any, finds func(name, text string) bool) bool {
	switch v := v.(type) {
	case string:
		return finds("", v)
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return holds(item, finds) })
	case map[string]any:
		for name, item := range v {
			text, _ := item.(string)
			if finds(name, text) || holds(item, finds) {
				return true
			}
		}
	}
	return false
}

// links reports whether Slack may make a link of a part of a text, as it stands or as Markdown
// decodes it.
func links(s string) bool {
	shown := decoded(s)
	plain := dots.Replace(unseen.ReplaceAllString(shown, ""))
	return linksTo(s) || shown != s && linksTo(shown) || plain != shown && linksTo(plain)
}

// decoded is a text in Markdown without the backslashes and the character references in it.
func decoded(s string) string { return html.UnescapeString(escaped.ReplaceAllString(s, "$1")) }

// linksTo reports an address, and the name of a host below a domain that is in use, unless it is
// the name of a file.
func linksTo(s string) bool {
	if linked.MatchString(s) {
		return true
	}
	for _, m := range dotted.FindAllStringSubmatch(s, -1) {
		suffix, public := publicsuffix.PublicSuffix(strings.ToLower(m[1]))
		if fileName.MatchString(m[1]) && m[2] == "" && m[3] == "" {
			continue
		}
		if public || strings.Contains(suffix, ".") || m[3] != "" {
			return true
		}
	}
	return false
}
