package tools

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const setCanvases = "canvases"

func canvasTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_create_canvas", Title: "Create a canvas", Set: setCanvases,
			Scope: access.Write, Effect: toolset.Adds, Needs: []string{"canvases:write"},
			Description: "Create a canvas, a document in Slack, from Markdown, and optionally share it in a channel. Use it for what should last longer than a message.",
		}, k.createCanvas),
		toolset.Define(toolset.Tool{
			Name: "slack_read_canvas", Title: "Read a canvas", Set: setCanvases, Scope: access.Read, Needs: []string{"canvases:read"},
			Description: "Read a canvas as Markdown, page by page with offset. With find it also returns the ids of the sections that hold a text, for slack_edit_canvas.",
		}, k.readCanvas),
		toolset.Define(toolset.Tool{
			Name: "slack_edit_canvas", Title: "Edit a canvas", Set: setCanvases,
			Scope: access.Write, Effect: toolset.Destroys, Needs: []string{"canvases:write"},
			Description: "Change a canvas: insert Markdown at its start or end, or before or after a section, replace or delete a section, or rename it. Read it first. Replacing without a section replaces everything.",
		}, k.editCanvas),
	}
}

type createCanvasIn struct {
	Title    string `json:"title" max:"255" doc:"Title"`
	Markdown string `json:"markdown,omitempty" alias:"content" max:"100000" doc:"Contents in Markdown"`
	Channel  string `json:"channel,omitempty" alias:"channel_id" doc:"Share it in this channel: id, #name or link"`
	safety
}

type canvasOut struct {
	OK       bool   `json:"ok"`
	CanvasID string `json:"canvas_id,omitempty"`
	carried
}

func (k *kit) createCanvas(ctx context.Context, c *toolset.Call, in createCanvasIn) (canvasOut, error) {
	channel := ""
	if in.Channel != "" {
		var err error
		if channel, err = k.channel(ctx, in.Channel); err != nil {
			return canvasOut{}, err
		}
	}
	text, calmed := k.Guard.Text(in.Markdown)
	id, w, err := begin[string](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{in.Title, text, channel}}, in.safety)
	if w.due {
		id, err = w.slack.CreateCanvas(ctx, in.Title, text, channel)
		w.end(ctx, id, id, err)
	}
	if calmed {
		w.Note = noteMentions
	}
	return canvasOut{OK: err == nil, CanvasID: id, carried: w.carried}, err
}

type readCanvasIn struct {
	CanvasID string `json:"canvas_id" alias:"id,file_id" doc:"Canvas id (F…) or link"`
	Find     string `json:"find,omitempty" max:"200" doc:"Also return the ids of the sections that hold this text"`
	Offset   int    `json:"offset,omitempty" min:"0" doc:"First character to return: next_offset of the last call"`
	Limit    int    `json:"limit,omitempty" alias:"max_chars" min:"1" max:"100000" default:"40000" doc:"Most characters to return"`
}

type readCanvasOut struct {
	OK       bool     `json:"ok"`
	CanvasID string   `json:"canvas_id"`
	Contents contents `json:"contents"`
	Sections []string `json:"sections,omitempty" doc:"ids for section_id of slack_edit_canvas"`
}

func (k *kit) readCanvas(ctx context.Context, _ *toolset.Call, in readCanvasIn) (readCanvasOut, error) {
	id, err := file("canvas_id", in.CanvasID)
	if err != nil {
		return readCanvasOut{}, err
	}
	out := readFileOut{Contents: contents{Untrusted: true, Encoding: "text"}}
	result := readCanvasOut{OK: true, CanvasID: id}
	if in.Find != "" {
		if result.Sections, err = k.Slack.CanvasSections(ctx, id, in.Find); err != nil {
			return readCanvasOut{}, err
		}
	}
	if k.Lockdown {
		// Nobody can tell who wrote which words of a canvas.
		out.Contents.Flags.Add(view.FlagWithheld)
		result.Contents = out.Contents
		return result, nil
	}
	text, err := k.Slack.CanvasContent(ctx, id)
	if err != nil {
		return readCanvasOut{}, err
	}
	out.text(text, readFileIn{Offset: in.Offset, Limit: in.Limit})
	result.Contents = out.Contents
	return result, nil
}

type editCanvasIn struct {
	CanvasID  string `json:"canvas_id" alias:"id,file_id" doc:"Canvas id (F…) or link"`
	Operation string `json:"operation" enum:"insert_at_start,insert_at_end,insert_before,insert_after,replace,delete,rename" doc:"What to do"`
	SectionID string `json:"section_id,omitempty" doc:"Section, from slack_read_canvas with find"`
	Markdown  string `json:"markdown,omitempty" alias:"content" max:"100000" doc:"What is put in, or the new title"`
	safety
}

func (k *kit) editCanvas(ctx context.Context, c *toolset.Call, in editCanvasIn) (canvasOut, error) {
	id, err := file("canvas_id", in.CanvasID)
	if err != nil {
		return canvasOut{}, err
	}
	if in.SectionID == "" && (in.Operation == "insert_before" || in.Operation == "insert_after" || in.Operation == "delete") {
		return canvasOut{}, &toolset.ArgumentError{Argument: "section_id", Problem: "this operation needs a section: find it with slack_read_canvas"}
	}
	if in.Markdown == "" && in.Operation != "delete" {
		return canvasOut{}, &toolset.ArgumentError{Argument: "markdown", Problem: "this operation needs it"}
	}
	text, calmed := k.Guard.Text(in.Markdown)
	change := slackapi.CanvasChange{Operation: in.Operation, Section: in.SectionID, Markdown: text}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Arguments: []any{id, change}}, in.safety)
	if w.due {
		err = w.slack.EditCanvas(ctx, id, change)
		w.end(ctx, nothing{}, id, err)
	}
	if calmed {
		w.Note = noteMentions
	}
	return canvasOut{OK: err == nil, CanvasID: id, carried: w.carried}, err
}
