package slackapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/slack-go/slack"
)

// MaxUpload is the most that [Client.Upload] takes, in bytes.
const MaxUpload = 64 << 20

// An Upload is a file to be shared.
type Upload struct {
	Name  string
	Title string // empty is Name
	Data  []byte
	// Channel is where it is shared; empty keeps it to the bot.
	Channel  string
	ThreadTS string
	Comment  string // the message with it
	AltText  string // what an image shows, for who cannot see it
}

// Upload brings a file to Slack in its three steps: a URL, the contents, the sharing.
// A failure before the last step leaves nothing that anyone sees; the last is sent
// once, and [Ambiguous] means that the file may be shared.
func (c *Client) Upload(ctx context.Context, u Upload) (File, error) {
	if n := len(u.Data); n == 0 || n > MaxUpload || u.Name == "" {
		return File{}, refused("files.getUploadURLExternal", fmt.Errorf("a file needs a name and 1 to %d bytes, it has %d", MaxUpload, n))
	}
	place, err := c.slack.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: u.Name, FileSize: len(u.Data), AltTxt: u.AltText})
	if err != nil {
		return File{}, failure("files.getUploadURLExternal", err)
	}
	if err := c.send(ctx, place.UploadURL, u.Data); err != nil {
		return File{}, err
	}
	title := cmp.Or(u.Title, u.Name)
	files, err := json.Marshal([]slack.FileSummary{{ID: place.FileID, Title: title}})
	if err != nil {
		return File{}, refused("files.completeUploadExternal", err)
	}
	done, err := reply[struct {
		Files []File `json:"files"`
	}](c.http.Do(c.form(ctx, "files.completeUploadExternal",
		"files", string(files), "channel_id", u.Channel, "initial_comment", u.Comment, "thread_ts", u.ThreadTS)))
	if err != nil || len(done.Files) == 0 {
		return File{ID: place.FileID, Name: u.Name, Title: title}, err
	}
	return done.Files[0], nil
}

// send puts contents where Slack said. The URL is the permission: no token is sent.
func (c *Client) send(ctx context.Context, rawURL string, data []byte) error {
	at, err := url.Parse(rawURL)
	if err != nil {
		return &Error{Method: filesUpload.name, Code: CodeUnreadable, Kind: Internal}
	}
	if call, _ := c.reach(at); !call {
		return &Error{Method: filesUpload.name, Code: CodeRefusedHost, Kind: Internal, err: errors.New("the upload is not to a host of Slack's")}
	}
	req, err := http.NewRequestWithContext(with(ctx, call{method: filesUpload, limit: c.opt.MaxReplyBytes}), http.MethodPost, at.String(), bytes.NewReader(data))
	if err != nil {
		return refused(filesUpload.name, errors.New("the upload URL cannot be called"))
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.http.Do(req)
	if err != nil {
		return failure(filesUpload.name, err)
	}
	return resp.Body.Close()
}
