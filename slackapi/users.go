package slackapi

import (
	"context"
)

// UserInfo returns one user.
func (c *Client) UserInfo(ctx context.Context, id string) (User, error) {
	var r struct {
		User User `json:"user"`
	}
	err := c.call(ctx, usersInfo, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserInfoContext(ctx, id)
		return err
	}, &r)
	return r.User, err
}
