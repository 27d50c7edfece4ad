package slackapi

// A File is a file's description; its contents are read with [Client.Download].
type File struct {
	ID                 string   `json:"id"`
	Created            int64    `json:"created,omitempty"` // Unix seconds
	Name               string   `json:"name,omitempty"`
	Title              string   `json:"title,omitempty"`
	MimeType           string   `json:"mimetype,omitempty"`
	FileType           string   `json:"filetype,omitempty"`
	PrettyType         string   `json:"pretty_type,omitempty"`
	User               string   `json:"user,omitempty"`
	Size               int64    `json:"size,omitempty"`
	Mode               string   `json:"mode,omitempty"` // hosted, external, snippet, post, tombstone
	IsExternal         bool     `json:"is_external,omitempty"`
	ExternalType       string   `json:"external_type,omitempty"`
	IsPublic           bool     `json:"is_public,omitempty"`
	FileAccess         string   `json:"file_access,omitempty"` // visible, check_file_info, access_denied
	URLPrivate         string   `json:"url_private,omitempty"`
	URLPrivateDownload string   `json:"url_private_download,omitempty"`
	Permalink          string   `json:"permalink,omitempty"`
	Channels           []string `json:"channels,omitempty"`
	Groups             []string `json:"groups,omitempty"`
	IMs                []string `json:"ims,omitempty"`
	OriginalW          int      `json:"original_w,omitempty"`
	OriginalH          int      `json:"original_h,omitempty"`
	Preview            string   `json:"preview,omitempty"` // of a text, its beginning
}
