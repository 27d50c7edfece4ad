package slackapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// teamsFresh is how long it counts to which workspaces a token has access.
const teamsFresh = 5 * time.Minute

// teams are the workspaces of an organization to which a token has access, once Slack has shown that it is
// a token of an organization.
type teams struct {
	mu  sync.Mutex
	ids []string // sorted; none of a token of one workspace
	at  time.Time
}

// inTeams calls a method that lists what is in a workspace, and returns the cursor of what follows. The token of a
// workspace needs to name none. That of an organization has to, or Slack answers missing_argument: its list
// goes through the workspaces one after the other, and the cursor says of which it is. What is in several
// of them is listed in each.
func (c *Client) inTeams(ctx context.Context, cursorAt string, call func(team, cursor string) (next string, err error)) (string, error) {
	team, at, within := strings.Cut(cursorAt, ":") // Slack's own cursors are base64
	if !within && !c.ofOrganization() {
		next, err := call("", cursorAt)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != "missing_argument" || cursorAt != "" {
			return next, err
		}
		team, at = "", ""
	}
	ids, err := c.teamIDs(ctx)
	if err != nil {
		return "", err
	}
	i, found := slices.BinarySearch(ids, team)
	if !found {
		at = "" // it is the beginning, or access to the workspace has ended meanwhile
	}
	for ; i < len(ids); i, at = i+1, "" {
		next, err := call(ids[i], at)
		e, ok := errors.AsType[*Error](err)
		switch {
		case ok && e.Code == "team_access_not_granted":
			continue
		case err != nil:
			return "", err
		case next != "":
			return ids[i] + ":" + next, nil
		case i+1 < len(ids):
			return ids[i+1] + ":", nil
		}
	}
	return "", nil
}

func (c *Client) ofOrganization() bool {
	c.teams.mu.Lock()
	defer c.teams.mu.Unlock()
	return len(c.teams.ids) > 0
}

// teamIDs are the workspaces to which the token has access.
func (c *Client) teamIDs(ctx context.Context) ([]string, error) {
	c.teams.mu.Lock()
	ids, at := c.teams.ids, c.teams.at
	c.teams.mu.Unlock()
	if len(ids) > 0 && time.Since(at) < teamsFresh {
		return ids, nil
	}
	ids = nil
	for next := ""; ; {
		r, err := reply[struct {
			Teams []struct {
				ID string `json:"id"`
			} `json:"teams"`
			cursor
		}](c.http.Do(c.form(ctx, "auth.teams.list", "limit", "1000", "cursor", next)))
		if err != nil {
			return nil, err
		}
		for _, t := range r.Teams {
			ids = append(ids, t.ID)
		}
		if next = r.next(); next == "" {
			break
		}
	}
	if len(ids) == 0 {
		return nil, &Error{Method: "auth.teams.list", Code: "team_access_not_granted", Kind: Forbidden}
	}
	slices.Sort(ids)
	c.teams.mu.Lock()
	defer c.teams.mu.Unlock()
	c.teams.ids, c.teams.at = ids, time.Now()
	return ids, nil
}
