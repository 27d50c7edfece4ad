package tools

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	pause "slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const (
	setFiles = "files"

	maxFileRead  = 5 << 20 // bytes of a file that is read
	maxFileText  = 100_000 // characters of a text in one answer
	maxMedia     = 3 << 20 // bytes of an image or a document in an answer
	maxComment   = 4000    // characters of the message with a file
	maxFileWrite = 3 << 20 // bytes of a file that is uploaded: it comes in one message
)

func fileTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_get_file_info", Title: "Get a file's details", Set: setFiles, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"files:read"},
			Description: "Get a file's name, kind, size, owner and where it is shared. Its contents: slack_read_file.",
		}, (*kit).fileInfo),
		define(ks, toolset.Tool{
			Name: "slack_read_file", Title: "Read a file", Set: setFiles, Default: true, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"files:read"},
			Description: "Read a file: text page by page, an image as an image, a PDF or other document as Slack's own extract or whole; other kinds are described only.",
		}, (*kit).readFile),
		define(ks, toolset.Tool{
			Name: "slack_upload_file", Title: "Upload a file", Set: setFiles, Default: true,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{"files:write"},
			Description: "Upload a text, or base64 data of up to 3 MB, as a file and share it in a channel or thread.",
		}, (*kit).uploadFile),
		define(ks, toolset.Tool{
			Name: "slack_share_file", Title: "Share a file", Set: setFiles,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{"files:read", scopePost},
			Description: "Share a file that is in Slack already with another channel, by posting its link.",
		}, (*kit).shareFile),
	}
}

var fileID = regexp.MustCompile(`\bF[A-Z0-9]{6,20}\b`)

// file reads a file's id, which may stand in a link.
func file(argument, s string) (string, error) {
	if id := fileID.FindString(s); id != "" {
		return id, nil
	}
	return "", &toolset.ArgumentError{Argument: argument, Problem: "write a file's id (F0123456789) or its link"}
}

type fileIn struct {
	FileID string `json:"file_id" alias:"file,id" doc:"File id (F…) or link"`
}

type fileOut struct {
	view.Mark
	OK   bool      `json:"ok"`
	File view.File `json:"file"`
	readBy
}

type uploadOut struct {
	OK        bool   `json:"ok"`
	FileID    string `json:"file_id,omitempty"`
	Channel   string `json:"channel,omitempty"`
	TS        string `json:"ts,omitempty"`
	Permalink string `json:"permalink,omitempty"`
	Cursor    string `json:"cursor,omitempty" doc:"slack_wait_for_event returns what came since"`
	carried
}

func (k *kit) fileInfo(ctx context.Context, c *toolset.Call, in fileIn) (fileOut, error) {
	id, err := file("file_id", in.FileID)
	if err != nil {
		return fileOut{}, err
	}
	var f slackapi.File
	by := k.reader(c)
	for by.next(err) {
		f, err = by.api.FileInfo(ctx, id)
	}
	return fileOut{OK: true, File: k.Judge.Reading(ctx).File(&f), readBy: by.readBy}, err
}

type uploadIn struct {
	Filename string `json:"filename" alias:"name" max:"255" doc:"Name with its ending"`
	Content  string `json:"content,omitempty" alias:"text" max:"3000000" doc:"The text of the file"`
	Base64   string `json:"content_base64,omitempty" doc:"Or its bytes in base64"`
	Title    string `json:"title,omitempty" max:"255" doc:"Shown in place of the name"`
	Channel  string `json:"channel,omitempty" alias:"channel_id" doc:"id, #name or link; without one nobody sees it yet"`
	ThreadTS string `json:"thread_ts,omitempty" doc:"Thread to share it in: ts of its first message"`
	Comment  string `json:"comment,omitempty" alias:"initial_comment" max:"4000" doc:"The message with the file"`
	naming
	AltText string `json:"alt_text,omitempty" max:"1000" doc:"What an image shows"`
	safety
}

func (k *kit) uploadFile(ctx context.Context, c *toolset.Call, in uploadIn) (uploadOut, error) {
	u, n, err := k.upload(ctx, c, in)
	if err != nil {
		return uploadOut{}, err
	}
	args := u
	args.Comment = in.Comment // as it was written: the same names may be others on a repeat
	f, w, err := begin[uploaded](ctx, k, c, guard.Write{Channel: u.Channel, Sends: u.Channel != "", Arguments: []any{args, in.naming}}, in.safety)
	if w.due {
		var file slackapi.File
		f.cursor = k.cursorNow() // an answer comes behind it
		if err = w.posting(ctx, k); err == nil {
			file, err = w.slack.Upload(ctx, u)
		}
		w.wrote(ctx, k, "", file.ID, err)
		f.id = file.ID
		if err == nil && !w.DryRun && u.Channel != "" {
			if f.ts = k.sharedAt(ctx, &file, u.Channel); f.ts != "" {
				w.wrote(ctx, k, u.Channel, f.ts, nil)
			}
		}
		w.end(ctx, f, f.id, err)
	}
	if err != nil {
		return uploadOut{}, err
	}
	out := uploadOut{OK: true, FileID: f.id, Channel: u.Channel, TS: f.ts}
	out.Permalink = view.Permalink(k.self(ctx).URL, u.Channel, f.ts, u.ThreadTS)
	if u.Channel != "" && !w.DryRun {
		if out.Cursor = f.cursor; f.ts == "" {
			n.add("Slack has taken the file and is still posting it: its ts is in slack_read_channel_messages in some seconds.")
		}
	}
	w.Note = n.on(w.Note)
	out.carried = w.carried
	return out, nil
}

// uploaded is what is kept of an upload, for a repeat of its key.
type uploaded struct{ id, ts, cursor string }

// The pauses in which Slack is asked whether it has posted a file: it looks for malware first.
const (
	sharedAgain    = 150 * time.Millisecond
	sharedSlowly   = time.Second
	sharedPatience = 4 * time.Second
)

// sharedAt returns the ts of the message with a file that was uploaded, once Slack has posted it;
// "" where that takes too long or cannot be seen.
func (k *kit) sharedAt(ctx context.Context, f *slackapi.File, channel string) string {
	ctx, cancel := context.WithTimeout(ctx, sharedPatience)
	defer cancel()
	backoff := pause.Backoff{First: sharedAgain, Most: sharedSlowly}
	for f.Shares.In(channel) == "" {
		if pause.Sleep(ctx, backoff.Next()) != nil {
			return ""
		}
		now, err := k.Slack.FileInfo(ctx, f.ID)
		if err != nil {
			return ""
		}
		f = &now
	}
	return f.Shares.In(channel)
}

func (k *kit) upload(ctx context.Context, c *toolset.Call, in uploadIn) (u slackapi.Upload, n remarks, err error) {
	u = slackapi.Upload{Name: in.Filename, Title: in.Title, AltText: in.AltText, Data: []byte(in.Content)}
	switch {
	case in.Content != "" && in.Base64 != "":
		return u, nil, &toolset.ArgumentError{Argument: "content", Problem: "give content or content_base64, not both"}
	case in.Base64 != "":
		if u.Data, err = base64.StdEncoding.DecodeString(in.Base64); err != nil {
			return u, nil, &toolset.ArgumentError{Argument: "content_base64", Problem: "it is not base64"}
		}
	}
	if n := len(u.Data); n == 0 || n > maxFileWrite {
		return u, nil, &toolset.ArgumentError{Argument: "content", Problem: fmt.Sprintf("give 1 byte to %d MB", maxFileWrite>>20)}
	}
	if in.Channel != "" {
		if u.Channel, _, err = k.recipient(ctx, in.Channel, in.safety); err != nil {
			return u, nil, err
		}
	}
	if u.ThreadTS, err = k.threadIn(ctx, "thread_ts", u.Channel, in.ThreadTS); err != nil {
		return u, nil, err
	}
	u.Comment = k.prose(ctx, c, "comment", in.Comment, maxComment, in.naming, &n)
	return u, n, k.Guard.Links(nil, u.Comment) // Slack takes no word about previews with a file
}

type shareIn struct {
	FileID   string `json:"file_id" alias:"file,id" doc:"File id (F…) or link"`
	Channel  string `json:"channel" alias:"channel_id" doc:"id, #name or link, or a user for a direct message"`
	ThreadTS string `json:"thread_ts,omitempty" doc:"Thread to share it in: ts of its first message"`
	Comment  string `json:"comment,omitempty" max:"4000" doc:"What to say about it"`
	naming
	safety
}

func (k *kit) shareFile(ctx context.Context, c *toolset.Call, in shareIn) (posted, error) {
	id, err := file("file_id", in.FileID)
	if err != nil {
		return posted{}, err
	}
	channel, _, err := k.recipient(ctx, in.Channel, in.safety)
	if err != nil {
		return posted{}, err
	}
	thread, err := k.threadIn(ctx, "thread_ts", channel, in.ThreadTS)
	if err != nil {
		return posted{}, err
	}
	f, err := k.Slack.FileInfo(ctx, id)
	if err != nil {
		return posted{}, err
	}
	if !strings.HasPrefix(f.Permalink, "https://") || strings.ContainsAny(f.Permalink, " <>|") {
		return posted{}, fault("file_has_no_link: Slack gives no link for this file, so it cannot be shared.")
	}
	m := said{words: words{Text: in.Comment + "\n" + f.Permalink, naming: in.naming}}
	comment := k.prose(ctx, c, "comment", in.Comment, maxComment, in.naming, &m.notes)
	// Slack shows a file of its own below its link only when links may unfold.
	m.post = slackapi.Post{Channel: channel, ThreadTS: thread, Text: strings.TrimSpace(comment + "\n<" + f.Permalink + ">"), UnfurlLinks: comment == ""}
	return k.deliver(ctx, c, m, in.safety)
}

const setCanvases = "canvases"

func canvasTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_create_canvas", Title: "Create a canvas", Set: setCanvases,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{"canvases:write"},
			Description: "Create a canvas, a document in Slack, from Markdown, and optionally share it in a channel. Use it for what should last longer than a message.",
		}, (*kit).createCanvas),
		define(ks, toolset.Tool{
			Name: "slack_read_canvas", Title: "Read a canvas", Set: setCanvases, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"canvases:read"},
			Description: "Read a canvas as Markdown, page by page with offset. With find it also returns the ids of the sections that hold a text, for slack_edit_canvas.",
		}, (*kit).readCanvas),
		define(ks, toolset.Tool{
			Name: "slack_edit_canvas", Title: "Edit a canvas", Set: setCanvases,
			Scope: access.Write, For: toolset.AsPerson, Effect: toolset.Destroys, Needs: []string{"canvases:write"},
			Description: "Change a canvas: insert Markdown at its start or end, or before or after a section, replace or delete a section, or rename it. Read it first. Replacing without a section replaces everything.",
		}, (*kit).editCanvas),
	}
}

type createCanvasIn struct {
	Title    string `json:"title" max:"255" doc:"Title"`
	Markdown string `json:"markdown,omitempty" alias:"content" max:"100000" doc:"Contents in Markdown"`
	Channel  string `json:"channel,omitempty" alias:"channel_id" doc:"Share it in: id, #name or link"`
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
	if err := k.Guard.Remote(in.Markdown, nil); err != nil {
		return canvasOut{}, err
	}
	text, calmed := k.Guard.Markdown(in.Markdown)
	title, c2 := k.Guard.Text(in.Title)
	calmed = calmed || c2
	id, w, err := begin[string](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{title, text, channel}}, in.safety)
	if w.due {
		id, err = w.slack.CreateCanvas(ctx, title, text, channel)
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
	Offset   int    `json:"offset,omitempty" min:"0" doc:"next_offset of the last call"`
	Limit    int    `json:"limit,omitempty" alias:"max_chars" min:"1" max:"100000" doc:"Most characters; absent: what fits into a result"`
}

type readCanvasOut struct {
	view.Mark
	OK       bool     `json:"ok"`
	CanvasID string   `json:"canvas_id"`
	Contents contents `json:"contents"`
	Sections []string `json:"sections,omitempty" doc:"ids for section_id of slack_edit_canvas"`
	readBy
}

func (k *kit) readCanvas(ctx context.Context, c *toolset.Call, in readCanvasIn) (readCanvasOut, error) {
	id, err := file("canvas_id", in.CanvasID)
	if err != nil {
		return readCanvasOut{}, err
	}
	out := readFileOut{Contents: contents{Encoding: "text"}}
	result := readCanvasOut{OK: true, CanvasID: id}
	if k.Judge.Lockdown() {
		// Slack does not say who wrote which words of a canvas, and to find some tells what is there.
		out.Contents.Flags.Add(view.FlagWithheld)
		result.Contents = out.Contents
		return result, nil
	}
	text, by := "", k.reader(c)
	for by.next(err) {
		if text, err = by.api.CanvasContent(ctx, id); err == nil && in.Find != "" {
			result.Sections, err = by.api.CanvasSections(ctx, id, in.Find)
		}
	}
	if err != nil {
		return readCanvasOut{}, err
	}
	result.readBy = by.readBy
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

// shown returns the conversations that a file or canvas is shown in, where that matters.
func (k *kit) shown(ctx context.Context, id string) (first string, others []string, err error) {
	if !k.Guard.Restricts() {
		return "", nil, nil
	}
	f, err := k.Slack.FileInfo(ctx, id)
	if err != nil {
		return "", nil, err
	}
	all := slices.Concat(f.Channels, f.Groups, f.IMs)
	if len(all) == 0 {
		return "", nil, nil
	}
	return all[0], all[1:], nil
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
	if err := k.Guard.Remote(in.Markdown, nil); err != nil {
		return canvasOut{}, err
	}
	text, calmed := k.Guard.Markdown(in.Markdown)
	change := slackapi.CanvasChange{Operation: in.Operation, Section: in.SectionID, Markdown: text}
	where, also, err := k.shown(ctx, id)
	if err != nil {
		return canvasOut{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: where, Also: also, Arguments: []any{id, change}}, in.safety)
	if w.due {
		err = w.slack.EditCanvas(ctx, id, change)
		w.end(ctx, nothing{}, id, err)
	}
	if calmed {
		w.Note = noteMentions
	}
	return canvasOut{OK: err == nil, CanvasID: id, carried: w.carried}, err
}
