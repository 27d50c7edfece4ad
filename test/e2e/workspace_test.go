package e2e_test

import (
	"context"
	"net"
	"testing"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// A workspace is a fake Slack of the test's own, apart from the servers that use it.
type workspace struct {
	*sandbox.Sandbox
	url string
}

// newWorkspace serves a fake Slack until the test ends. It signs with the secret that
// the servers know.
func newWorkspace(t testing.TB, o sandbox.Options) *workspace {
	t.Helper()
	o.SigningSecret = signingSecret
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- box.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &workspace{Sandbox: box, url: "http://" + l.Addr().String()}
}

// env is what a server needs to use the workspace.
func (w *workspace) env() []string {
	return []string{"SLACK_API_URL=" + w.url + "/api/", "SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken}
}

// client calls the workspace as the servers do.
func (w *workspace) client(t testing.TB) *slackapi.Client {
	t.Helper()
	c, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, URL: w.url + "/api/", Pace: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
