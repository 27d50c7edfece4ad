package slackapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// An Identity is who a token is.
type Identity struct {
	URL          string   `json:"url"` // of the workspace
	Team         string   `json:"team"`
	TeamID       string   `json:"team_id"`
	EnterpriseID string   `json:"enterprise_id,omitempty"`
	User         string   `json:"user"`
	UserID       string   `json:"user_id"`
	BotID        string   `json:"bot_id,omitempty"`
	AppID        string   `json:"app_id,omitempty"`
	Scopes       []string `json:"scopes"` // from X-OAuth-Scopes
}

// Has reports whether the token has a scope.
func (i Identity) Has(scope string) bool {
	return slices.Contains(i.Scopes, scope)
}

// AuthTest asks who the client's token is, and which scopes it has.
func (c *Client) AuthTest(ctx context.Context) (Identity, error) {
	resp, err := c.http.Do(c.form(ctx, "auth.test"))
	who, err := reply[Identity](resp, err)
	if err != nil {
		return Identity{}, err
	}
	who.Scopes = scopes(resp.Header)
	return who, nil
}

func scopes(h http.Header) []string {
	found := []string{}
	for s := range strings.SplitSeq(h.Get("X-OAuth-Scopes"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			found = append(found, s)
		}
	}
	return found
}
