package slackapi

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// teamsFresh is how long it counts to which workspaces a token has access.
const teamsFresh = 5 * time.Minute

// maxTeamPages bounds how long the list of workspaces is read; a page has a thousand.
const maxTeamPages = 100

var teamID = regexp.MustCompile(`^T[A-Z0-9]+$`)

// teams are the workspaces to which a token has access, once they were asked for.
type teams struct {
	mu  sync.Mutex
	ids []string // sorted, each once
	at  time.Time
	// organization says that Slack has shown that it is a token of an organization: a cursor, which anybody may
	// make up, shows nothing.
	organization bool
}

// A place is where a list of what is in a workspace goes on. The token of a workspace needs to name none. That of
// an organization has to, or Slack answers missing_argument: its list goes through the workspaces one after the
// other, and the cursor says of which it is. What is in several of them is listed in each.
type place struct {
	c            *Client
	team, cursor string
	ids          []string // of all workspaces, once it is known that there are several
}

// placeOf reads a cursor of a list.
func (c *Client) placeOf(ctx context.Context, cursorAt string) (p place, err error) {
	p = place{c: c, cursor: cursorAt}
	if team, at, within := strings.Cut(cursorAt, ":"); within && teamID.MatchString(team) { // Slack's own are base64
		p.team, p.cursor = team, at
	}
	if p.team != "" || c.ofOrganization() {
		err = p.enter(ctx)
	}
	return p, err
}

// enter finds the workspace that is the place's, or the first one behind it.
func (p *place) enter(ctx context.Context) (err error) {
	if p.ids, err = p.c.teamIDs(ctx); err != nil {
		return err
	}
	i, found := slices.BinarySearch(p.ids, p.team)
	if !found {
		p.cursor = "" // it is the beginning, or access to the workspace has ended meanwhile
	}
	p.team = idAt(p.ids, i)
	return nil
}

// over reports that all workspaces are behind the place: there is nothing to call for.
func (p *place) over() bool { return p.ids != nil && p.team == "" }

// again reports that the call has to be made again, at the place as it is now, and not to count its error.
func (p *place) again(ctx context.Context, failed *error) bool {
	e, ok := errors.AsType[*Error](*failed)
	switch {
	case !ok:
	case e.Code == "missing_argument" && p.ids == nil && p.cursor == "":
		if p.enter(ctx) != nil {
			return false // what Slack said of the list itself says more
		}
		*failed = nil
		p.c.teams.mu.Lock()
		defer p.c.teams.mu.Unlock()
		p.c.teams.organization = true
		return true
	case e.Code == "team_access_not_granted" && p.ids != nil:
		*failed = nil
		p.team, p.cursor = p.behind(), ""
		return p.team != ""
	}
	return false
}

// behind is the workspace that comes next; empty is none.
func (p *place) behind() string {
	if p.team == "" {
		return "" // and not the first, or the list would begin anew
	}
	i, found := slices.BinarySearch(p.ids, p.team)
	if found {
		i++
	}
	return idAt(p.ids, i)
}

func idAt(ids []string, i int) string {
	if i < len(ids) {
		return ids[i]
	}
	return ""
}

// next is the cursor of what follows a page that ended with Slack's own one.
func (p *place) next(cursor string) string {
	switch {
	case p.ids == nil:
		return cursor
	case cursor != "":
		return p.team + ":" + cursor
	case p.behind() != "":
		return p.behind() + ":"
	}
	return ""
}

func (c *Client) ofOrganization() bool {
	c.teams.mu.Lock()
	defer c.teams.mu.Unlock()
	return c.teams.organization
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
	next := ""
	for range maxTeamPages {
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
			if teamID.MatchString(t.ID) {
				ids = append(ids, t.ID)
			}
		}
		if next = r.next(); next == "" {
			break
		}
	}
	if next != "" {
		return nil, &Error{Method: "auth.teams.list", Code: CodeUnreadable, Kind: Internal}
	}
	if len(ids) == 0 {
		return nil, &Error{Method: "auth.teams.list", Code: "team_access_not_granted", Kind: Forbidden}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	c.teams.mu.Lock()
	defer c.teams.mu.Unlock()
	c.teams.ids, c.teams.at = ids, time.Now()
	return ids, nil
}
