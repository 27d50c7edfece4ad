package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"slackmcp/slackapi/sandbox"
)

// A fakeSlack is the sandbox workspace that runs in this process, with a listener of
// its own on the loopback.
type fakeSlack struct {
	box      *sandbox.Sandbox
	listener net.Listener
	log      *slog.Logger

	signingSecret, botToken, userToken, appToken string
}

// newFakeSlack makes the workspace and takes a loopback port for it.
func newFakeSlack(ctx context.Context, signingSecret string, socketMode bool, log *slog.Logger) (*fakeSlack, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the sandbox: %w", err)
	}
	if signingSecret == "" {
		signingSecret = sandbox.DefaultSigningSecret
	}
	box, err := sandbox.New(sandbox.Options{
		SigningSecret: signingSecret, BaseURL: "http://" + l.Addr().String(), SocketMode: socketMode,
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &fakeSlack{
		box: box, listener: l, log: log,
		signingSecret: signingSecret, botToken: sandbox.DefaultBotToken, userToken: sandbox.DefaultUserToken,
		appToken: sandbox.DefaultAppToken,
	}, nil
}

// apiURL is the root of the workspace's Web API.
func (f *fakeSlack) apiURL() string { return "http://" + f.listener.Addr().String() + "/api/" }

// url is where people and tests act in the workspace.
func (f *fakeSlack) url() string { return "http://" + f.listener.Addr().String() }

// run serves the workspace and delivers its events until ctx is done.
func (f *fakeSlack) run(ctx context.Context) error { return f.box.Serve(ctx, f.listener) }

// subscribe tells the workspace where its events go, as a person does in the app's
// settings; the workspace asks for the challenge first.
func (f *fakeSlack) subscribe(ctx context.Context, requestURL string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := f.box.SetRequestURL(ctx, requestURL); err != nil {
		f.log.LogAttrs(ctx, slog.LevelWarn, "the sandbox could not verify the request url", slog.String("error", err.Error()))
	}
}
