package names_test

import (
	"errors"
	"testing"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// A name that one has of those who are kept may also be that of one who is not: where Slack's list is longer
// than what is kept of it, nobody is found by a name, and no search says that it is complete.
func TestWhatIsLongerThanWhatIsKept(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{users: 10_500, channels: 5_500, called: []slackapi.User{{Name: "first", RealName: "Ada Abbot"}}, private: true}
	all := newResolver(t, &fakeSlack{})
	own, err := all.ForPerson(t.Context(), f, "T0OWN", true)
	if err != nil {
		t.Fatal(err)
	}
	all.KeepUser(&slackapi.User{ID: "U9", TeamID: "T0OWN", Name: "another", RealName: "Ada Abbot"})
	for range 2 {
		if id, err := own.UserLike(t.Context(), names.UserRef{Name: "Ada Abbot"}); !errors.Is(err, names.ErrTooLong) {
			t.Errorf("one of two is %q, %v", id, err)
		}
		if id, err := own.ChannelLike(t.Context(), "nowhere"); !errors.Is(err, names.ErrTooLong) {
			t.Errorf("a channel is %q, %v", id, err)
		}
		if found, whole, err := own.Named(t.Context(), []string{"Ada Abbot"}); err != nil || whole || len(found) != 0 {
			t.Errorf("named are %v, whole %t, %v", found, whole, err)
		}
	}
	if users, err := own.SearchUsers(t.Context(), "ada", "", 10, whole); err != nil || users.Complete || !users.TooLong {
		t.Errorf("users: %v, %v", users, err)
	}
	if channels, err := own.SearchChannels(t.Context(), "chan-1", "", 10); err != nil || channels.Complete || !channels.TooLong || len(channels.Items) != 10 {
		t.Errorf("channels: %v, %v", channels, err)
	}
	if id, err := own.UserLike(t.Context(), names.UserRef{Name: "user10499"}); err != nil || id != "U010499" {
		t.Errorf("a handle that is kept: %q, %v", id, err)
	}
}

// The book of all has a bound, too, and what it lends is then not the whole list.
func TestTheBookOfAllHasABound(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{users: 100_500}
	all := newResolver(t, f)
	if err := all.Learn(t.Context()); !errors.Is(err, names.ErrTooLong) {
		t.Errorf("learnt: %v", err)
	}
	if id, err := all.UserLike(t.Context(), names.UserRef{Name: "Person 7x"}); !errors.Is(err, names.ErrTooLong) {
		t.Errorf("found: %q, %v", id, err)
	}
	own, err := all.ForPerson(t.Context(), f, "T0OWN", true)
	if err != nil {
		t.Fatal(err)
	}
	if users, err := own.SearchUsers(t.Context(), "user", "", 10, whole); err != nil || users.Complete {
		t.Errorf("a person is told that it is complete: %t, %v", users.Complete, err)
	}
	whole := newResolver(t, &fakeSlack{users: 100_000})
	if err := whole.Learn(t.Context()); err != nil {
		t.Errorf("as many as are kept: %v", err)
	}
}
