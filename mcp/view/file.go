package view

import (
	"cmp"
	"time"

	"slackmcp/slackapi"
)

// A File is the description of a file.
type File struct {
	Untrusted bool     `json:"untrusted"`
	ID        string   `json:"id"`
	Name      string   `json:"name,omitempty"`
	Title     string   `json:"title,omitempty"`
	MIMEType  string   `json:"mimetype,omitempty"`
	Kind      string   `json:"filetype,omitempty"`
	Size      int64    `json:"size"`
	User      string   `json:"user,omitempty"`
	Created   string   `json:"created,omitempty"`
	Mode      string   `json:"mode,omitempty"`
	External  bool     `json:"is_external,omitempty" doc:"kept outside Slack"`
	Permalink string   `json:"permalink,omitempty"`
	Channels  []string `json:"channels,omitempty" doc:"where it is shared"`
	Flags     Flags    `json:"flags,omitempty"`
}

// NewFile shows a file's description.
func NewFile(f *slackapi.File) File {
	v := File{
		Untrusted: true, ID: f.ID, Size: f.Size, User: f.User, Created: Unix(f.Created), External: f.IsExternal,
	}
	v.Name, v.Title = v.Flags.Name(f.Name), v.Flags.Name(f.Title)
	v.MIMEType, v.Kind = v.Flags.Name(f.MimeType), v.Flags.Name(cmp.Or(f.PrettyType, f.FileType))
	v.Mode, v.Permalink = v.Flags.Name(f.Mode), v.Flags.Name(f.Permalink)
	for _, list := range [][]string{f.Channels, f.Groups, f.IMs} {
		v.Channels = append(v.Channels, list...)
	}
	return v
}

// Unix writes Unix seconds as RFC 3339, 0 as "".
func Unix(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return Time(time.Unix(seconds, 0))
}
