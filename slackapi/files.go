package slackapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// MaxDownload is the most that [Client.Download] reads, in bytes.
const MaxDownload = 64 << 20

const maxFileRedirects = 3

// FileInfo describes a file.
func (c *Client) FileInfo(ctx context.Context, id string) (File, error) {
	var r struct {
		File File `json:"file"`
	}
	err := c.call(ctx, filesInfo, "", form(url.Values{"file": {id}}), &r)
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
	var r struct {
		Files  []File `json:"files"`
		Paging struct {
			Total int `json:"total"`
			Page  int `json:"page"`
			Pages int `json:"pages"`
		} `json:"paging"`
	}
	values := url.Values{"count": {strconv.Itoa(or(q.Count, 100))}, "page": {strconv.Itoa(or(q.Page, 1))}}
	for name, v := range map[string]string{"channel": q.Channel, "user": q.User, "types": strings.Join(q.Types, ",")} {
		if v != "" {
			values.Set(name, v)
		}
	}
	err := c.call(ctx, filesList, "", form(values), &r)
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
	var content Content
	if limit <= 0 || limit > MaxDownload {
		return content, refused(filesDownload, fmt.Errorf("limit is %d, must be 1 to %d", limit, MaxDownload))
	}
	token := c.token(filesDownload)
	if token == "" {
		return content, noToken(filesDownload)
	}
	err := c.repeat(ctx, filesDownload, "", func(ctx context.Context) *Error {
		a := &attempt{client: c.http, method: filesDownload, limit: limit, record: c.record}
		if err := c.fetch(ctx, a, rawURL, token); err != nil {
			err.Method = filesDownload.name
			return err
		}
		content = Content{MediaType: a.header.Get("Content-Type"), Data: a.body}
		return nil
	})
	return content, err
}

// fetch gets a file over the redirects that stay with Slack.
func (c *Client) fetch(ctx context.Context, a *attempt, rawURL, token string) *Error {
	at, err := url.Parse(rawURL)
	if err != nil {
		return refused(filesDownload, errors.New("the file's URL cannot be parsed"))
	}
	for range maxFileRedirects + 1 {
		call, show := c.reach(at)
		if !call {
			return &Error{Code: CodeRefusedHost, Kind: InvalidArgument, err: errors.New("the file is not on a host of Slack's")}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
		if err != nil {
			return refused(filesDownload, errors.New("the file's URL cannot be called"))
		}
		if show {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		fault := a.exchange(req)
		switch {
		case fault != nil, a.status == http.StatusOK:
			return fault
		case a.status/100 != 3:
			return a.missing()
		}
		if at, err = at.Parse(a.header.Get("Location")); err != nil {
			return &Error{Code: CodeUnreadable, Kind: Internal, Status: a.status}
		}
		if at.Query().Has("redir") {
			return &Error{Code: CodeSignIn, Kind: Forbidden, err: errors.New("the token may not read this file: it needs files:read, and to be where the file was shared")}
		}
	}
	return &Error{Code: CodeTooManyRedirects, Kind: Internal}
}

// missing classifies a refusal of a file host, which speaks HTTP and not Slack's JSON.
func (a *attempt) missing() *Error {
	err := a.refusal()
	switch a.status {
	case http.StatusNotFound, http.StatusGone:
		err.Kind = NotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		err.Kind = Forbidden
	}
	return err
}

func noToken(m method) *Error {
	if m.as == app {
		return &Error{Method: m.name, Code: CodeNoToken, Kind: Auth, err: errors.New("it needs an app token, and none is configured")}
	}
	return &Error{Method: m.name, Code: CodeNoToken, Kind: Auth, err: errors.New("it needs a user token, and none is configured")}
}
