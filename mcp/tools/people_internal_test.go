package tools

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// crowd are as many people as are asked for. It keeps their sign-ins too.
type crowd struct {
	slack *slackapi.Client
	held  atomic.Int64
	calls atomic.Int64 // of Slack's, as people
	asks  bool         // what is known of people is not kept
}

func (c *crowd) Known(_ context.Context, who access.SignIn) (Known, error) {
	if c.asks {
		return Known{}, nil
	}
	return Known{Team: who.Person.Team, Zone: "Europe/Oslo"}, nil
}

func (c *crowd) Slack(_ context.Context, who access.SignIn) (*slackapi.Person, error) {
	return c.slack.Person(slackapi.PersonOptions{Who: who.Person.User, Token: func(context.Context) (string, error) { return "xoxp-" + who.Person.User, nil }})
}

func (c *crowd) Granted(context.Context, access.SignIn) ([]string, error) { return nil, nil }

func (c *crowd) During(ctx context.Context, _ access.SignIn) (context.Context, func()) {
	c.held.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	return ctx, func() {
		cancel()
		c.held.Add(-1)
	}
}

func (c *crowd) Check(context.Context, string) error { return nil }

// newCrowd returns the kits of a crowd, whom Slack says to be of the workspace T1 or, where their id begins
// with U2, T2. The bot is of T1.
func newCrowd(t *testing.T) (*crowd, *personKits) {
	t.Helper()
	people := &crowd{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		user, team := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer xoxp-"), "T1"
		if strings.HasPrefix(user, "U2") {
			team = "T2"
		}
		if strings.HasPrefix(user, "U") {
			people.calls.Add(1)
		}
		_, _ = fmt.Fprintf(w, `{"ok":true,"user_id":%q,"team_id":%q,"user":{"id":%q}}`, user, team, user)
	}))
	t.Cleanup(srv.Close)
	slack, err := slackapi.New(slackapi.Options{BotToken: "xoxb-1", URL: srv.URL + "/", Pace: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	book, err := names.New(slack)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New(guard.Options{Directory: book})
	if err != nil {
		t.Fatal(err)
	}
	people.slack = slack
	k, err := newKit(Options{Slack: slack, Names: book, Guard: g, People: people})
	if err != nil {
		t.Fatal(err)
	}
	return people, newKits(k).people
}

// signIn is a sign-in of one of the crowd.
func (c *crowd) signIn(id, team, user string) access.SignIn {
	return access.SignIn{ID: id, Person: access.Person{Host: "slack.com", Team: team, User: user}, Keeper: c}
}

// Whoever is of another workspace than the bot is shown nothing of what the bot knows of its own.
func TestAnotherWorkspaceIsShownNothing(t *testing.T) {
	t.Parallel()
	people, ps := newCrowd(t)
	people.asks = true
	book := ps.services.Names
	book.KeepUser(&slackapi.User{ID: "U0ADA", Name: "ada", TeamID: "T1"})
	book.KeepChannel(&slackapi.Channel{ID: "C0PUBLIC1", Name: "public"})
	for _, tc := range []struct {
		team, user string
		shown      bool
	}{{"T1", "U1", true}, {"T2", "U2", false}} {
		k, err := ps.of(t.Context(), people.signIn("1"+tc.user, tc.team, tc.user))
		if err != nil {
			t.Fatal(err)
		}
		_, user := k.Names.KnownUser("U0ADA")
		_, channel := k.Names.KnownChannel("C0PUBLIC1")
		if user != tc.shown || channel != tc.shown {
			t.Errorf("to a person of %s a user is shown %t, a channel %t", tc.team, user, channel)
		}
	}
}

// A thousand people who are connected at once keep what they know of 150 conversations each: nobody's calls
// take it from another. Where more is kept than may be, that of who was away for longest goes, and each kit that goes
// lets go of its sign-ins.
func TestKitsOfPeopleAreBounded(t *testing.T) {
	t.Parallel()
	people, ps := newCrowd(t)
	signIn := func(n int) access.SignIn { return people.signIn(fmt.Sprint(n), "T1", fmt.Sprintf("U1%d", n)) }
	fill := func(n, conversations int) {
		k, err := ps.of(t.Context(), signIn(n))
		if err != nil {
			t.Fatal(err)
		}
		for i := range conversations {
			k.Names.KeepChannel(&slackapi.Channel{ID: fmt.Sprintf("C0PRIVATE%d", i), Name: fmt.Sprintf("private-%d", i), IsPrivate: true})
		}
	}
	for n := range 950 {
		fill(n, 150)
	}
	kept := func() (n int, oldest, newest bool) {
		ps.mu.Lock()
		defer ps.mu.Unlock()
		_, oldest = ps.kits[signIn(0).Person]
		_, newest = ps.kits[signIn(949).Person]
		return len(ps.kits), oldest, newest
	}
	if n, _, _ := kept(); n != 950 {
		t.Errorf("the kits of %d people of 950 are kept", n)
	}
	for n := 920; n < 950; n++ { // they learn more, and no kit is made
		fill(n, 4_000)
	}
	ps.mu.Lock()
	ps.looked = ps.looked.Add(-roomEvery)
	ps.mu.Unlock()
	fill(949, 0)
	n, oldest, newest := kept()
	if n > 500 || n < 20 || oldest || !newest {
		t.Errorf("%d kits are kept, the oldest %t, the newest %t", n, oldest, newest)
	}
	for began := time.Now(); people.held.Load() != int64(n); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d sign-ins are held for %d kits", people.held.Load(), n)
		}
	}
}

// However many people begin to call, they make no calls of Slack's but those that they ask for.
func TestBeginningAKitCostsNoCall(t *testing.T) {
	t.Parallel()
	people, ps := newCrowd(t)
	for range 2 {
		for n := range 250 {
			k, err := ps.of(t.Context(), people.signIn(fmt.Sprint(n), "T1", fmt.Sprintf("U1%d", n)))
			if err != nil {
				t.Fatal(err)
			}
			if zone := k.now().Location().String(); zone != "Europe/Oslo" {
				t.Fatalf("a person's time zone is %s", zone)
			}
		}
	}
	if n := people.calls.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A tool that was made by anything but define could hold the kit of services.
func TestToolsAreMadeByDefineAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "kits.go" && !strings.HasSuffix(name, "_test.go") && strings.Contains(string(source), "toolset.Define(") {
			t.Errorf("%s makes tools without define", name)
		}
	}
}
