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
		return refused(respond.name, errors.New("the response URL cannot be parsed"))
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
		return refused(respond.name, errors.New("blocks is not JSON"))
	}
	req, err := http.NewRequestWithContext(with(ctx, call{method: respond, limit: c.opt.MaxReplyBytes}), http.MethodPost, at.String(), bytes.NewReader(body))
	if err != nil {
		return refused(respond.name, errors.New("the response URL cannot be called"))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return failure(respond.name, err)
	}
	return resp.Body.Close()
}
