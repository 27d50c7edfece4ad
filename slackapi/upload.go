package slackapi

import (
	"bytes"
	"context"
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
		return File{}, refused(filesGetUploadURL, fmt.Errorf("a file needs a name and 1 to %d bytes, it has %d", MaxUpload, n))
	}
	var place struct {
		URL string `json:"upload_url"`
		ID  string `json:"file_id"`
	}
	err := c.call(ctx, filesGetUploadURL, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: u.Name, FileSize: len(u.Data), AltTxt: u.AltText})
		return err
	}, &place)
	if err != nil {
		return File{}, err
	}
	if err := c.send(ctx, place.URL, u.Data); err != nil {
		return File{}, err
	}
	var done struct {
		Files []File `json:"files"`
	}
	err = c.call(ctx, filesCompleteUpload, "", func(ctx context.Context, d door) error {
		_, err := d.slack.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
			Files: []slack.FileSummary{{ID: place.ID, Title: or(u.Title, u.Name)}}, Channel: u.Channel,
			InitialComment: u.Comment, ThreadTimestamp: u.ThreadTS,
		})
		return err
	}, &done)
	if err != nil || len(done.Files) == 0 {
		return File{ID: place.ID, Name: u.Name, Title: or(u.Title, u.Name)}, err
	}
	return done.Files[0], nil
}

// send puts contents where Slack said. The URL is the permission: no token is sent.
func (c *Client) send(ctx context.Context, rawURL string, data []byte) error {
	at, err := url.Parse(rawURL)
	if c.record != nil {
		at, err = c.api, nil
	}
	if err != nil {
		return &Error{Method: filesUpload.name, Code: CodeUnreadable, Kind: Internal}
	}
	if call, _ := c.reach(at); !call {
		return &Error{Method: filesUpload.name, Code: CodeRefusedHost, Kind: Internal, err: errors.New("the upload is not to a host of Slack's")}
	}
	return c.repeat(ctx, filesUpload, "", func(ctx context.Context) *Error {
		a := &attempt{client: c.http, method: filesUpload, limit: c.opt.MaxReplyBytes, record: c.record}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(data))
		if err != nil {
			return refused(filesUpload, errors.New("the upload URL cannot be called"))
		}
		req.Header.Set("Content-Type", "application/octet-stream")
		fault := a.exchange(req)
		if fault == nil && a.status != http.StatusOK {
			fault = a.missing()
		}
		if fault != nil {
			fault.Method = filesUpload.name
		}
		return fault
	})
}
