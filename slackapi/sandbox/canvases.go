package sandbox

import (
	"encoding/json"
	"html"
	"slices"
	"strings"
)

// A canvas is a document of sections; a section is a block of Markdown.
type canvas struct {
	file     *file
	sections []section
}

type section struct {
	id, text string
}

type document struct {
	Type     string `json:"type"`
	Markdown string `json:"markdown"`
}

// document reads the contents that a call gives.
func (c *call) document() (string, error) {
	raw := c.params["document_content"]
	if raw == "" {
		return "", nil
	}
	var d document
	if err := json.Unmarshal([]byte(raw), &d); err != nil || d.Type != "markdown" {
		return "", badArgument("document_content must be of type markdown [json-pointer:/document_content]")
	}
	return d.Markdown, nil
}

func canvasesCreate(c *call) (object, error) {
	text, err := c.document()
	if err != nil {
		return nil, err
	}
	var ch *channel
	if id := c.params["channel_id"]; id != "" {
		c.params["channel"] = id
		if ch, err = c.inside(""); err != nil {
			return nil, err
		}
	}
	id := c.newCanvas(c.params["title"], text, c.who.user.ID, ch)
	return object{"canvas_id": id}, nil
}

func conversationsCanvasesCreate(c *call) (object, error) {
	c.params["channel"] = c.params["channel_id"]
	ch, err := c.inside("")
	if err != nil {
		return nil, err
	}
	if ch.canvas != "" {
		return nil, fail("channel_canvas_already_exists")
	}
	text, err := c.document()
	if err != nil {
		return nil, err
	}
	ch.canvas = c.newCanvas(or(c.params["title"], ch.name), text, c.who.user.ID, ch)
	return object{"canvas_id": ch.canvas}, nil
}

func (s *Sandbox) newCanvas(title, text, by string, ch *channel) string {
	f := s.newFile(or(title, "Untitled"), title, by)
	f.mediaType, f.canvas = "application/vnd.slack-docs", true
	if ch != nil {
		f.shared[ch.id] = s.newTS()
	}
	cv := &canvas{file: f, sections: s.cut(text)}
	s.keepFile(f)
	s.canvases[f.id] = cv
	cv.render()
	return f.id
}

// cut makes sections of Markdown: one of each block between empty lines.
func (s *Sandbox) cut(text string) []section {
	var all []section
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if block = strings.TrimSpace(block); block != "" {
			all = append(all, section{id: "temp:C:" + digest(32, s.newID("section")), text: block})
		}
	}
	return all
}

// render writes the canvas as the HTML that its file holds.
func (cv *canvas) render() {
	var b strings.Builder
	for _, sec := range cv.sections {
		tag, text := "p", sec.text
		if level := len(text) - len(strings.TrimLeft(text, "#")); level >= 1 && level <= 3 {
			tag, text = "h"+string('0'+byte(level)), strings.TrimSpace(text[level:])
		}
		b.WriteString("<" + tag + " id='" + sec.id + "'>" + html.EscapeString(text) + "</" + tag + ">\n")
	}
	cv.file.data = []byte(b.String())
}

func (cv *canvas) markdown() string {
	parts := make([]string, len(cv.sections))
	for i, sec := range cv.sections {
		parts[i] = sec.text
	}
	return strings.Join(parts, "\n\n")
}

// theCanvas finds the canvas of a call.
func (c *call) theCanvas() (*canvas, error) {
	cv := c.canvases[c.params["canvas_id"]]
	if cv == nil || !c.seesFile(c.who, cv.file) {
		return nil, fail("canvas_not_found")
	}
	if cv.file.deleted {
		return nil, fail("canvas_deleted")
	}
	return cv, nil
}

func canvasesEdit(c *call) (object, error) {
	cv, err := c.theCanvas()
	if err != nil {
		return nil, err
	}
	var changes []struct {
		Operation string   `json:"operation"`
		SectionID string   `json:"section_id"`
		Content   document `json:"document_content"`
		Title     document `json:"title_content"`
	}
	if err := json.Unmarshal([]byte(c.params["changes"]), &changes); err != nil || len(changes) == 0 {
		return nil, badArgument("missing required field: changes")
	}
	if len(changes) > 1 {
		return nil, badArgument("no more than 1 item allowed [json-pointer:/changes]")
	}
	change := changes[0]
	at := slices.IndexFunc(cv.sections, func(s section) bool { return s.id == change.SectionID })
	if change.SectionID != "" && at < 0 {
		return nil, failWith("canvas_editing_failed", object{"detail": "section not found"})
	}
	fresh := c.cut(change.Content.Markdown)
	switch change.Operation {
	case "insert_at_start":
		cv.sections = append(fresh, cv.sections...)
	case "insert_at_end":
		cv.sections = append(cv.sections, fresh...)
	case "insert_after", "insert_before", "delete", "replace":
		if at < 0 && change.Operation != "replace" {
			return nil, badArgument("missing required field: section_id")
		}
		cv.splice(change.Operation, at, fresh)
	case "rename":
		cv.file.title = or(change.Title.Markdown, cv.file.title)
	default:
		return nil, badArgument("unknown operation [json-pointer:/changes/0/operation]")
	}
	cv.render()
	return nil, nil
}

// splice changes the sections at a place; a replacement without one is of everything.
func (cv *canvas) splice(operation string, at int, fresh []section) {
	switch {
	case operation == "replace" && at < 0:
		cv.sections = fresh
	case operation == "replace":
		cv.sections = slices.Replace(cv.sections, at, at+1, fresh...)
	case operation == "delete":
		cv.sections = slices.Delete(cv.sections, at, at+1)
	case operation == "insert_before":
		cv.sections = slices.Insert(cv.sections, at, fresh...)
	case operation == "insert_after":
		cv.sections = slices.Insert(cv.sections, at+1, fresh...)
	}
}

func canvasesSectionsLookup(c *call) (object, error) {
	cv, err := c.theCanvas()
	if err != nil {
		return nil, err
	}
	var criteria struct {
		Types []string `json:"section_types"`
		Text  string   `json:"contains_text"`
	}
	if err := json.Unmarshal([]byte(c.params["criteria"]), &criteria); err != nil || len(criteria.Types) == 0 && criteria.Text == "" {
		return nil, badArgument("missing required field: criteria")
	}
	found := []object{}
	for _, sec := range cv.sections {
		if strings.Contains(strings.ToLower(sec.text), strings.ToLower(criteria.Text)) && sec.of(criteria.Types) {
			found = append(found, object{"id": sec.id})
		}
	}
	return object{"sections": found}, nil
}

// of reports whether a section is of one of Slack's types.
func (s section) of(types []string) bool {
	if len(types) == 0 {
		return true
	}
	level := len(s.text) - len(strings.TrimLeft(s.text, "#"))
	for _, t := range types {
		if t == "any_header" && level > 0 || level > 0 && t == "h"+string('0'+byte(min(level, 3))) {
			return true
		}
	}
	return false
}

func canvasesGetContent(c *call) (object, error) {
	cv, err := c.theCanvas()
	if err != nil {
		return nil, err
	}
	if c.params["content_type"] == "html" {
		return object{"content": string(cv.file.data)}, nil
	}
	return object{"content": cv.markdown()}, nil
}

func canvasesDelete(c *call) (object, error) {
	cv, err := c.theCanvas()
	if err != nil {
		return nil, err
	}
	if cv.file.user != c.who.user.ID {
		return nil, fail("restricted_action")
	}
	cv.file.deleted, cv.file.data = true, nil
	return nil, nil
}
