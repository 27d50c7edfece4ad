package names_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

func TestParseChannel(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]names.ChannelRef{
		"C0123456789":            {ID: "C0123456789"},
		" G0123456789 ":          {ID: "G0123456789"},
		"<#C0123456789|general>": {ID: "C0123456789"},
		"https://x.slack.com/archives/C0123456789":                   {ID: "C0123456789"},
		"https://x.slack.com/archives/C0123456789/p1700000000000100": {ID: "C0123456789"},
		"https://app.slack.com/client/T01234567/C0123456789":         {ID: "C0123456789"},
		"#General":          {Name: "general"},
		"general":           {Name: "general"},
		"#été-日本":           {Name: "été-日本"},
		"U0123456789":       {User: &names.UserRef{ID: "U0123456789"}},
		"<@U0123456789>":    {User: &names.UserRef{ID: "U0123456789"}},
		"@alice":            {User: &names.UserRef{Name: "alice"}},
		"alice@example.com": {User: &names.UserRef{Email: "alice@example.com"}},
	} {
		if got, err := names.ParseChannel(in); err != nil || !cmp.Equal(got, want) {
			t.Errorf("ParseChannel(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "#", "two words", "https://example.com/x", "@", "a\nb", "<script>"} {
		if got, err := names.ParseChannel(in); err == nil || in != "" && len(in) > 1 && strings.Contains(err.Error(), in) {
			t.Errorf("ParseChannel(%q) = %+v, %v", in, got, err)
		}
	}
}

func TestParseLink(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]names.MessageRef{
		"https://x.slack.com/archives/C0123456789/p1700000000000100":                                               {Channel: "C0123456789", TS: "1700000000.000100"},
		"<https://x.slack.com/archives/C0123456789/p1700000000000200?thread_ts=1700000000.000100&cid=C0123456789>": {Channel: "C0123456789", TS: "1700000000.000200", ThreadTS: "1700000000.000100"},
		"https://app.slack.com/client/T01234567/C0123456789/thread/C0123456789-1700000000.000100":                  {Channel: "C0123456789", TS: "1700000000.000100", ThreadTS: "1700000000.000100"},
	} {
		if got, err := names.ParseLink(in); err != nil || got != want {
			t.Errorf("ParseLink(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "C0123456789", "ftp://x/archives/C0123456789", "https://x.slack.com/archives/C0123456789/q1", "https://x.slack.com/archives/lower/p1700000000000100", "https://x.slack.com/archives/C0123456789/p12"} {
		if got, err := names.ParseLink(in); err == nil {
			t.Errorf("ParseLink(%q) = %+v", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"C0123456789", "#general", "@alice", "https://x.slack.com/archives/C0123456789/p1700000000000100?thread_ts=1.000001", "<@U1AA|x>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ref, err := names.ParseChannel(s); err == nil && ref.ID == "" && ref.Name == "" && ref.User == nil {
			t.Errorf("ParseChannel(%q) is empty and no error", s)
		}
		if m, err := names.ParseLink(s); err == nil && m.TS != "" && !names.IsTS(m.TS) {
			t.Errorf("ParseLink(%q) has ts %q", s, m.TS)
		}
	})
}

// fakeSlack counts calls and serves numbered channels and users, a thousand a page.
type fakeSlack struct {
	channels, users                     int
	named                               []string        // names of the first channels
	called                              []slackapi.User // and of the first users
	private                             bool            // lists private channels
	slow, slowInfo                      time.Duration
	limit                               int64 // look-ups after which Slack refuses more; 0 is none
	running, most                       atomic.Int64
	lists, rosters, infos, auth, groups atomic.Int64
	renamed                             sync.Map // channel id -> name
}

func (f *fakeSlack) AuthTest(context.Context) (slackapi.Identity, error) {
	f.auth.Add(1)
	return slackapi.Identity{UserID: "U0SELF", TeamID: "T0OWN"}, nil
}

func (f *fakeSlack) channel(i int) slackapi.Channel {
	c := slackapi.Channel{ID: fmt.Sprintf("C%06d", i), Name: fmt.Sprintf("chan-%d", i)}
	c.Topic.Value = fmt.Sprintf("topic %d", i%7)
	if i < len(f.named) {
		c.Name = f.named[i]
	}
	if name, ok := f.renamed.Load(c.ID); ok {
		c.Name, _ = name.(string)
	}
	return c
}

func (f *fakeSlack) ConversationInfo(_ context.Context, id string) (slackapi.Channel, error) {
	f.infos.Add(1)
	var i int
	if _, err := fmt.Sscanf(id, "C%d", &i); err != nil || i >= f.channels {
		return slackapi.Channel{}, &slackapi.Error{Code: "channel_not_found", Kind: slackapi.NotFound}
	}
	return f.channel(i), nil
}

func (f *fakeSlack) ConversationList(ctx context.Context, q slackapi.ListQuery) (slackapi.ChannelPage, error) {
	if len(q.Types) > 1 && !f.private {
		return slackapi.ChannelPage{}, &slackapi.Error{Code: "missing_scope", Kind: slackapi.MissingScope}
	}
	f.lists.Add(1)
	if !f.wait(ctx) {
		return slackapi.ChannelPage{}, &slackapi.Error{Code: "timed_out", Kind: slackapi.Canceled}
	}
	from := 0
	_, _ = fmt.Sscanf(q.Cursor, "%d", &from)
	var page slackapi.ChannelPage
	for i := from; i < min(from+q.Limit, f.channels); i++ {
		page.Channels = append(page.Channels, f.channel(i))
	}
	if from+q.Limit < f.channels {
		page.NextCursor = fmt.Sprint(from + q.Limit)
	}
	return page, nil
}

func (f *fakeSlack) wait(ctx context.Context) bool {
	select {
	case <-time.After(f.slow):
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *fakeSlack) user(i int) slackapi.User {
	u := slackapi.User{ID: fmt.Sprintf("U%06d", i), TeamID: "T0OWN", Name: fmt.Sprintf("user%d", i), RealName: fmt.Sprintf("Person %d", i%1000)}
	if i < len(f.called) {
		u.Name, u.RealName = f.called[i].Name, f.called[i].RealName
	}
	return u
}

func (f *fakeSlack) UserInfo(ctx context.Context, id string) (slackapi.User, error) {
	if n := f.infos.Add(1); f.limit > 0 && n > f.limit {
		return slackapi.User{}, &slackapi.Error{Code: "ratelimited", Kind: slackapi.RateLimited}
	}
	for n := f.running.Add(1); ; {
		if most := f.most.Load(); n <= most || f.most.CompareAndSwap(most, n) {
			break
		}
	}
	defer f.running.Add(-1)
	select {
	case <-time.After(f.slowInfo):
	case <-ctx.Done():
		return slackapi.User{}, &slackapi.Error{Code: "timed_out", Kind: slackapi.Canceled}
	}
	var i int
	if _, err := fmt.Sscanf(id, "U%d", &i); err != nil || i >= f.users {
		return slackapi.User{}, &slackapi.Error{Code: "user_not_found", Kind: slackapi.NotFound}
	}
	return f.user(i), nil
}

func (f *fakeSlack) UserList(ctx context.Context, cursor string, limit int) (slackapi.UserPage, error) {
	f.rosters.Add(1)
	if !f.wait(ctx) {
		return slackapi.UserPage{}, &slackapi.Error{Code: "timed_out", Kind: slackapi.Canceled}
	}
	from := 0
	_, _ = fmt.Sscanf(cursor, "%d", &from)
	var page slackapi.UserPage
	for i := from; i < min(from+limit, f.users); i++ {
		page.Users = append(page.Users, f.user(i))
	}
	if from+limit < f.users {
		page.NextCursor = fmt.Sprint(from + limit)
	}
	return page, nil
}

func (f *fakeSlack) UserGroups(context.Context, bool, bool) ([]slackapi.UserGroup, error) {
	f.groups.Add(1)
	return []slackapi.UserGroup{{ID: "S000001", Handle: "oncall", Name: "On call"}}, nil
}

func (f *fakeSlack) UserByEmail(_ context.Context, email string) (slackapi.User, error) {
	if email != "user7@example.com" {
		return slackapi.User{}, &slackapi.Error{Code: "users_not_found", Kind: slackapi.NotFound}
	}
	return f.user(7), nil
}

func newResolver(t *testing.T, f *fakeSlack) *names.Resolver {
	t.Helper()
	r, err := names.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestChannelID(t *testing.T) {
	t.Parallel()
	t.Run("reads the list no further than it must, and once in all", func(t *testing.T) {
		t.Parallel()
		f := &fakeSlack{channels: 10_000, private: true}
		r := newResolver(t, f)
		for _, tc := range []struct {
			name  string
			lists int64
		}{{"#chan-1500", 2}, {"chan-3", 2}, {"#CHAN-1999", 2}, {"chan-9999", 10}, {"chan-5000", 10}} {
			id, err := r.ChannelID(t.Context(), tc.name)
			if err != nil || id == "" || f.lists.Load() != tc.lists {
				t.Errorf("ChannelID(%s) = %s, %v after %d pages, want %d", tc.name, id, err, f.lists.Load(), tc.lists)
			}
		}
		for range 3 {
			if _, err := r.ChannelID(t.Context(), "nowhere"); !errors.Is(err, names.ErrNoChannel) {
				t.Errorf("an unknown name: %v", err)
			}
		}
		if n := f.lists.Load(); n != 10 {
			t.Errorf("unknown names were looked for with %d pages, want 10", n)
		}
	})
	t.Run("goes on where the time was up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSlack{channels: 10_000, private: true, slow: time.Second}
			r := newResolver(t, f)
			var err error
			var id string
			for calls := 1; calls <= 10; calls++ {
				ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
				id, err = r.ChannelID(ctx, "chan-9999")
				cancel()
				if err == nil {
					break
				}
				if !errors.Is(err, names.ErrUnfinished) {
					t.Fatal(err)
				}
			}
			if id != "C009999" || f.lists.Load() > 14 {
				t.Errorf("found %q after %d pages: %v", id, f.lists.Load(), err)
			}
		})
	})
	t.Run("is asked by many and reads for all", func(t *testing.T) {
		t.Parallel()
		f := &fakeSlack{channels: 5000, private: true}
		r := newResolver(t, f)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if id, err := r.ChannelID(t.Context(), "chan-4999"); id != "C004999" || err != nil {
					t.Errorf("%s, %v", id, err)
				}
			})
		}
		wg.Wait()
		if n := f.lists.Load(); n != 5 {
			t.Errorf("read %d pages, want 5", n)
		}
	})
	t.Run("falls back to public channels", func(t *testing.T) {
		t.Parallel()
		r := newResolver(t, &fakeSlack{channels: 10})
		if id, err := r.ChannelID(t.Context(), "chan-3"); id != "C000003" || err != nil {
			t.Errorf("%s, %v", id, err)
		}
	})
	t.Run("looks again at a name that is old", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSlack{channels: 10, private: true}
			r := newResolver(t, f)
			if _, err := r.ChannelID(t.Context(), "chan-3"); err != nil {
				t.Fatal(err)
			}
			f.renamed.Store("C000003", "lamps")
			time.Sleep(2 * time.Hour)
			if _, err := r.ChannelID(t.Context(), "chan-3"); !errors.Is(err, names.ErrNoChannel) {
				t.Errorf("the old name: %v", err)
			}
			if id, err := r.ChannelID(t.Context(), "lamps"); id != "C000003" || err != nil {
				t.Errorf("the new name: %s, %v", id, err)
			}
		})
	})
}

func TestEventsKeepNamesFresh(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{channels: 10, users: 10, private: true}
	r := newResolver(t, f)
	if _, err := r.ChannelID(t.Context(), "chan-3"); err != nil {
		t.Fatal(err)
	}
	team := "T0OWN"
	observe := func(inner map[string]any) {
		e := eventtest.Envelope("Ev1", inner, map[string]any{"team_id": team})
		e.Source = "slack"
		r.Observe(&e)
	}
	if _, err := r.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
	observe(map[string]any{"type": "channel_rename", "channel": map[string]any{"id": "C000003", "name": "lamps"}})
	observe(map[string]any{"type": "channel_created", "channel": map[string]any{"id": "C0NEW0001", "name": "brand-new"}})
	observe(map[string]any{"type": "channel_archive", "channel": "C000005"})
	observe(map[string]any{"type": "user_change", "user": map[string]any{"id": "U000002", "name": "renamed", "profile": map[string]any{"display_name": "Ren"}}})
	before := f.lists.Load()
	for name, want := range map[string]string{"lamps": "C000003", "brand-new": "C0NEW0001", "chan-3": "", "chan-5": ""} {
		if id, _ := r.ChannelID(t.Context(), name); id != want {
			t.Errorf("ChannelID(%s) = %q, want %q", name, id, want)
		}
	}
	if n := f.lists.Load() - before; n != 0 {
		t.Errorf("Slack was asked for %d pages", n)
	}
	if u, ok := r.KnownUser("U000002"); !ok || u.Name() != "Ren" {
		t.Errorf("the user is %+v, %v", u, ok)
	}
	team = "T0OTHER"
	observe(map[string]any{"type": "channel_rename", "channel": map[string]any{"id": "C0THEIRS1", "name": "lamps"}})
	if id, err := r.ChannelID(t.Context(), "lamps"); id != "C000003" {
		t.Errorf("another workspace's channel took the name over: %q, %v", id, err)
	}
	team, before = "T0OWN", f.lists.Load()
	observe(map[string]any{"type": "member_joined_channel", "channel": "C0SECRET1", "user": "U0SELF"})
	if _, err := r.ChannelID(t.Context(), "unheard-of"); !errors.Is(err, names.ErrNoChannel) {
		t.Fatal(err)
	}
	if n := f.lists.Load() - before; n != 1 {
		t.Errorf("after the bot joined a channel the list was read %d times, want once", n)
	}
}

func TestUserID(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{users: 5000}
	r := newResolver(t, f)
	for _, tc := range []struct {
		ref  names.UserRef
		want string
	}{
		{names.UserRef{ID: "U1"}, "U1"},
		{names.UserRef{Email: "user7@example.com"}, "U000007"},
		{names.UserRef{Name: "USER12"}, "U000012"},
	} {
		if id, err := r.UserID(t.Context(), tc.ref); id != tc.want || err != nil {
			t.Errorf("UserID(%+v) = %s, %v, want %s", tc.ref, id, err, tc.want)
		}
	}
	if n := f.rosters.Load(); n != 1 {
		t.Errorf("a handle of the first page took %d pages", n)
	}
	var several *names.AmbiguousError
	if _, err := r.UserID(t.Context(), names.UserRef{Name: "person 5"}); !errors.As(err, &several) || !strings.Contains(several.List(), "U000005 (@user5, ") ||
		!strings.HasSuffix(err.Error(), ": U000005, U001005, U002005, U003005, U004005") {
		t.Errorf("a name of five users: %v", err)
	}
	for _, ref := range []names.UserRef{{Name: "nobody"}, {Email: "nobody@example.com"}} {
		if _, err := r.UserID(t.Context(), ref); !errors.Is(err, names.ErrNoUser) {
			t.Errorf("UserID(%+v): %v", ref, err)
		}
	}
	if n := f.rosters.Load(); n != 5 {
		t.Errorf("the list of users was read with %d pages, want 5", n)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{channels: 3000, private: true}
	r := newResolver(t, f)
	var all []string
	after := ""
	for {
		found, err := r.SearchChannels(t.Context(), "TOPIC chan-10", after, 100)
		if err != nil || !found.Complete {
			t.Fatal(found.Complete, err)
		}
		for _, c := range found.Items {
			all = append(all, c.Name)
		}
		if after = found.Next; after == "" {
			break
		}
	}
	if len(all) != 111 { // chan-10, chan-100 to chan-109, chan-1000 to chan-1099
		t.Errorf("found %d channels", len(all))
	}
	seen := map[string]bool{}
	for _, name := range all {
		if seen[name] {
			t.Errorf("%s was found twice", name)
		}
		seen[name] = true
	}
	if f.lists.Load() != 3 {
		t.Errorf("read %d pages, want 3", f.lists.Load())
	}
}

func TestUsersAreAskedForWithinBounds(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{users: 100}
	r := newResolver(t, f)
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("U%06d", i), "B0BOT00001", "nonsense")
	}
	if got := r.Users(t.Context(), ids, 0); len(got) != 0 || f.infos.Load() != 0 {
		t.Errorf("without asking: %d users, %d calls", len(got), f.infos.Load())
	}
	if got := r.Users(t.Context(), ids, 20); len(got) != 20 || f.infos.Load() != 20 {
		t.Errorf("with 20 calls: %d users, %d calls", len(got), f.infos.Load())
	}
	if got := r.Users(t.Context(), ids, 0); len(got) != 20 {
		t.Errorf("what was asked for is not kept: %d users", len(got))
	}
}

func TestSelfIsAskedOnce(t *testing.T) {
	t.Parallel()
	f := &fakeSlack{}
	r := newResolver(t, f)
	for range 3 {
		if id, err := r.Self(t.Context()); id.UserID != "U0SELF" || err != nil {
			t.Errorf("%+v, %v", id, err)
		}
	}
	if f.auth.Load() != 1 {
		t.Errorf("asked %d times", f.auth.Load())
	}
}

func TestIsTS(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"1700000000.123456": true, "1.000001": true, "0000000000.000000": true,
		"01700000000.123456": false, "0.000001": false, "1700000000": false, "1700000000.12345": false, "": false,
	} {
		if names.IsTS(s) != want {
			t.Errorf("IsTS(%q) is %v", s, !want)
		}
	}
	if m, err := names.ParseLink("https://x.slack.com/archives/C0123456789/p01700000000000100"); err == nil {
		t.Errorf("a link with a zero before the ts is %+v", m)
	}
}

// TestLook: at most 20 look-ups run at once, callers who want the same share them, and what there was
// no time for is counted.
func TestLook(t *testing.T) {
	t.Parallel()
	ids := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("U%06d", i))
		}
		return all
	}
	t.Run("twenty at once, and the list before more", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSlack{users: 60, slow: 100 * time.Millisecond, slowInfo: 100 * time.Millisecond}
			r := newResolver(t, f)
			if late := r.Look(t.Context(), names.Wanted{Users: append(ids(60), "U999999", "nonsense", "B0BOT00001"), Channels: []string{"C000000"}, Groups: []string{"S000001", "S0NONE"}}); late != 0 {
				t.Errorf("%d of 60 were not found", late)
			}
			if most := f.most.Load(); most > 20 {
				t.Errorf("%d look-ups ran at once", most)
			}
			if f.rosters.Load() != 1 || f.infos.Load() > 2 { // one of them a channel
				t.Errorf("the list was read %d times, and %d users looked up one by one", f.rosters.Load(), f.infos.Load())
			}
			if _, ok := r.KnownUser("U000059"); !ok {
				t.Error("the sixtieth has no name")
			}
			if g, ok := r.KnownGroup("S000001"); !ok || g.Handle != "oncall" {
				t.Errorf("the group is %+v", g)
			}
			before, groups := f.infos.Load(), f.groups.Load()
			r.Look(t.Context(), names.Wanted{Users: append(ids(60), "U999999"), Channels: []string{"C000000"}, Groups: []string{"S0NONE"}})
			if f.infos.Load() != before || f.groups.Load() != groups {
				t.Error("what is known, or is not there, was asked for again")
			}
		})
	})
	t.Run("shared by those who want the same", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSlack{users: 60, slowInfo: 100 * time.Millisecond}
			r := newResolver(t, f)
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					if late := r.Look(t.Context(), names.Wanted{Users: ids(10)}); late != 0 {
						t.Errorf("%d are late", late)
					}
				})
			}
			all.Wait()
			if f.infos.Load() != 10 || f.most.Load() > 20 {
				t.Errorf("%d look-ups, %d at once", f.infos.Load(), f.most.Load())
			}
		})
	})
	t.Run("no longer than two seconds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSlack{users: 60, slow: time.Hour, slowInfo: 700 * time.Millisecond}
			r := newResolver(t, f)
			began := time.Now()
			if late := r.Look(t.Context(), names.Wanted{Users: ids(60)}); late != 40 {
				t.Errorf("%d are late, want the 40 of the second and third round", late)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			time.Sleep(time.Minute) // what was on its way ends
			synctest.Wait()
		})
	})
	t.Run("not by each call while Slack is away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSlack{users: 10, slow: time.Hour, slowInfo: 3 * time.Second}
			r := newResolver(t, f)
			if late := r.Look(t.Context(), names.Wanted{Users: ids(5)}); late != 5 {
				t.Errorf("%d are late, want 5", late)
			}
			began, asked := time.Now(), f.infos.Load()
			if late := r.Look(t.Context(), names.Wanted{Users: ids(10)}); late != 10 || f.infos.Load() != asked || time.Since(began) > 0 {
				t.Errorf("%d are late after %s and %d look-ups more; want 10 at once", late, time.Since(began), f.infos.Load()-asked)
			}
			time.Sleep(11 * time.Second)
			synctest.Wait()
			f.slowInfo = 0
			if late := r.Look(t.Context(), names.Wanted{Users: ids(10)}); late != 0 {
				t.Errorf("%d are late when Slack is back", late)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		})
	})
	t.Run("no further than the rate limit", func(t *testing.T) {
		t.Parallel()
		f := &fakeSlack{users: 60, limit: 10}
		r := newResolver(t, f)
		if late := r.Look(t.Context(), names.Wanted{Users: ids(20)}); late != 10 {
			t.Errorf("%d are late, want 10", late)
		}
		f.limit = 0
		if late := r.Look(t.Context(), names.Wanted{Users: ids(20)}); late != 0 {
			t.Errorf("later %d are late", late)
		}
	})
}
