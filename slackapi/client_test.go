package slackapi_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// workspace starts a sandbox and a client of it.
func workspace(t testing.TB, so sandbox.Options, co slackapi.Options) (*sandbox.Sandbox, *slackapi.Client) {
	t.Helper()
	sb, err := sandbox.New(so)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	if err := sb.SetBaseURL(server.URL); err != nil {
		t.Fatal(err)
	}
	co.URL = sb.APIURL()
	if co.BotToken == "" {
		co.BotToken, co.UserToken = sandbox.DefaultBotToken, sandbox.DefaultUserToken
	}
	if co.Pace == 0 {
		co.Pace = 10_000
	}
	c, err := slackapi.New(co)
	if err != nil {
		t.Fatal(err)
	}
	return sb, c
}

// calls keeps what a client's hook was called with.
type calls struct {
	mu  sync.Mutex
	all []slackapi.CallInfo
}

func (c *calls) add(_ context.Context, info slackapi.CallInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, info)
}

func (c *calls) of(method string) (outcomes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, info := range c.all {
		if info.Method == method {
			outcomes = append(outcomes, info.Outcome)
		}
	}
	return outcomes
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func succeed(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failed checks that an error is the client's, of a kind and with a code.
func failed(t testing.TB, err error, kind slackapi.Kind, code string) slackapi.Error {
	t.Helper()
	e, ok := errors.AsType[*slackapi.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Fatalf("error %v, want kind %s with code %s", err, kind, code)
	}
	return *e
}

func texts(messages []slackapi.Message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.Text
	}
	return all
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := slackapi.Options{BotToken: "xoxb-sandbox-bot"}
	for _, c := range []struct {
		name   string
		change func(*slackapi.Options)
		want   string // a part of the error; empty is none
	}{
		{"the defaults are enough", func(*slackapi.Options) {}, ""},
		{"a rotated token is one", func(o *slackapi.Options) { o.BotToken = "xoxe.xoxb-1-abc" }, ""},
		{"a user token alone is enough", func(o *slackapi.Options) { o.BotToken, o.UserToken = "", "xoxp-1" }, ""},
		{"without a token", func(o *slackapi.Options) { o.BotToken = "" }, "BotToken is required"},
		{"a user token for the bot", func(o *slackapi.Options) { o.BotToken = "xoxp-1" }, "BotToken must begin with xoxb-"},
		{"a token with a line break", func(o *slackapi.Options) { o.BotToken = "xoxb-1\nEvil: 1" }, "BotToken must begin"},
		{"a bot token for the user", func(o *slackapi.Options) { o.UserToken = "xoxb-1" }, "UserToken must begin with xoxp-"},
		{"a URL without a slash", func(o *slackapi.Options) { o.URL = "https://slack.com/api" }, "URL must end with a slash"},
		{"a URL of another kind", func(o *slackapi.Options) { o.URL = "file:///api/" }, "URL must be absolute"},
		{"a URL with a password", func(o *slackapi.Options) { o.URL = "https://a:b@slack.com/api/" }, "URL must hold no user"},
		{"a real token in the clear", func(o *slackapi.Options) { o.BotToken, o.URL = "xoxb-1", "http://slack.example/api/" }, "URL must be https"},
		{"a sandbox's token in the clear", func(o *slackapi.Options) { o.URL = "http://sandbox:4000/api/" }, ""},
		{"a real token to this machine", func(o *slackapi.Options) { o.BotToken, o.URL = "xoxb-1", "http://127.0.0.1:4000/api/" }, ""},
		{"too many tries", func(o *slackapi.Options) { o.Retries = 11 }, "Retries is 11"},
		{"a negative time", func(o *slackapi.Options) { o.Timeout = -1 }, "must not be negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opt := good
			c.change(&opt)
			_, err := slackapi.New(opt)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !contains(err.Error(), c.want)) {
				t.Errorf("New: %v, want %q", err, c.want)
			}
		})
	}
}

func TestEveryMethodIsCalled(t *testing.T) {
	t.Parallel()
	var seen calls
	tour(t, &seen)
	for _, name := range slackapi.Methods() {
		if got := seen.of(name); !slices.Contains(got, "ok") {
			t.Errorf("%s was not called with success by the tour: %v", name, got)
		}
	}
}
