package names_test

import (
	"errors"
	"testing"

	"slackmcp/mcp/names"
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
