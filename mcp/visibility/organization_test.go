package visibility_test

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

// An app of an organization warms up by lists, although Slack gives them by the workspace alone: nobody is looked
// up one by one.
func TestAnOrganizationIsListed(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(sandbox.Options{Organization: "E0LANTERN", Empty: true})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	if err := box.SetBaseURL(srv.URL); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	calls := map[string]int{}
	client, err := slackapi.New(slackapi.Options{
		BotToken: sandbox.DefaultBotToken, URL: box.APIURL(), Pace: 10_000,
		OnCall: func(_ context.Context, c slackapi.CallInfo) {
			mu.Lock()
			defer mu.Unlock()
			calls[c.Method]++
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	j, err := visibility.New(visibility.Options{
		Bot: client, People: nobody{}, Pace: 10_000,
		Self: func() (visibility.Install, bool) {
			return visibility.Install{Host: "slack.com", Enterprise: "E0LANTERN", Bot: sandbox.BotUser}, true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = j.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		s := j.Stats()
		if s.People > 0 && s.Conversations > 0 && s.Listed > 0 {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("after half a minute it is not warm: %+v", s)
		}
	}
	e := event.Event{Source: event.SourceSlack, Team: sandbox.Team, Kind: event.Kind{Type: "message"}, Channel: sandbox.General}
	for user, want := range map[string]visibility.Verdict{sandbox.Bob: visible, "U0NOBODY": unknown} {
		if v := j.See(access.Person{Host: "slack.com", Enterprise: "E0LANTERN", User: user}, &e); v != want {
			t.Errorf("the channel is %v to %s", v, user)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if calls["conversations.info"] > 0 || calls["auth.teams.list"] == 0 || calls["users.info"] > 1 {
		t.Errorf("Slack was asked with %v", calls)
	}
}

// nobody has signed in.
type nobody struct{}

func (nobody) Conversation(context.Context, access.Person, string) (slackapi.Channel, error) {
	return slackapi.Channel{}, access.ErrRevoked
}
func (nobody) Holds(context.Context, access.Person) error { return access.ErrRevoked }
