package words

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A File is what is read of a file that a message carries
// (docs.slack.dev/reference/objects/file-object).
type File struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	Title    string `json:"title,omitempty"`
	MIMEType string `json:"mimetype,omitempty"`
	FileType string `json:"filetype,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Mode     string `json:"mode,omitempty"`
	User     string `json:"user,omitempty"` // who uploaded it
	// Gone says why the file can be read no more. Empty is what Mode says.
	Gone string `json:"-"`
	Extract
}

// An Extract is what Slack itself read out of a file.
type Extract struct {
	AltText      string `json:"alt_txt,omitempty"` // of an image, by who uploaded it
	Preview      string `json:"preview,omitempty"` // the beginning of a text
	PlainPreview string `json:"preview_plain_text,omitempty"`
	PlainText    string `json:"plain_text,omitempty"` // all of a document or an e-mail
	Subject      string `json:"subject,omitempty"`    // of an e-mail
	// From is an e-mail's senders, Transcription what is said in a recording: Slack's JSON, which
	// Text reads.
	From          json.RawMessage `json:"from,omitempty"`
	Transcription json.RawMessage `json:"transcription,omitempty"`
}

// Text is what Slack read out of the file: what is said in it, what is written in it, or what is to
// be seen. It is not escaped.
func (x *Extract) Text() string {
	var lines []string
	if x.Subject != "" {
		lines = append(lines, "Subject: "+oneLine(x.Subject))
	}
	if senders, _ := decode(x.From).([]any); len(senders) > 0 {
		sender, _ := senders[0].(object)
		lines = append(lines, "From: "+oneLine(cmp.Or(str(sender, "original"), str(sender, "address"))))
	}
	if recording, _ := decode(x.Transcription).(object); recording != nil {
		preview := sub(recording, "preview")
		said := strings.TrimSpace(str(preview, "content"))
		if more, _ := preview["has_more"].(bool); more && said != "" {
			said += " …"
		}
		lines = append(lines, said)
	}
	return strings.Join(nonempty(append(lines, x.AltText, strings.TrimSpace(cmp.Or(x.PlainText, x.PlainPreview, x.Preview)))), "\n")
}

// Gone says what became of a file of a mode that cannot be seen any more; "" of others.
func Gone(mode string) string {
	switch mode {
	case "tombstone":
		return "deleted"
	case "hidden_by_limit":
		return "hidden by the limits of the workspace's plan"
	}
	return ""
}

// maxExtract bounds what is shown of a file's contents among the words of a message, in bytes.
const maxExtract = 2000

// String is the file as a line of the message, and what Slack read out of it, below.
func (f *File) String() string {
	name := cmp.Or(f.Name, f.Title)
	if f.Title != "" && f.Title != name {
		name = f.Title + " (" + name + ")"
	}
	kind := cmp.Or(f.MIMEType, f.FileType)
	what := slices.DeleteFunc([]string{oneLine(name), oneLine(kind), size(f.Size), cmp.Or(f.Gone, Gone(f.Mode))}, func(s string) bool { return s == "" })
	line := bracket(strings.TrimSpace("file "+oneLine(f.ID)), strings.Join(what, ", "))
	text, long := cut(f.Text(), maxExtract)
	if long {
		text += " …"
	}
	return escape(line) + strings.Join(append([]string{""}, quote(nonempty([]string{escape(text)}))...), "\n")
}

// size writes how many bytes a file has.
func size(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " bytes"
	case n < 1<<20:
		return strconv.FormatInt(n>>10, 10) + " KB"
	}
	return strconv.FormatInt(n>>20, 10) + " MB"
}
