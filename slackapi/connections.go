package slackapi

import (
	"context"
	"errors"
	"net/url"
)

// OpenConnection asks Slack for the address of one Socket Mode connection, which is to
// be dialled soon and works once. It needs [Options.AppToken] with the scope
// connections:write. The address is a secret: whoever has it receives the app's events.
func (c *Client) OpenConnection(ctx context.Context) (string, error) {
	_, address, err := c.app.slack.StartSocketModeContext(ctx)
	if err != nil {
		return "", failure("apps.connections.open", err)
	}
	if !c.dialable(address) {
		return "", &Error{Method: "apps.connections.open", Code: CodeRefusedHost, Kind: Internal, err: errors.New("the connection's address is not of Slack's")}
	}
	return address, nil
}

// dialable reports whether a WebSocket address may be dialled: one that HTTP may reach.
func (c *Client) dialable(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "wss":
		u.Scheme = "https"
	case "ws":
		u.Scheme = "http"
	default:
		return false
	}
	call, _ := c.reach(u)
	return call
}
