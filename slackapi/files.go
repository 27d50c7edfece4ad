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
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"slackmcp/internal/words"
)

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
	words.Extract               // what Slack read out of it
	Shares             Shares   `json:"shares,omitzero"`
}

// Shares are the messages that show a file, by conversation, the newest first.
type Shares struct {
	Public  map[string][]Share `json:"public,omitempty"`
	Private map[string][]Share `json:"private,omitempty"`
}

// A Share is a message that shows a file.
type Share struct {
	TS string `json:"ts"`
}

// In returns the ts of the newest message of a conversation that shows the file; "" where there is
// none, or Slack has not posted it yet.
func (s *Shares) In(channel string) string {
	for _, all := range []map[string][]Share{s.Public, s.Private} {
		for _, share := range all[channel] {
			return share.TS
		}
	}
	return ""
}

// MaxDownload is the most that [Client.Download] reads, in bytes.
const MaxDownload = 64 << 20

const maxFileRedirects = 3

// FileInfo describes a file.
func (c *Client) FileInfo(ctx context.Context, id string) (File, error) {
	r, err := reply[struct {
		File File `json:"file"`
	}](c.http.Do(c.form(ctx, "files.info", "file", id)))
	return r.File, err
}

// A FileQuery asks for a part of the files that the token can see, newest first.
type FileQuery struct {
	Channel, User string
	// Types are Slack's coarse types, such as images, pdfs and snippets; none is all.
	Types []string
	Count int // of the page; 0 is 100
	Page  int // from 1; 0 is 1
}

// A FilePage is a part of the list of files.
type FilePage struct {
	Files []File `json:"files"`
	Total int    `json:"total"`
	Page  int    `json:"page"`
	Pages int    `json:"pages"`
}

// FileList returns a page of files.
func (c *Client) FileList(ctx context.Context, q FileQuery) (FilePage, error) {
	r, err := reply[struct {
		Files  []File `json:"files"`
		Paging struct {
			Total int `json:"total"`
			Page  int `json:"page"`
			Pages int `json:"pages"`
		} `json:"paging"`
	}](c.http.Do(c.form(ctx, "files.list", "channel", q.Channel, "user", q.User, "types", strings.Join(q.Types, ","),
		"count", strconv.Itoa(cmp.Or(q.Count, 100)), "page", strconv.Itoa(cmp.Or(q.Page, 1)))))
	return FilePage{Files: r.Files, Total: r.Paging.Total, Page: r.Paging.Page, Pages: r.Paging.Pages}, err
}

// A Content is what a file holds. It is what people uploaded: untrusted.
type Content struct {
	MediaType string
	Data      []byte
	// Total is how many bytes the whole file has, -1 where that was not said.
	Total int64
}

// FileHead reads the first n bytes of a file, or all where it has no more. It asks for no
// others, and reads no others where they are sent all the same. A page for signing in that
// comes in place of the file is [CodeSignIn].
func (c *Client) FileHead(ctx context.Context, f *File, n int64) (Content, error) {
	got, err := c.download(ctx, f.URLPrivate, call{method: filesDownload, limit: n, head: true})
	return f.genuine(got, err)
}

// FileContents reads a file as [Client.Download] does. A page for signing in that comes in place
// of the file is [CodeSignIn].
func (c *Client) FileContents(ctx context.Context, f *File, limit int64) (Content, error) {
	got, err := c.Download(ctx, f.URLPrivate, limit)
	return f.genuine(got, err)
}

// genuine refuses a page for signing in: Slack answers with one, and status 200, where the token may
// not read the file. Of a file that is a page itself only the length tells them apart.
func (f *File) genuine(got Content, err error) (Content, error) {
	switch {
	case err != nil || !isHTML(got.Data):
		return got, err
	case slices.Contains(documents, f.Mode) || slices.Contains(documents, f.FileType):
		return got, nil
	case (strings.Contains(f.MimeType, "html") || f.FileType == "html") && (got.Total < 0 || f.Size == 0 || got.Total == f.Size):
		return got, nil
	}
	return Content{}, signIn()
}

// documents are the modes and types of files that Slack keeps itself, and gives out as pages.
var documents = []string{"canvas", "quip", "docs", "post", "space", "list", "email"}

// isHTML reports that bytes begin as a page does.
func isHTML(data []byte) bool {
	data = bytes.TrimPrefix(data[:min(len(data), 512)], []byte("\xef\xbb\xbf"))
	head := strings.ToLower(string(bytes.TrimSpace(data)))
	return strings.HasPrefix(head, "<!doctype html") || strings.HasPrefix(head, "<html")
}

func signIn() *Error {
	return &Error{
		Method: filesDownload.name, Code: CodeSignIn, Kind: Forbidden,
		err: errors.New("the token may not read this file: it needs files:read, and to be where the file was shared"),
	}
}

// Download reads the contents behind a file's URLPrivate, of at most limit bytes
// ([MaxDownload] at most); more is [TooLarge]. Only hosts of Slack and the API's own
// are called, and only they see the token, on redirects as well.
func (c *Client) Download(ctx context.Context, rawURL string, limit int64) (Content, error) {
	return c.download(ctx, rawURL, call{method: filesDownload, limit: limit})
}

func (c *Client) download(ctx context.Context, rawURL string, how call) (Content, error) {
	name := filesDownload.name
	if how.limit <= 0 || how.limit > MaxDownload {
		return Content{}, refused(name, fmt.Errorf("limit is %d, must be 1 to %d", how.limit, MaxDownload))
	}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, callKey{}, how), http.MethodGet, rawURL, http.NoBody)
	if err != nil {
		return Content{}, refused(name, errors.New("the file's URL cannot be called"))
	}
	if how.head {
		req.Header.Set("Range", fmt.Sprintf("bytes=0-%d", how.limit-1))
	}
	if c.token != "" {
		if err := c.follow(req, nil); err != nil {
			return Content{}, err
		}
	}
	resp, err := c.files.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return Content{}, e
		}
		return Content{}, &Error{Method: name, Code: CodeUnreadable, Kind: Internal} // a redirect to no URL
	}
	defer resp.Body.Close()
	data, err := whole(resp)
	total, ok := totalOf(resp)
	if err != nil || !ok {
		return Content{}, &Error{Method: name, Code: CodeUnreadable, Kind: Internal, Status: resp.StatusCode}
	}
	return Content{MediaType: resp.Header.Get("Content-Type"), Data: data, Total: total}, nil
}

// totalOf is how many bytes a file has, -1 where the answer does not say. It reports whether the answer
// holds the file from its beginning on.
func totalOf(resp *http.Response) (total int64, ok bool) {
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.ContentLength, true
	case http.StatusPartialContent:
		part, all, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "/")
		total, err := strconv.ParseInt(all, 10, 64)
		if err != nil {
			total = -1
		}
		return total, strings.HasPrefix(part, "0-")
	}
	return 0, false
}

// follow checks where a request for a file goes, at first and at each redirect, and shows
// the token to Slack alone.
func (c *Client) follow(req *http.Request, via []*http.Request) error {
	call, show := c.reach(req.URL)
	e := &Error{Method: filesDownload.name, Kind: Internal}
	switch {
	case len(via) > 0 && req.URL.Query().Has("redir"):
		return signIn()
	case len(via) > maxFileRedirects:
		e.Code = CodeTooManyRedirects
	case !call:
		e.Code, e.Kind, e.err = CodeRefusedHost, InvalidArgument, errors.New("the file is not on a host of Slack's")
	default:
		req.Header.Del("Referer")
		req.Header.Del("Authorization")
		if show {
			req.Header.Set("Authorization", "Bearer "+c.token) //nolint:gosec // The host was found to be Slack's.
		}
		return nil
	}
	return e
}

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
	req, err := http.NewRequestWithContext(context.WithValue(ctx, callKey{}, call{method: filesUpload, limit: c.opt.MaxReplyBytes}), http.MethodPost, at.String(), bytes.NewReader(data))
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

func markdown(text string) slack.DocumentContent {
	if text == "" {
		return slack.DocumentContent{}
	}
	return slack.DocumentContent{Type: "markdown", Markdown: text}
}

// CreateCanvas makes a canvas of Markdown and returns its id, which is a file's. With
// a channel it is shown there.
func (c *Client) CreateCanvas(ctx context.Context, title, text, channel string) (string, error) {
	var options []slack.CreateCanvasOption
	if channel != "" {
		options = append(options, slack.CreateCanvasOptionChannelID(channel))
	}
	id, err := c.slack.CreateCanvasContext(ctx, title, markdown(text), options...)
	return id, failure("canvases.create", err)
}

// CreateChannelCanvas makes a channel's own canvas. A channel that has one already is
// a [Conflict].
func (c *Client) CreateChannelCanvas(ctx context.Context, channel, title, text string) (string, error) {
	id, err := c.slack.CreateChannelCanvasContext(ctx, channel, markdown(text), slack.CreateChannelCanvasOptionTitle(title))
	return id, failure("conversations.canvases.create", err)
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
		return refused("canvases.edit", err)
	}
	_, err = reply[struct{}](c.http.Do(c.form(ctx, "canvases.edit", "canvas_id", id, "changes", string(changes))))
	return err
}

// CanvasSections finds the sections of a canvas that hold a text, or, with an empty
// text, its headings; it returns their ids.
func (c *Client) CanvasSections(ctx context.Context, id, text string) ([]string, error) {
	criteria := slack.LookupCanvasSectionsCriteria{ContainsText: text}
	if text == "" {
		criteria.SectionTypes = []string{"any_header"}
	}
	sections, err := c.slack.LookupCanvasSectionsContext(ctx, slack.LookupCanvasSectionsParams{CanvasID: id, Criteria: criteria})
	ids := make([]string, len(sections))
	for i, s := range sections {
		ids[i] = s.ID
	}
	return ids, failure("canvases.sections.lookup", err)
}

// CanvasContent returns a canvas as Markdown.
func (c *Client) CanvasContent(ctx context.Context, id string) (string, error) {
	text, err := c.slack.GetCanvasContentContext(ctx, id)
	return text, failure("canvases.getContent", err)
}
