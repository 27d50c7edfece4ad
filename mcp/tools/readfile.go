package tools

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

type readFileIn struct {
	FileID string `json:"file_id" alias:"file,id" doc:"File id (F…) or link"`
	Offset int    `json:"offset,omitempty" min:"0" doc:"next_offset of the last call"`
	Limit  int    `json:"limit,omitempty" alias:"max_chars" min:"1" max:"100000" doc:"Most characters; absent: what fits into a result"`
}

// contents is what a file holds.
type contents struct {
	Encoding   string     `json:"encoding" enum:"text,image,document,none" doc:"image, document: beside this object; none: of a kind that is not shown"`
	Text       string     `json:"text,omitempty"`
	Charset    string     `json:"charset,omitempty" doc:"how the text was stored, if not as UTF-8"`
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
	readBy

	media []toolset.Media
}

// Media sends an image or a document beside the result.
func (o readFileOut) Media() []toolset.Media { return o.media }

// images are what MCP clients show.
var images = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// documentTypes are the parts of media types by which a document is known.
var documentTypes = []string{"application/pdf", "officedocument", "opendocument", "msword", "ms-excel", "ms-powerpoint", "rtf", "epub"}

// headBytes is what is read of a file before it is decided what becomes of it.
const headBytes = 4 << 10

func (k *kit) readFile(ctx context.Context, c *toolset.Call, in readFileIn) (readFileOut, error) {
	id, err := file("file_id", in.FileID)
	if err != nil {
		return readFileOut{}, err
	}
	var f slackapi.File
	var out readFileOut
	by := k.reader(c)
	for by.next(err) {
		if f, err = by.api.FileInfo(ctx, id); err == nil {
			out, err = k.fileOf(ctx, by.api, &f, in)
		}
	}
	out.readBy = by.readBy
	return out, err
}

// fileOf shows what a file holds.
func (k *kit) fileOf(ctx context.Context, api *slackapi.Client, f *slackapi.File, in readFileIn) (readFileOut, error) {
	r := k.Judge.Reading(ctx)
	out := readFileOut{OK: true, File: r.File(f), Contents: contents{Encoding: "none"}}
	switch {
	case !r.Contents(f):
		out.Contents.Flags.Add(view.FlagWithheld)
		return out, nil
	case f.Mode == "email" && f.Text() != "": // its contents are a page
		out.extract(f, in)
		return out, nil
	case f.IsExternal || f.URLPrivate == "":
		out.Note = "The file is kept outside Slack or is gone: only its description can be read."
		out.extract(f, in)
		return out, nil
	}
	head, err := api.FileHead(ctx, f, headBytes)
	if err != nil {
		return readFileOut{}, err
	}
	switch kind := kindOf(f, head.Data); {
	case strings.HasPrefix(kind, "text/"):
		err = out.readText(ctx, api, f, head, in)
	case images[kind]:
		err = out.readMedia(ctx, api, f, head, toolset.Media{MIMEType: kind}, "image")
	case f.Text() != "" && !strings.HasPrefix(f.MimeType, "text/"):
		out.extract(f, in)
	case isDocument(kind):
		err = out.readMedia(ctx, api, f, head, toolset.Media{MIMEType: kind, URI: "slack://files/" + f.ID}, "document")
	default:
		out.Note = "The file is neither a text nor an image nor a document: only its description can be read."
	}
	return out, err
}

// kindOf is the media type of a file: text/… and images by its bytes, anything else by its own word.
func kindOf(f *slackapi.File, head []byte) string {
	seen, _, _ := strings.Cut(http.DetectContentType(head), ";")
	said, _, _ := strings.Cut(f.MimeType, ";")
	switch {
	case seen == "application/pdf", images[seen], strings.HasPrefix(seen, "text/") && !isDocument(said):
		return seen
	case images[said], strings.HasPrefix(said, "text/"):
		return seen // it is not what it says
	}
	return said
}

func isDocument(kind string) bool {
	for _, part := range documentTypes {
		if strings.Contains(kind, part) {
			return true
		}
	}
	return false
}

// whole returns a file of which the first bytes are known.
func whole(ctx context.Context, api *slackapi.Client, f *slackapi.File, head slackapi.Content, most int64) ([]byte, error) {
	if int64(len(head.Data)) == head.Total {
		return head.Data, nil
	}
	c, err := api.FileContents(ctx, f, most)
	return c.Data, err
}

// readText puts the text in; of one that is too long its beginning.
func (o *readFileOut) readText(ctx context.Context, api *slackapi.Client, f *slackapi.File, head slackapi.Content, in readFileIn) error {
	var data []byte
	var err error
	cut := max(f.Size, head.Total) > maxFileRead
	if cut {
		var c slackapi.Content
		c, err = api.FileHead(ctx, f, maxFileRead)
		data = c.Data
		o.Note = fmt.Sprintf("The file is larger than %d MB: this is of its first %d MB.", maxFileRead>>20, maxFileRead>>20)
	} else {
		data, err = whole(ctx, api, f, head, maxFileRead)
	}
	if err != nil {
		return err
	}
	s, charset, ok := decodeText(data, cut)
	if !ok {
		o.Note = "The file looks like a text, in none of the encodings UTF-8, UTF-16 and Windows-1252: only its description can be read."
		return nil
	}
	o.Contents.Charset = charset
	o.text(s, in)
	return nil
}

// readMedia puts an image or a document beside the result.
func (o *readFileOut) readMedia(ctx context.Context, api *slackapi.Client, f *slackapi.File, head slackapi.Content, m toolset.Media, what string) error {
	if max(f.Size, head.Total) > maxMedia {
		o.Note = fmt.Sprintf("The %s is larger than %d MB: only its description can be read.", what, maxMedia>>20)
		return nil
	}
	var err error
	if m.Data, err = whole(ctx, api, f, head, maxMedia); err == nil {
		o.Contents.Encoding, o.media = what, []toolset.Media{m}
	}
	return err
}

// extract puts in what Slack itself read out of a file, where it did.
func (o *readFileOut) extract(f *slackapi.File, in readFileIn) {
	if s := f.Text(); s != "" {
		o.text(s, in)
		o.Note = strings.TrimSpace("This is what Slack read out of the file; it may be its beginning only. " + o.Note)
	}
}

func (o *readFileOut) text(s string, in readFileIn) {
	c, budget := &o.Contents, view.NewBudget()
	budget.Takes(o.File)
	c.Encoding = "text"
	s = c.Flags.Text(s, maxFileRead)
	c.TotalChars = utf8.RuneCountInString(s)
	from := min(in.Offset, c.TotalChars)
	s = s[bytesOf(s, from):]
	if in.Limit == 0 {
		s = budget.Fitting(s)
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
