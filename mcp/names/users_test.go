package names_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

func TestUsersWhomSlackDoesNotFindAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{users: 3}
	r := newResolver(t, f)
	for range 5 {
		if found := r.Users(t.Context(), []string{"U000001", "U000009"}, 20); len(found) != 1 {
			t.Fatalf("found %v", found)
		}
	}
	if n := f.infos.Load(); n != 2 {
		t.Errorf("Slack was asked %d times, want 2", n)
	}
}

func TestTheCursorOfASearchIsNoName(t *testing.T) {
	t.Parallel()
	r := newResolver(t, &fakeSlack{channels: 30, private: true})
	found, err := r.SearchChannels(t.Context(), "chan", "", 10)
	if err != nil || found.Next != found.Items[9].ID {
		t.Errorf("goes on behind %q: %v", found.Next, err)
	}
	if _, err := r.SearchChannels(t.Context(), "chan", "C999999", 10); !errors.Is(err, names.ErrNoCursor) {
		t.Errorf("behind what is not known: %v", err)
	}
}

// TestNamesAreThoseOfOurOwnUsers: a user of another organisation chooses a handle freely.
func TestNamesAreThoseOfOurOwnUsers(t *testing.T) {
	t.Parallel()
	user := func(id, team, handle, display string) *slackapi.User {
		u := &slackapi.User{ID: id, TeamID: team, Name: handle}
		u.Profile.DisplayName = display
		return u
	}
	stranger := user("U0OUT1", "T0OTHER", "user1", "Person 1")
	stranger.IsStranger = true
	for name, tc := range map[string]struct {
		users []*slackapi.User
		ask   string
		want  string // "" is nobody, "several" more than one
	}{
		"an outsider with the handle of one of ours": {[]*slackapi.User{stranger}, "user1", "U000001"},
		"an outsider with a handle of their own":     {[]*slackapi.User{user("U0OUT1", "T0OTHER", "mallory", "")}, "mallory", ""},
		"an outsider with a display name":            {[]*slackapi.User{user("U0OUT1", "T0OTHER", "m", "Mallory")}, "mallory", ""},
		"an outsider with the name of one of ours":   {[]*slackapi.User{stranger}, "person 1", "U000001"},
		"a user without a team":                      {[]*slackapi.User{user("U0OUT1", "", "mallory", "")}, "mallory", ""},
		"two of ours with one handle":                {[]*slackapi.User{user("U0OWN1", "T0OWN", "user1", "")}, "user1", "several"},
	} {
		r := newResolver(t, &fakeSlack{users: 3})
		if err := r.Learn(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, u := range tc.users {
			r.KeepUser(u)
		}
		id, err := r.UserID(t.Context(), names.UserRef{Name: tc.ask})
		switch {
		case tc.want == "several":
			if _, ok := errors.AsType[*names.AmbiguousError](err); !ok {
				t.Errorf("%s: %q, %v", name, id, err)
			}
		case tc.want == "":
			if !errors.Is(err, names.ErrNoUser) {
				t.Errorf("%s: %q, %v", name, id, err)
			}
		case id != tc.want || err != nil:
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{users: 1500}
	r := newResolver(t, f)
	found, whole, err := r.Named(t.Context(), []string{"User7", "Person 9", "PERSON 999", "oncall", "On Call", "nobody"})
	if err != nil || !whole {
		t.Fatalf("whole %v, %v", whole, err)
	}
	for name, want := range map[string]string{
		"User7": "U000007", "Person 9": "U000009 U001009", "PERSON 999": "U000999", "oncall": "S000001", "On Call": "S000001", "nobody": "",
	} {
		var ids []string
		for _, u := range found[name].Users {
			ids = append(ids, u.ID)
		}
		for _, g := range found[name].Groups {
			ids = append(ids, g.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s is that of %s, want %s", name, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSlack{users: 1500}
		r := newResolver(t, f)
		for _, after := range []time.Duration{0, 50 * time.Minute, time.Hour} {
			time.Sleep(after)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			found, whole, err := r.Named(ctx, []string{"Person 999"})
			cancel()
			if err != nil || whole != (after < time.Hour) || len(found) == 1 != whole {
				t.Errorf("%s after the list was read: %+v, %v, %v", after, found, whole, err)
			}
			synctest.Wait() // what reads on behind has begun to wait
			f.slow = time.Hour
		}
	})
	slow := &fakeSlack{users: 1500, slow: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		r := newResolver(t, slow)
		for i := range 20 {
			u := slow.user(i)
			r.KeepUser(&u)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		found, whole, err := r.Named(ctx, []string{"user7", "Person 9"})
		if err != nil || whole || len(found["user7"].Users) != 1 || len(found) != 1 {
			t.Errorf("before the list is read: %+v, %v, %v", found, whole, err)
		}
	})
}
