package slackapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

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
}

// Download reads the contents behind a file's URLPrivate, of at most limit bytes
// ([MaxDownload] at most); more is [TooLarge]. Only hosts of Slack and the API's own
// are called, and only they see the token, on redirects as well.
func (c *Client) Download(ctx context.Context, rawURL string, limit int64) (Content, error) {
	name := filesDownload.name
	if limit <= 0 || limit > MaxDownload {
		return Content{}, refused(name, fmt.Errorf("limit is %d, must be 1 to %d", limit, MaxDownload))
	}
	req, err := http.NewRequestWithContext(with(ctx, call{method: filesDownload, limit: limit}), http.MethodGet, rawURL, http.NoBody)
	if err != nil {
		return Content{}, refused(name, errors.New("the file's URL cannot be called"))
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
	data, err := io.ReadAll(resp.Body) // from memory
	if err != nil || resp.StatusCode != http.StatusOK {
		return Content{}, &Error{Method: name, Code: CodeUnreadable, Kind: Internal, Status: resp.StatusCode}
	}
	return Content{MediaType: resp.Header.Get("Content-Type"), Data: data}, nil
}

// follow checks where a request for a file goes, at first and at each redirect, and shows
// the token to Slack alone.
func (c *Client) follow(req *http.Request, via []*http.Request) error {
	call, show := c.reach(req.URL)
	e := &Error{Method: filesDownload.name, Kind: Internal}
	switch {
	case len(via) > 0 && req.URL.Query().Has("redir"):
		e.Code, e.Kind, e.err = CodeSignIn, Forbidden, errors.New("the token may not read this file: it needs files:read, and to be where the file was shared")
	case len(via) > maxFileRedirects:
		e.Code = CodeTooManyRedirects
	case !call:
		e.Code, e.Kind, e.err = CodeRefusedHost, InvalidArgument, errors.New("the file is not on a host of Slack's")
	default:
		req.Header.Del("Referer")
		req.Header.Del("Authorization")
		if show {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		return nil
	}
	return e
}
