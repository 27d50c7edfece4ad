package slackapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

func tourTeams(t *testing.T, seen *calls) {
	_, c := workspace(t, sandbox.Options{Organization: "E0LANTERN"}, slackapi.Options{OnCall: seen.add})
	who := must(c.AuthTest(t.Context()))(t)
	if !who.EnterpriseInstall || who.EnterpriseID != "E0LANTERN" {
		t.Errorf("identity %+v", who)
	}
	users := must(c.UserList(t.Context(), "", 0))(t)
	all := must(c.ConversationList(t.Context(), slackapi.ListQuery{}))(t)
	own := must(c.UserConversations(t.Context(), "", slackapi.ListQuery{Types: []string{"public_channel", "private_channel"}}))(t)
	groups := must(c.UserGroups(t.Context(), true, false))(t)
	members := must(c.UserGroupMembers(t.Context(), groups[0].ID))(t)
	if len(members) == 0 || len(users.Users) == 0 || len(all.Channels) == 0 || len(own.Channels) == 0 || len(groups) == 0 {
		t.Errorf("%d users, %d and %d channels, %d groups of an organization, %d members of one", len(users.Users), len(all.Channels), len(own.Channels), len(groups), len(members))
	}
}

// An organization is a Slack whose token is one of an organization.
type organization struct {
	teams  []string     // each is a page of the list of workspaces
	denied string       // why the workspaces cannot be listed
	whole  bool         // whether the token is one of a workspace after all
	gone   atomic.Value // the workspace to which access has ended
	lists  atomic.Int64 // calls for the workspaces
	asked  atomic.Value // the query of the last other call
}

func (o *organization) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	team, at := r.FormValue("team_id"), r.FormValue("cursor")
	if strings.HasSuffix(r.URL.Path, "auth.teams.list") {
		o.lists.Add(1)
		page, _ := strconv.Atoi(at)
		next := ""
		switch {
		case o.denied != "":
			_, _ = fmt.Fprintf(w, `{"ok":false,"error":"%s"}`, o.denied)
			return
		case page < len(o.teams)-1:
			next = strconv.Itoa(page + 1)
		}
		_, _ = fmt.Fprintf(w, `{"ok":true,"teams":[{"id":"%s"}],"response_metadata":{"next_cursor":"%s"}}`, o.teams[page], next)
		return
	}
	o.asked.Store(r.Form.Encode())
	switch {
	case team == "" && !o.whole:
		_, _ = fmt.Fprint(w, `{"ok":false,"error":"missing_argument"}`)
	case team != "" && team == o.gone.Load():
		_, _ = fmt.Fprint(w, `{"ok":false,"error":"team_access_not_granted"}`)
	case r.FormValue("usergroup") != "":
		if r.FormValue("usergroup") != "S"+team {
			_, _ = fmt.Fprint(w, `{"ok":false,"error":"no_such_subteam"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"ok":true,"users":["U%s"]}`, team)
	case team == "T2" && at == "":
		_, _ = fmt.Fprint(w, `{"ok":true,"channels":[{"id":"C2"}],"members":[{"id":"U2"}],"usergroups":[{"id":"S2"}],"response_metadata":{"next_cursor":"bW9yZQ=="}}`)
	default:
		_, _ = fmt.Fprintf(w, `{"ok":true,"channels":[{"id":"C%[1]s%[2]s"}],"members":[{"id":"U%[1]s%[2]s"}],"usergroups":[{"id":"S%[1]s%[2]s"}]}`, team, at)
	}
}

// client is one with the organization's token.
func (o *organization) client(t *testing.T) *slackapi.Client {
	t.Helper()
	srv := httptest.NewServer(o)
	t.Cleanup(srv.Close)
	return must(slackapi.New(slackapi.Options{BotToken: "xoxb-1", URL: srv.URL + "/", Pace: 1e6}))(t)
}

// walk follows the cursors of a list, at most a few times.
func walk(page func(cursor string) (ids []string, next string)) (all []string) {
	for cursor := ""; ; {
		ids, next := page(cursor)
		all = append(all, ids...)
		if cursor = next; cursor == "" || len(all) > 10 {
			return all
		}
	}
}

func usersOf(t *testing.T, c *slackapi.Client) func(cursor string) (ids []string, next string) {
	return func(cursor string) (ids []string, next string) {
		page := must(c.UserList(t.Context(), cursor, 0))(t)
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		return ids, page.NextCursor
	}
}

func ownOf(t *testing.T, c *slackapi.Client) func(cursor string) (ids []string, next string) {
	return func(cursor string) (ids []string, next string) {
		page := must(c.UserConversations(t.Context(), "", slackapi.ListQuery{Cursor: cursor}))(t)
		for _, ch := range page.Channels {
			ids = append(ids, ch.ID)
		}
		return ids, page.NextCursor
	}
}

// A list goes through all workspaces of an organization, each once.
func TestListsOfAnOrganization(t *testing.T) {
	t.Parallel()
	o := &organization{teams: []string{"T3", "T2", "T1", "T3"}}
	c := o.client(t)
	if got, want := walk(usersOf(t, c)), []string{"UT1", "U2", "UT2bW9yZQ==", "UT3"}; !slices.Equal(got, want) {
		t.Errorf("users %v, want %v", got, want)
	}
	if got, want := walk(ownOf(t, c)), []string{"CT1", "C2", "CT2bW9yZQ==", "CT3"}; !slices.Equal(got, want) {
		t.Errorf("conversations %v, want %v", got, want)
	}
	if n := o.lists.Load(); n != 4 {
		t.Errorf("the workspaces were listed with %d calls", n)
	}
}

// A list ends also when access to a workspace has ended meanwhile, whichever it is.
func TestAccessToAWorkspaceEnds(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		teams, gone, want string
	}{
		{"T1 T2 T3", "T1", "2 T2bW9yZQ== T3"},
		{"T1 T2 T3", "T2", "T1 T3"},
		{"T1 T2 T3", "T3", "T1 2 T2bW9yZQ=="},
		{"T1", "T1", ""},
	} {
		o := &organization{teams: strings.Fields(one.teams)}
		c := o.client(t)
		_ = walk(usersOf(t, c))
		o.gone.Store(one.gone)
		for what, list := range map[string]func(string) ([]string, string){"U": usersOf(t, c), "C": ownOf(t, c)} {
			got := strings.ReplaceAll(strings.Join(walk(list), " "), what, "")
			if got != one.want {
				t.Errorf("%s: without %s of %s: %q, want %q", what, one.gone, one.teams, got, one.want)
			}
		}
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		groups, err := c.UserGroups(ctx, false, false)
		stop()
		if want := strings.ReplaceAll(one.want, " T2bW9yZQ==", ""); err != nil || len(groups) != len(strings.Fields(want)) {
			t.Errorf("groups without %s of %s: %v (%v), want %q", one.gone, one.teams, groups, err, want)
		}
		page := must(o.client(t).UserList(t.Context(), "T9:x", 0))(t)
		if len(page.Users) != 0 || page.NextCursor != "" {
			t.Errorf("behind the last workspace is %+v", page)
		}
	}
}

// The members of a user group are found in the workspace that has it.
func TestMembersOfAGroupOfAnOrganization(t *testing.T) {
	t.Parallel()
	o := &organization{teams: []string{"T1", "T2", "T3"}}
	c := o.client(t)
	for _, team := range o.teams {
		if got := must(c.UserGroupMembers(t.Context(), "S"+team))(t); !slices.Equal(got, []string{"U" + team}) {
			t.Errorf("the members of the group of %s are %v", team, got)
		}
	}
	o.gone.Store("T3")
	for _, id := range []string{"SX", "ST3"} {
		_, err := c.UserGroupMembers(t.Context(), id)
		if e, ok := errors.AsType[*slackapi.Error](err); !ok || e.Code != "no_such_subteam" {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// What a cursor says does not make a token one of an organization, and Slack's own cursors are left alone.
func TestACursorIsNoOrganization(t *testing.T) {
	t.Parallel()
	o := &organization{teams: []string{"T1"}, whole: true}
	c := o.client(t)
	_ = must(c.UserList(t.Context(), "a:b", 0))(t)
	if n, asked := o.lists.Load(), o.asked.Load(); n != 0 || asked != "cursor=a%3Ab&limit=200" {
		t.Errorf("a cursor with a colon led to %d lists of workspaces, and to %v", n, asked)
	}
	_ = must(c.UserList(t.Context(), "T1:b", 0))(t)
	_ = must(c.UserList(t.Context(), "", 0))(t)
	if asked := o.asked.Load(); asked != "limit=200" {
		t.Errorf("the next list asked for %v", asked)
	}
}

// The list of workspaces is bounded, and a failure of it does not hide what Slack said of the list that was asked for.
func TestWorkspacesCannotBeListed(t *testing.T) {
	t.Parallel()
	long := &organization{teams: slices.Repeat([]string{"T1"}, 150)}
	for _, one := range []struct {
		o      *organization
		cursor string
		code   string
		lists  int64
	}{
		{long, "T1:", slackapi.CodeUnreadable, 100},
		{&organization{denied: "access_denied"}, "", "missing_argument", 1},
	} {
		_, err := one.o.client(t).UserList(t.Context(), one.cursor, 0)
		if e, ok := errors.AsType[*slackapi.Error](err); !ok || e.Code != one.code || one.o.lists.Load() != one.lists {
			t.Errorf("%v after %d calls, want %s after %d", err, one.o.lists.Load(), one.code, one.lists)
		}
	}
}
