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

// However many people call, a bounded number of kits is kept, and each kit that is not lets go of its
// sign-ins.
func TestKitsOfPeopleAreBounded(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer xoxp-")
		_, _ = fmt.Fprintf(w, `{"ok":true,"user_id":%q,"team_id":"T1","user":{"id":%q}}`, user, user)
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
	people := &crowd{slack: slack}
	k, err := newKit(Options{Slack: slack, Names: book, Guard: g, People: people})
	if err != nil {
		t.Fatal(err)
	}
	ps := newKits(k).people
	signIn := func(n int) access.SignIn {
		return access.SignIn{ID: fmt.Sprint(n), Person: access.Person{Host: "slack.com", Team: "T1", User: fmt.Sprintf("U%d", n)}, Keeper: people}
	}
	for n := range maxPersonKits + 20 {
		if _, err := ps.of(t.Context(), signIn(n)); err != nil {
			t.Fatal(err)
		}
	}
	ps.mu.Lock()
	kept := len(ps.kits)
	_, oldest := ps.kits[signIn(0).Person]
	_, newest := ps.kits[signIn(maxPersonKits+19).Person]
	ps.mu.Unlock()
	if kept > maxPersonKits || oldest || !newest {
		t.Errorf("%d kits are kept, the oldest %t, the newest %t", kept, oldest, newest)
	}
	for began := time.Now(); people.held.Load() != int64(kept); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d sign-ins are held for %d kits", people.held.Load(), kept)
		}
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
