package names_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// A largeSlack answers twenty calls a minute, as Slack does for its lists, and lets further ones wait as
// long as their deadline allows, as the client does when Slack says how long. Cursors are good for ten minutes.
type largeSlack struct {
	fakeSlack

	minute time.Time
	calls  int
	issued map[string]time.Time
	users  map[string]slackapi.User // in the place of those that are numbered
}

func (l *largeSlack) allow(ctx context.Context, cursor string) error {
	if at, ok := l.issued[cursor]; cursor != "" && (!ok || time.Since(at) > 10*time.Minute) {
		return &slackapi.Error{Code: "invalid_cursor", Kind: slackapi.InvalidArgument}
	}
	for {
		if now := time.Now(); now.Sub(l.minute) >= time.Minute {
			l.minute, l.calls = now, 0
		}
		if l.calls++; l.calls <= 20 {
			return nil
		}
		wait := time.Until(l.minute.Add(time.Minute))
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			return &slackapi.Error{Code: "ratelimited", Kind: slackapi.RateLimited, RetryAfter: wait}
		}
		time.Sleep(wait)
	}
}

func (l *largeSlack) ConversationList(ctx context.Context, q slackapi.ListQuery) (slackapi.ChannelPage, error) {
	if err := l.allow(ctx, q.Cursor); err != nil {
		return slackapi.ChannelPage{}, err
	}
	page, err := l.fakeSlack.ConversationList(ctx, q)
	l.issued[page.NextCursor] = time.Now()
	return page, err
}

func (l *largeSlack) UserList(ctx context.Context, cursor string, limit int) (slackapi.UserPage, error) {
	if err := l.allow(ctx, cursor); err != nil {
		return slackapi.UserPage{}, err
	}
	page, err := l.fakeSlack.UserList(ctx, cursor, limit)
	l.issued[page.NextCursor] = time.Now()
	for i, u := range page.Users {
		if other, ok := l.users[u.ID]; ok {
			page.Users[i] = other
		}
	}
	return page, err
}

func (l *largeSlack) UserInfo(ctx context.Context, id string) (slackapi.User, error) {
	if u, ok := l.users[id]; ok {
		return u, nil
	}
	return l.fakeSlack.UserInfo(ctx, id)
}

func newLarge(t *testing.T, users int) (*largeSlack, *names.Resolver) {
	t.Helper()
	l := &largeSlack{issued: map[string]time.Time{}, users: map[string]slackapi.User{}}
	l.channels, l.fakeSlack.users, l.private = 20_000, users, true
	r, err := names.New(l)
	if err != nil {
		t.Fatal(err)
	}
	return l, r
}

// patiently calls until the list was read far enough, as an assistant does that is told to ask again. Each
// call has twenty seconds.
func patiently[T any](t *testing.T, call func(ctx context.Context) (T, error)) T {
	t.Helper()
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		v, err := call(ctx)
		cancel()
		switch {
		case err == nil:
			return v
		case !errors.Is(err, names.ErrUnfinished):
			t.Fatalf("a list that was not read to its end: %v", err)
		}
		time.Sleep(20 * time.Second)
	}
	t.Fatal("the list is never read to its end")
	panic("unreachable")
}

// TestALargeWorkspace reads long lists slowly: what was not read yet is never said to be absent, and what
// was is searched at once, also when it is to be read anew.
func TestALargeWorkspace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, r := newLarge(t, 100_000)
		if id := patiently(t, func(ctx context.Context) (string, error) { return r.ChannelID(ctx, "#chan-19999") }); id != "C019999" {
			t.Errorf("the last channel is %q", id)
		}
		search := func(ctx context.Context) (names.Found[names.User], error) {
			found, err := r.SearchUsers(ctx, "user99999", "", 10, whole)
			if err == nil && !found.Complete {
				err = names.ErrUnfinished
			}
			return found, err
		}
		if found := patiently(t, search); len(found.Items) != 1 {
			t.Errorf("found are %+v", found.Items)
		}
		time.Sleep(30 * time.Minute)
		l.users["U000007"] = slackapi.User{ID: "U000007", TeamID: "T0OWN", Name: "new-name"}
		began := time.Now()
		if found, err := search(t.Context()); err != nil || len(found.Items) != 1 || time.Since(began) != 0 {
			t.Errorf("half an hour later %d are found in %s, %v, want one at once", len(found.Items), time.Since(began), err)
		}
		time.Sleep(10 * time.Minute)
		if found, err := r.SearchUsers(t.Context(), "new-name", "", 10, whole); err != nil || len(found.Items) != 1 {
			t.Errorf("what was read anew behind the search: %+v, %v", found, err)
		}
		time.Sleep(30 * time.Minute)
	})
}

// TestACursorThatSlackRefuses begins the list anew, and a walk that stood still for long does so by itself.
func TestACursorThatSlackRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, r := newLarge(t, 0)
		if _, err := r.ChannelID(t.Context(), "#chan-5500"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		clear(l.issued) // Slack knows none of its cursors any more
		if id, err := r.ChannelID(t.Context(), "#chan-19999"); err != nil || id != "C019999" {
			t.Errorf("behind a cursor that is refused: %q, %v", id, err)
		}
		l, r = newLarge(t, 0)
		for i := range 3 {
			lists := l.lists.Load()
			if _, err := r.ChannelID(t.Context(), fmt.Sprintf("#chan-%d", 1500+2000*i)); err != nil {
				t.Fatal(err)
			}
			if read := l.lists.Load() - lists; read != int64(2+2*i) {
				t.Errorf("after an hour %d pages were read, want %d from the first one on", read, 2+2*i)
			}
			time.Sleep(time.Hour)
		}
	})
}

// TestHandlesGrowOld asks again for who has a handle, an hour after Slack said so: somebody may have given it
// up, or be deactivated while another one took it.
func TestHandlesGrowOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, r := newLarge(t, 10_000)
		of := func(handle string) string {
			return patiently(t, func(ctx context.Context) (string, error) {
				id, err := r.UserID(ctx, names.UserRef{Name: handle})
				if errors.Is(err, names.ErrNoUser) {
					return "nobody", nil
				}
				return id, err
			})
		}
		if id := of("user7"); id != "U000007" {
			t.Fatalf("@user7 is %s", id)
		}
		l.users["U000007"] = slackapi.User{ID: "U000007", TeamID: "T0OWN", Name: "user7", Deleted: true}
		l.users["U009000"] = slackapi.User{ID: "U009000", TeamID: "T0OWN", Name: "user7"}
		l.users["U000008"] = slackapi.User{ID: "U000008", TeamID: "T0OWN", Name: "other"}
		time.Sleep(61 * time.Minute)
		if id := of("user8"); id != "nobody" {
			t.Errorf("a handle that was given up is %s", id)
		}
		if id := of("user7"); id != "U009000" {
			t.Errorf("the handle of somebody who was deactivated is %s, want its new owner", id)
		}
	})
}

// whole is a user of whom everything may be shown.
func whole(u names.User) names.User { return u }
