package slackapi

import (
	"context"
	"encoding/json"

	"github.com/slack-go/slack"
)

func markdown(text string) slack.DocumentContent {
	if text == "" {
		return slack.DocumentContent{}
	}
	return slack.DocumentContent{Type: "markdown", Markdown: text}
}

// CreateCanvas makes a canvas of Markdown and returns its id, which is a file's. With
// a channel it is shown there.
func (c *Client) CreateCanvas(ctx context.Context, title, text, channel string) (string, error) {
	var options []slack.CreateCanvasOption
	if channel != "" {
		options = append(options, slack.CreateCanvasOptionChannelID(channel))
	}
	id, err := c.slack.CreateCanvasContext(ctx, title, markdown(text), options...)
	return id, failure("canvases.create", err)
}

// CreateChannelCanvas makes a channel's own canvas. A channel that has one already is
// a [Conflict].
func (c *Client) CreateChannelCanvas(ctx context.Context, channel, title, text string) (string, error) {
	id, err := c.slack.CreateChannelCanvasContext(ctx, channel, markdown(text), slack.CreateChannelCanvasOptionTitle(title))
	return id, failure("conversations.canvases.create", err)
}

// A CanvasChange is one change of a canvas. Slack takes one in each call.
type CanvasChange struct {
	// Operation is insert_at_start, insert_at_end, insert_before, insert_after,
	// replace, delete or rename.
	Operation string
	// Section is where; a replacement without one is of the whole canvas.
	Section string
	// Markdown is what is put in, or the new title.
	Markdown string
}

// EditCanvas changes a canvas.
func (c *Client) EditCanvas(ctx context.Context, id string, change CanvasChange) error {
	entry := map[string]any{"operation": change.Operation}
	if change.Section != "" {
		entry["section_id"] = change.Section
	}
	switch {
	case change.Operation == "rename":
		entry["title_content"] = markdown(change.Markdown)
	case change.Markdown != "":
		entry["document_content"] = markdown(change.Markdown)
	}
	changes, err := json.Marshal([]any{entry})
	if err != nil {
		return refused("canvases.edit", err)
	}
	_, err = reply[struct{}](c.http.Do(c.form(ctx, "canvases.edit", "canvas_id", id, "changes", string(changes))))
	return err
}

// CanvasSections finds the sections of a canvas that hold a text, or, with an empty
// text, its headings; it returns their ids.
func (c *Client) CanvasSections(ctx context.Context, id, text string) ([]string, error) {
	criteria := slack.LookupCanvasSectionsCriteria{ContainsText: text}
	if text == "" {
		criteria.SectionTypes = []string{"any_header"}
	}
	sections, err := c.slack.LookupCanvasSectionsContext(ctx, slack.LookupCanvasSectionsParams{CanvasID: id, Criteria: criteria})
	ids := make([]string, len(sections))
	for i, s := range sections {
		ids[i] = s.ID
	}
	return ids, failure("canvases.sections.lookup", err)
}

// CanvasContent returns a canvas as Markdown.
func (c *Client) CanvasContent(ctx context.Context, id string) (string, error) {
	text, err := c.slack.GetCanvasContentContext(ctx, id)
	return text, failure("canvases.getContent", err)
}
