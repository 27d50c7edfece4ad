package tools_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"slackmcp/mcp/names"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestDirectMessagesHaveNames: in lists a direct message is called by its person, one of several by
// all of them.
func TestDirectMessagesHaveNames(t *testing.T) {
	t.Parallel()
	for name, lockdown := range map[string]view.Lockdown{"without lockdown": view.Off, "under lockdown": view.Guests} {
		r := newRig(t, func(o *rigOptions) { o.judge.Lockdown = lockdown })
		var out struct {
			Channels []struct{ ID, Name, Type string }
		}
		r.call("slack_list_channels", a{"types": []string{"im", "mpim"}}, &out)
		called := map[string]string{}
		for _, c := range out.Channels {
			called[c.ID] = c.Name
			if c.Type == "mpim" && (!strings.Contains(c.Name, "bob") || !strings.Contains(c.Name, "carla") || strings.Contains(c.Name, "mpdm")) {
				t.Errorf("%s: a direct message of several is called %q", name, c.Name)
			}
		}
		if got := called[sandbox.AliceDM]; got != "alice" {
			t.Errorf("%s: the direct message with Alice is called %q", name, got)
		}
	}
}

// TestAPostToAPersonSaysToWhom: however the person was named, also in a rehearsal; a post to a channel
// is to nobody.
func TestAPostToAPersonSaysToWhom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, to := range []string{"@bob", sandbox.Bob, "bob@lantern-works.example"} {
		for _, rehearsed := range []bool{true, false} {
			var sent struct {
				To struct {
					ID       string `json:"id"`
					RealName string `json:"real_name"`
				} `json:"to"`
			}
			r.call("slack_post_message", a{"channel": to, "text": "hello", "dry_run": rehearsed}, &sent)
			if sent.To.ID != sandbox.Bob || sent.To.RealName != "Bob Okafor" {
				t.Errorf("to %s it went to %+v", to, sent.To)
			}
		}
	}
	var sent map[string]any
	if r.call("slack_post_message", a{"channel": "#general", "text": "hello"}, &sent); sent["to"] != nil {
		t.Errorf("a post to a channel went to %v", sent["to"])
	}
}

// TestAPostSaysToWhomItWent: who gives a name up while the message goes out got it all the same, and nobody is looked
// for by the name again.
func TestAPostSaysToWhomItWent(t *testing.T) {
	t.Parallel()
	var people atomic.Pointer[names.Resolver]
	r := newRig(t, func(o *rigOptions) {
		o.client.OnCall = func(_ context.Context, call slackapi.CallInfo) {
			if call.Method == "chat.postMessage" {
				people.Load().KeepUser(&slackapi.User{ID: sandbox.Bob, Name: "robert", RealName: "Robert Okafor"})
			}
		}
	})
	people.Store(r.names)
	var sent struct {
		To struct {
			ID       string `json:"id"`
			RealName string `json:"real_name"`
		} `json:"to"`
	}
	r.call("slack_post_message", a{"channel": "@bob", "text": "hello"}, &sent)
	if sent.To.ID != sandbox.Bob || sent.To.RealName != "Robert Okafor" {
		t.Errorf("it went to %+v", sent.To)
	}
}

// TestSearchingPeopleUnderLockdown: what is not shown of somebody does not find them either, nor does their
// address.
func TestSearchingPeopleUnderLockdown(t *testing.T) {
	t.Parallel()
	for name, lockdown := range map[string]view.Lockdown{"without lockdown": view.Off, "under lockdown": view.Guests} {
		r := newRig(t, func(o *rigOptions) { o.judge.Lockdown = lockdown })
		stranger, err := r.client.UserInfo(t.Context(), sandbox.Leo)
		if err != nil {
			t.Fatal(err)
		}
		r.names.KeepUser(&stranger)
		for _, query := range []string{"leo", "Brandt", "buyer", "bob"} {
			var out struct {
				Users      []struct{ ID string }
				NextCursor string `json:"next_cursor"`
			}
			r.call("slack_search_users", a{"query": query, "limit": 1}, &out)
			if found, want := len(out.Users) == 1, query == "bob" || lockdown == view.Off; found != want || out.NextCursor != "" {
				t.Errorf("%s: %s finds %+v", name, query, out)
			}
		}
	}
}
