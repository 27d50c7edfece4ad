package slackapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// A Response is what is said to an interaction, by its response_url, which works five
// times within half an hour.
type Response struct {
	Text   string          `json:"text,omitempty"`
	Blocks json.RawMessage `json:"blocks,omitempty"`
	// InChannel shows it to everybody; otherwise only who interacted sees it.
	InChannel bool `json:"-"`
	// Replace puts it in place of the message that was interacted with; Delete takes
	// that message away.
	Replace  bool   `json:"replace_original"`
	Delete   bool   `json:"delete_original,omitempty"`
	ThreadTS string `json:"thread_ts,omitempty"`
}

// Respond posts to a response URL. It is sent once, without a token, and only to
// Slack's hosts or the API's own.
func (c *Client) Respond(ctx context.Context, responseURL string, r Response) error {
	at, err := url.Parse(responseURL)
	if err != nil {
		return refused(respond, errors.New("the response URL cannot be parsed"))
	}
	if call, _ := c.reach(at); !call {
		return &Error{Method: respond.name, Code: CodeRefusedHost, Kind: InvalidArgument, err: errors.New("the response URL is not of Slack's")}
	}
	kind := "ephemeral"
	if r.InChannel {
		kind = "in_channel"
	}
	body, err := json.Marshal(struct {
		Response
		Type string `json:"response_type"`
	}{r, kind})
	if err != nil {
		return refused(respond, errors.New("blocks is not JSON"))
	}
	return c.repeat(ctx, respond, "", func(ctx context.Context) *Error {
		a := &attempt{client: c.http, method: respond, limit: c.opt.MaxReplyBytes, record: c.record}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(body))
		if err != nil {
			return refused(respond, errors.New("the response URL cannot be called"))
		}
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		fault := a.exchange(req)
		if fault == nil {
			fault = a.spent()
		}
		if fault != nil {
			fault.Method = respond.name
		}
		return fault
	})
}

// spent classifies the answer of a response URL: "ok" or {"ok":true}, or a refusal with
// a status, a code, or both.
func (a *attempt) spent() *Error {
	var e envelope
	said := json.Unmarshal(a.body, &e) == nil && e.Error != ""
	var err *Error
	switch {
	case a.status != http.StatusOK:
		err = a.missing()
	case said:
		err = &Error{Kind: kindOf(e.Error)}
	default:
		return nil
	}
	if said {
		err.Code = e.Error
	}
	return err
}
