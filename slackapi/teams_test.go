package slackapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

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
	if len(users.Users) == 0 || len(all.Channels) == 0 || len(own.Channels) == 0 || len(groups) == 0 {
		t.Errorf("%d users, %d and %d channels, %d groups of an organization", len(users.Users), len(all.Channels), len(own.Channels), len(groups))
	}
}

// A list goes through all workspaces of an organization, also when access to one ends meanwhile.
func TestListsOfAnOrganization(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool // access to T2
	var lists atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		team, at := r.FormValue("team_id"), r.FormValue("cursor")
		switch {
		case strings.HasSuffix(r.URL.Path, "auth.teams.list"):
			lists.Add(1)
			if at == "" {
				_, _ = fmt.Fprint(w, `{"ok":true,"teams":[{"id":"T3"},{"id":"T2"}],"response_metadata":{"next_cursor":"dGVhbQ=="}}`)
				return
			}
			_, _ = fmt.Fprint(w, `{"ok":true,"teams":[{"id":"T1"}]}`)
		case team == "":
			_, _ = fmt.Fprint(w, `{"ok":false,"error":"missing_argument"}`)
		case team == "T2" && gone.Load():
			_, _ = fmt.Fprint(w, `{"ok":false,"error":"team_access_not_granted"}`)
		case team == "T2" && at == "":
			_, _ = fmt.Fprint(w, `{"ok":true,"channels":[{"id":"C2"}],"members":[{"id":"U2"}],"response_metadata":{"next_cursor":"bW9yZQ=="}}`)
		default:
			_, _ = fmt.Fprintf(w, `{"ok":true,"channels":[{"id":"C%s%s"}],"members":[{"id":"U%s%s"}]}`, team, at, team, at)
		}
	}))
	t.Cleanup(srv.Close)
	c := must(slackapi.New(slackapi.Options{BotToken: "xoxb-1", URL: srv.URL + "/", Pace: 1e6}))(t)
	walk := func(page func(cursor string) (ids []string, next string)) (all []string) {
		for cursor := ""; ; {
			ids, next := page(cursor)
			all = append(all, ids...)
			if cursor = next; cursor == "" || len(all) > 10 {
				return all
			}
		}
	}
	users := func(cursor string) (ids []string, next string) {
		page := must(c.UserList(t.Context(), cursor, 0))(t)
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		return ids, page.NextCursor
	}
	own := func(cursor string) (ids []string, next string) {
		page := must(c.UserConversations(t.Context(), "", slackapi.ListQuery{Cursor: cursor}))(t)
		for _, ch := range page.Channels {
			ids = append(ids, ch.ID)
		}
		return ids, page.NextCursor
	}
	if got, want := walk(users), []string{"UT1", "U2", "UT2bW9yZQ==", "UT3"}; !slices.Equal(got, want) {
		t.Errorf("users %v, want %v", got, want)
	}
	if got, want := walk(own), []string{"CT1", "C2", "CT2bW9yZQ==", "CT3"}; !slices.Equal(got, want) {
		t.Errorf("conversations %v, want %v", got, want)
	}
	if n := lists.Load(); n != 2 {
		t.Errorf("the workspaces were listed with %d calls", n)
	}
	gone.Store(true)
	if got, want := walk(own), []string{"CT1", "CT3"}; !slices.Equal(got, want) {
		t.Errorf("without access to a workspace %v, want %v", got, want)
	}
}
