package names_test

import "testing"

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
