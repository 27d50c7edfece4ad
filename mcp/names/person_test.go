package names_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// fill makes a resolver of all know something of each kind.
func fill(t *testing.T, all *names.Resolver) {
	t.Helper()
	if _, err := all.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []slackapi.Channel{
		{ID: "C0PUBLIC1", Name: "public", IsMember: true},
		{ID: "C0PRIVATE", Name: "private", IsPrivate: true},
		{ID: "G0PRIVATE", Name: "older"},
		{ID: "G0GROUP01", Name: "mpdm-a--b-1", IsMPIM: true},
	} {
		all.KeepChannel(&c)
	}
	all.KeepDirectMessage("U0ADA", "D0ADA0001")
	all.KeepThread("C0PUBLIC1", "1.000002", "1.000001")
	all.KeepUser(&slackapi.User{ID: "U0ADA", Name: "ada", TeamID: "T0OWN"})
	all.KeepUser(&slackapi.User{ID: "U0OTHER", Name: "partner", TeamID: "T0THEIRS"})
}

// A member is shown what the bot knows of people and public conversations, and nothing else of it; a guest
// and a member of another workspace nothing at all. What they learn themselves, nobody else is shown.
func TestForPerson(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		team   string
		member bool
	}{
		"a member": {"T0OWN", true}, "a guest": {"T0OWN", false}, "a member of another workspace": {"T0OTHER", true}, "one of no known workspace": {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			team, member := tc.team, tc.member
			all := newResolver(t, &fakeSlack{})
			fill(t, all)
			f := &fakeSlack{}
			own, err := all.ForPerson(t.Context(), f, team, member)
			member = member && team == "T0OWN"
			if err != nil {
				t.Fatal(err)
			}
			for id, want := range map[string]bool{"C0PUBLIC1": member, "C0PRIVATE": false, "G0PRIVATE": false, "G0GROUP01": false, "D0ADA0001": false} {
				c, known := own.KnownChannel(id)
				if known != want || c.Member {
					t.Errorf("%s is known: %v %+v", id, known, c)
				}
			}
			for id, want := range map[string]bool{"U0ADA": member, "U0OTHER": false} {
				if _, known := own.KnownUser(id); known != want {
					t.Errorf("%s is known: %v", id, known)
				}
			}
			if _, known := own.KnownDirectMessage("U0ADA"); known {
				t.Error("the bot's direct message is known")
			}
			if _, known := own.KnownThread("C0PUBLIC1", "1.000002"); known {
				t.Error("a thread that another one read is known")
			}
			for _, hidden := range []string{"private", "older", "mpdm-a--b-1"} {
				if id, err := own.ChannelLike(t.Context(), hidden); !errors.Is(err, names.ErrNoChannel) {
					t.Errorf("#%s is %s, %v", hidden, id, err)
				}
				if found, err := own.SearchChannels(t.Context(), hidden, "", 10); err != nil || len(found.Items) != 0 {
					t.Errorf("a search for %s finds %+v, %v", hidden, found, err)
				}
			}
			id, err := own.ChannelID(t.Context(), "public")
			if found := err == nil && id == "C0PUBLIC1"; found != member {
				t.Errorf("#public is %s, %v", id, err)
			}
			own.KeepChannel(&slackapi.Channel{ID: "C0MINE001", Name: "mine", IsPrivate: true})
			own.KeepUser(&slackapi.User{ID: "U0MINE", Name: "mine", TeamID: "T0OWN"})
			another, err := all.ForPerson(t.Context(), &fakeSlack{}, "T0OWN", true)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*names.Resolver{all, another} {
				if _, known := r.KnownChannel("C0MINE001"); known {
					t.Error("another one knows a person's channel")
				}
				if _, known := r.KnownUser("U0MINE"); known {
					t.Error("another one knows whom a person looked up")
				}
			}
		})
	}
}

// What is not known for certain to be public, and lately, is not shown.
func TestWhatMayNotBePublicAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := newResolver(t, &fakeSlack{})
		fill(t, all)
		own, err := all.ForPerson(t.Context(), &fakeSlack{}, "T0OWN", true)
		if err != nil {
			t.Fatal(err)
		}
		shown := func() bool {
			_, known := own.KnownChannel("C0PUBLIC1")
			return known
		}
		if !shown() {
			t.Fatal("a public channel is not shown")
		}
		renamed := map[string]any{"id": "C0PUBLIC1", "name": "secret"}
		private := map[string]any{"id": "C0PUBLIC1", "name": "secret", "is_private": true}
		for name, inner := range map[string]map[string]any{
			"made private":                      {"type": "message", "subtype": "channel_convert_to_private", "channel": "C0PUBLIC1"},
			"made private, by another name":     {"type": "channel_converted_to_private", "channel": "C0PUBLIC1"},
			"called private by its rename":      {"type": "group_rename", "channel": renamed},
			"called private in its rename":      {"type": "channel_rename", "channel": private},
			"called private in its unarchiving": {"type": "channel_unarchive", "channel": private},
		} {
			all.KeepChannel(&slackapi.Channel{ID: "C0PUBLIC1", Name: "public"})
			e := eventtest.Envelope("Ev1", inner, map[string]any{"team_id": "T0OWN"})
			if all.Observe(&e); shown() {
				t.Errorf("it is shown after it was %s", name)
			}
		}
		rename := eventtest.Envelope("Ev2", map[string]any{"type": "channel_rename", "channel": renamed}, map[string]any{"team_id": "T0OWN"})
		all.KeepChannel(&slackapi.Channel{ID: "C0PUBLIC1", Name: "private", IsPrivate: true})
		if all.Observe(&rename); shown() {
			t.Error("a private channel is shown after a rename that does not say so")
		}
		all.KeepChannel(&slackapi.Channel{ID: "C0PUBLIC1", Name: "public"})
		if time.Sleep(14 * time.Minute); !shown() {
			t.Error("it is not shown any more after 14 minutes")
		}
		all.Observe(&rename)
		if time.Sleep(2 * time.Minute); shown() {
			t.Error("it is shown by what was so 16 minutes ago")
		}
	})
}

// Where the list of all is known whole, a person's own is not read for a name that nobody has.
func TestAPersonReadsNoRosterTwice(t *testing.T) {
	t.Parallel()
	all := newResolver(t, &fakeSlack{users: 10})
	if err := all.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := all.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &fakeSlack{users: 10}
	own, err := all.ForPerson(t.Context(), f, "T0OWN", true)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := own.UserLike(t.Context(), names.UserRef{Name: "Person 3"}); err != nil || id != "U000003" {
		t.Errorf("%s, %v", id, err)
	}
	if _, err := own.UserLike(t.Context(), names.UserRef{Name: "nobody"}); !errors.Is(err, names.ErrNoUser) || f.rosters.Load() != 0 {
		t.Errorf("%v after %d pages", err, f.rosters.Load())
	}
}
