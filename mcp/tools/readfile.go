package tools

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
)

type readFileIn struct {
	FileID string `json:"file_id" alias:"file,id" doc:"File id (F…) or link"`
	Offset int    `json:"offset,omitempty" min:"0" doc:"next_offset of the last call"`
	Limit  int    `json:"limit,omitempty" alias:"max_chars" min:"1" max:"100000" doc:"Most characters; absent: what fits into a result"`
}

// contents is what a file holds.
type contents struct {
	Encoding   string     `json:"encoding" enum:"text,image,none" doc:"image: beside this object; none: of a kind that is not shown"`
	Text       string     `json:"text,omitempty"`
	TotalChars int        `json:"total_chars,omitempty"`
	NextOffset int        `json:"next_offset,omitempty" doc:"Pass as offset to go on"`
	Flags      view.Flags `json:"flags,omitempty"`
}

type readFileOut struct {
	view.Mark
	OK       bool      `json:"ok"`
	File     view.File `json:"file"`
	Contents contents  `json:"contents"`
	Note     string    `json:"note,omitempty"`

	image []byte
	kind  string
}

// Media sends an image beside the result.
func (o readFileOut) Media() []toolset.Media {
	if o.image == nil {
		return nil
	}
	return []toolset.Media{{MIMEType: o.kind, Data: o.image}}
}

// images are what MCP clients show.
var images = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

func (k *kit) readFile(ctx context.Context, _ *toolset.Call, in readFileIn) (readFileOut, error) {
	id, err := file("file_id", in.FileID)
	if err != nil {
		return readFileOut{}, err
	}
	f, err := k.Slack.FileInfo(ctx, id)
	if err != nil {
		return readFileOut{}, err
	}
	r := k.Judge.Reading(ctx)
	out := readFileOut{OK: true, File: r.File(&f), Contents: contents{Encoding: "none"}}
	switch {
	case !r.Contents(&f):
		out.Contents.Flags.Add(view.FlagWithheld)
		return out, nil
	case f.IsExternal || f.URLPrivate == "":
		out.Note = "The file is kept outside Slack or is gone: only its description can be read."
		return out, nil
	case f.Size > maxFileRead:
		out.Note = fmt.Sprintf("The file is larger than %d MB: only its description can be read.", maxFileRead>>20)
		return out, nil
	}
	mime, _, _ := strings.Cut(f.MimeType, ";")
	if images[mime] && f.Size > maxImage {
		out.Note = noteLargeImage
		return out, nil
	}
	c, err := k.Slack.Download(ctx, f.URLPrivate, maxFileRead)
	if err != nil {
		return readFileOut{}, err
	}
	out.fill(mime, c.Data, in)
	return out, nil
}

var noteLargeImage = fmt.Sprintf("The image is larger than %d MB: only its description can be read.", maxImage>>20)

// fill puts the contents in, as what they are by their bytes.
func (o *readFileOut) fill(mime string, data []byte, in readFileIn) {
	switch {
	case images[mime] && len(data) <= maxImage:
		o.Contents.Encoding, o.image, o.kind = "image", data, mime
	case images[mime]:
		o.Note = noteLargeImage
	case utf8.Valid(data) && bytes.IndexByte(data, 0) < 0:
		o.text(string(data), in)
	default:
		o.Note = "The file is neither a text nor an image: only its description can be read."
	}
}

func (o *readFileOut) text(s string, in readFileIn) {
	c, room := &o.Contents, view.NewRoom()
	room.Takes(o.File)
	c.Encoding = "text"
	s = c.Flags.Text(s, maxFileRead)
	c.TotalChars = utf8.RuneCountInString(s)
	from := min(in.Offset, c.TotalChars)
	s = s[bytesOf(s, from):]
	if in.Limit == 0 {
		s = room.Fitting(s)
	} else {
		s = s[:bytesOf(s, min(in.Limit, c.TotalChars-from))]
	}
	c.Text = strings.Clone(s) // the rest of the file is not kept with it
	if to := from + utf8.RuneCountInString(s); to < c.TotalChars {
		c.NextOffset = to
		c.Flags.Add(view.FlagTruncated)
	}
}

// bytesOf is how many bytes the first n characters of a text take.
func bytesOf(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
