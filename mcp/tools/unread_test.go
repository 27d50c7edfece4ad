package tools_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

type unreadList struct {
	Channels []struct {
		ID       string `json:"id"`
		Unread   int    `json:"unread_count"`
		More     bool   `json:"unread_more"`
		LastRead string `json:"last_read"`
		IsMember bool   `json:"is_member"`
		ReadAs   string `json:"read_as"`
	} `json:"channels"`
	LookedAt   int    `json:"looked_at"`
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor"`
	Note       string `json:"note"`
}

func (u *unreadList) ids() []string {
	var ids []string
	for _, c := range u.Channels {
		ids = append(ids, c.ID)
	}
	return ids
}

// unreadPlaces is what Ada, the owner of the user token, has and has not read.
const unreadPlaces = `{
 "until_now": true,
 "app": {"name": "Helper"},
 "people": [{"id": "U0ADA000001", "name": "ada"}, {"id": "U0BEN000001", "name": "ben"}],
 "channels": [
  {"id": "C0READ00001", "name": "read", "members": ["ada", "helper"], "messages": [{"ts": "1750000000.000000", "user": "ada", "text": "x"}]},
  {"id": "C0DOCK00001", "name": "dock", "members": ["ada", "ben", "helper"], "last_read": {"ada": "1750000100.000000"}, "messages": [
   {"ts": "1750000100.000000", "user": "ben", "text": "seen"}, {"ts": "1750000200.000000", "user": "ben", "text": "new"},
   {"ts": "1750000210.000000", "user": "ben", "subtype": "channel_join", "text": "came"}, {"ts": "1750000220.000000", "user": "ben", "text": "newer"}]},
  {"id": "C0CELLAR001", "name": "cellar", "type": "private_channel", "members": ["ada", "ben"], "last_read": {"ada": "1750000100.000000"}, "messages": [
   {"ts": "1750000100.000000", "user": "ben", "text": "seen"}, {"ts": "1750000900.000000", "user": "ben", "text": "hidden"}]},
  {"id": "D0ADABOT001", "type": "im", "members": ["ada", "helper"], "last_read": {"ada": "1750000100.000000"}, "messages": [
   {"ts": "1750000100.000000", "user": "ada", "text": "hi"}, {"ts": "1750000300.000000", "bot_id": "helper", "text": "hello"}]},
  {"id": "D0ADABEN001", "type": "im", "members": ["ada", "ben"], "last_read": {"ada": "1750000100.000000"}, "messages": [
   {"ts": "1750000100.000000", "user": "ada", "text": "hi"}, {"ts": "1750000400.000000", "user": "ben", "text": "a secret"}]}
 ]
}`

// TestUnreadIsWhatTheToolsCanRead: conversations are unread by how far their reader came, are in the
// order of what happened last, and are those alone that the caller's tools can read.
func TestUnreadIsWhatTheToolsCanRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, workspace(t, unreadPlaces), func(o *rigOptions) { o.tools.UserReads = true })
	var got unreadList
	r.call("slack_list_unread", a{}, &got)
	if want := []string{"D0ADABOT001", "C0DOCK00001"}; !slices.Equal(got.ids(), want) {
		t.Fatalf("the bot's tools are offered %v, want %v: %+v", got.ids(), want, got)
	}
	if c := got.Channels[1]; c.Unread != 2 || c.More || c.LastRead == "" || !c.IsMember || c.ReadAs != "" {
		t.Errorf("the channel is %+v", c)
	}
	if got.LookedAt != 3 || got.HasMore || !strings.Contains(got.Note, "2 of the user's conversations are left out") {
		t.Errorf("looked at %+v", got)
	}
	got = unreadList{}
	if err := r.as(asUser, "slack_list_unread", a{}, &got); err != nil {
		t.Fatal(toolsFault(err))
	}
	if want := []string{"C0CELLAR001", "D0ADABEN001", "D0ADABOT001", "C0DOCK00001"}; !slices.Equal(got.ids(), want) || got.Note != "" {
		t.Fatalf("a caller with the scope is offered %v, want %v: %+v", got.ids(), want, got)
	}
	for _, c := range got.Channels {
		ours := c.ID == "D0ADABOT001" || c.ID == "C0DOCK00001"
		if (c.ReadAs == "user") == ours || c.IsMember != ours {
			t.Errorf("%+v", c)
		}
		var page messages
		if err := r.as(asUser, "slack_read_channel_messages", a{"channel": c.ID, "oldest": c.LastRead}, &page); err != nil || len(page.Messages) < c.Unread {
			t.Errorf("%s is offered with %d, and read as %+v, %v", c.ID, c.Unread, page, err)
		}
	}
}

// TestUnreadIsBounded: of many conversations some are looked at, within the bound of calls, and the next
// page goes on where that stopped.
func TestUnreadIsBounded(t *testing.T) {
	t.Parallel()
	const many = 60
	w := &sandbox.Workspace{App: sandbox.FileApp{Name: "Helper"}, People: []sandbox.FilePerson{{ID: "U0ADA000001", Name: "ada"}}, UntilNow: true}
	for i := range many {
		first, second := fmt.Sprintf("17500%05d.000000", i), fmt.Sprintf("17500%05d.500000", i)
		w.Channels = append(w.Channels, sandbox.FileChannel{
			ID: fmt.Sprintf("C0ROOM%05d", i), Name: fmt.Sprint("room", i), Members: []string{"ada", "helper"}, LastRead: map[string]string{"ada": first},
			Messages: []sandbox.FileMessage{{TS: first, User: "ada", Text: "x"}, {TS: second, User: "ada", Text: "y"}},
		})
	}
	var calls atomic.Int64
	r := newRig(t, func(o *rigOptions) {
		o.sandbox.Workspace = w
		o.client.OnCall = func(context.Context, slackapi.CallInfo) { calls.Add(1) }
	})
	seen, cursor := map[string]bool{}, ""
	for page := 1; ; page++ {
		calls.Store(0)
		var got unreadList
		r.call("slack_list_unread", a{"limit": 40, "cursor": cursor}, &got)
		if n := calls.Load(); n > 50 || n < 2*int64(got.LookedAt) {
			t.Errorf("page %d took %d calls for %d conversations", page, n, got.LookedAt)
		}
		for _, id := range got.ids() {
			if seen[id] {
				t.Errorf("%s comes twice", id)
			}
			seen[id] = true
		}
		if page == 1 && (got.ids()[0] != fmt.Sprintf("C0ROOM%05d", many-1) || !strings.Contains(got.Note, fmt.Sprintf("the other %d", many-got.LookedAt))) {
			t.Errorf("the first page begins with %s and says %q", got.ids()[0], got.Note)
		}
		if cursor = got.NextCursor; cursor == "" || page > 9 {
			break
		}
	}
	if len(seen) != many {
		t.Errorf("all pages have %d conversations, want %d", len(seen), many)
	}
}
