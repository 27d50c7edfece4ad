package slackapi

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/slack-go/slack"
)

type canvasReply struct {
	ID string `json:"canvas_id"`
}

func markdown(text string) slack.DocumentContent {
	if text == "" {
		return slack.DocumentContent{}
	}
	return slack.DocumentContent{Type: "markdown", Markdown: text}
}

// CreateCanvas makes a canvas of Markdown and returns its id, which is a file's. With
// a channel it is shown there.
func (c *Client) CreateCanvas(ctx context.Context, title, text, channel string) (string, error) {
	var r canvasReply
	err := c.call(ctx, canvasesCreate, "", func(ctx context.Context, d door) error {
		var options []slack.CreateCanvasOption
		if channel != "" {
			options = append(options, slack.CreateCanvasOptionChannelID(channel))
		}
		_, err := d.slack.CreateCanvasContext(ctx, title, markdown(text), options...)
		return err
	}, &r)
	return r.ID, err
}

// CreateChannelCanvas makes a channel's own canvas. A channel that has one already is
// a [Conflict].
func (c *Client) CreateChannelCanvas(ctx context.Context, channel, title, text string) (string, error) {
	var r canvasReply
	err := c.call(ctx, conversationsCanvas, "", func(ctx context.Context, d door) error {
		_, err := d.slack.CreateChannelCanvasContext(ctx, channel, markdown(text), slack.CreateChannelCanvasOptionTitle(title))
		return err
	}, &r)
	return r.ID, err
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
		return refused(canvasesEdit, err)
	}
	return c.call(ctx, canvasesEdit, "", form(url.Values{"canvas_id": {id}, "changes": {string(changes)}}), nil)
}

// CanvasSections finds the sections of a canvas that hold a text, or, with an empty
// text, its headings; it returns their ids.
func (c *Client) CanvasSections(ctx context.Context, id, text string) ([]string, error) {
	var r struct {
		Sections []struct {
			ID string `json:"id"`
		} `json:"sections"`
	}
	criteria := slack.LookupCanvasSectionsCriteria{ContainsText: text}
	if text == "" {
		criteria.SectionTypes = []string{"any_header"}
	}
	err := c.call(ctx, canvasesSectionsLookup, "", func(ctx context.Context, d door) error {
		_, err := d.slack.LookupCanvasSectionsContext(ctx, slack.LookupCanvasSectionsParams{CanvasID: id, Criteria: criteria})
		return err
	}, &r)
	ids := make([]string, len(r.Sections))
	for i, s := range r.Sections {
		ids[i] = s.ID
	}
	return ids, err
}

// CanvasContent returns a canvas as Markdown.
func (c *Client) CanvasContent(ctx context.Context, id string) (string, error) {
	var r struct {
		Content string `json:"content"`
	}
	err := c.call(ctx, canvasesGetContent, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetCanvasContentContext(ctx, id)
		return err
	}, &r)
	return r.Content, err
}
