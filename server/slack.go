package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"slackmcp/config"
	"slackmcp/internal/wait"
	"slackmcp/signin"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/gaps"
)

// historyPage is how many messages are asked for at once. Slack gives fewer to apps of
// the capped class, which the client notices and keeps to.
const historyPage = 200

// slackHistory reads the past by Slack's Web API, and waits as long as Slack asks to.
type slackHistory struct{ slack *slackapi.Client }

// Self is the bot.
func (h *slackHistory) Self(ctx context.Context) (self gaps.Self, err error) {
	err = patiently(ctx, func() error {
		id, err := h.slack.AuthTest(ctx)
		self = gaps.Self{Team: id.TeamID, User: id.UserID}
		return err
	})
	return self, err
}

// Channels are the conversations that the bot is in, archived ones left out.
func (h *slackHistory) Channels(ctx context.Context) (list []gaps.Channel, err error) {
	q := slackapi.ListQuery{Types: []string{"public_channel", "private_channel", "mpim", "im"}, ExcludeArchived: true, Limit: historyPage}
	for {
		var page slackapi.ChannelPage
		if err := patiently(ctx, func() (err error) {
			page, err = h.slack.UserConversations(ctx, "", q)
			return err
		}); err != nil {
			return nil, err
		}
		for i := range page.Channels {
			list = append(list, gaps.Channel{ID: page.Channels[i].ID, Type: channelType(&page.Channels[i])})
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return list, nil
		}
	}
}

// channelType is what an event calls a conversation's type.
func channelType(c *slackapi.Channel) string {
	switch {
	case c.IsIM:
		return "im"
	case c.IsMPIM:
		return "mpim"
	case c.IsPrivate:
		return "group"
	}
	return "channel"
}

// Messages reads a page of a channel.
func (h *slackHistory) Messages(ctx context.Context, channel, oldest, latest, cursor string) (gaps.Page, error) {
	return h.page(ctx, func() (slackapi.MessagePage, error) {
		return h.slack.History(ctx, slackapi.HistoryQuery{
			Channel: channel, Oldest: oldest, Latest: latest, Inclusive: true, Limit: historyPage, Cursor: cursor, Metadata: true,
		})
	})
}

// Replies reads a page of a thread.
func (h *slackHistory) Replies(ctx context.Context, channel, thread, oldest, latest, cursor string) (gaps.Page, error) {
	return h.page(ctx, func() (slackapi.MessagePage, error) {
		return h.slack.Replies(ctx, slackapi.RepliesQuery{
			Channel: channel, ThreadTS: thread, Oldest: oldest, Latest: latest, Inclusive: true, Limit: historyPage, Cursor: cursor, Metadata: true,
		})
	})
}

func (h *slackHistory) page(ctx context.Context, read func() (slackapi.MessagePage, error)) (p gaps.Page, err error) {
	var page slackapi.MessagePage
	err = patiently(ctx, func() (err error) {
		page, err = read()
		return err
	})
	if err != nil {
		return p, skipped(err)
	}
	for i := range page.Messages {
		raw, err := json.Marshal(&page.Messages[i])
		if err != nil {
			return p, err
		}
		p.Messages = append(p.Messages, raw)
	}
	p.Next = page.NextCursor
	return p, nil
}

// skipped marks the error of a channel that cannot be read; any other says that Slack cannot be asked.
func skipped(err error) error {
	fault, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return err
	}
	switch fault.Kind { //nolint:exhaustive // the others stop the whole
	case slackapi.NotFound, slackapi.NotInChannel, slackapi.MissingScope, slackapi.Forbidden, slackapi.Conflict, slackapi.InvalidArgument:
		return &gaps.SkipError{Reason: fault.Code}
	}
	return err
}

const (
	// patientTries bounds how often a call is made that Slack could not take.
	patientTries = 8
	// troubledPause is the first pause after a call that failed otherwise; it doubles.
	troubledPause = time.Second
)

// patiently makes a call again as long as Slack asks to wait, or cannot be reached.
func patiently(ctx context.Context, call func() error) error {
	backoff := wait.Backoff{First: troubledPause, Most: 2 * time.Minute}
	for try := 1; ; {
		err := call()
		fault, ok := errors.AsType[*slackapi.Error](err)
		if !ok || fault.Kind != slackapi.RateLimited && fault.Kind != slackapi.Unavailable {
			return err
		}
		pause := fault.RetryAfter
		if fault.Kind == slackapi.Unavailable || pause == 0 {
			if try++; try > patientTries {
				return err
			}
			pause = backoff.Next()
		}
		if err := wait.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// A fakeSlack is the sandbox workspace that runs in this process, with a listener of
// its own on the loopback.
type fakeSlack struct {
	box      *sandbox.Sandbox
	listener net.Listener
	log      *slog.Logger

	signingSecret, botToken, userToken, appToken string
}

// newFakeSlack makes the workspace and takes a loopback port for it. People of it sign in at the server
// that has the public address, which may be empty.
func newFakeSlack(ctx context.Context, signingSecret string, socketMode bool, public string, log *slog.Logger) (*fakeSlack, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the sandbox: %w", err)
	}
	if signingSecret == "" {
		signingSecret = sandbox.DefaultSigningSecret
	}
	o := sandbox.Options{SigningSecret: signingSecret, BaseURL: "http://" + l.Addr().String(), SocketMode: socketMode, TokenRotation: true}
	if public != "" {
		o.RedirectURLs = []string{public + signin.CallbackPath}
	}
	box, err := sandbox.New(o)
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

// tell writes the address of the workspace to a file, where the commands find it, until ctx is done.
// Without the file they have to be told the address.
func (f *fakeSlack) tell(ctx context.Context, file string) {
	if err := os.WriteFile(file, []byte(f.url()+"\n"), 0o600); err != nil {
		f.log.LogAttrs(ctx, slog.LevelDebug, "the workspace's address was not written", slog.String("error", err.Error()))
		return
	}
	context.AfterFunc(ctx, func() { _ = os.Remove(file) }) // one that is left behind is asked in vain
}

// subscribe sets where the workspace sends its events, as a person does in the app's
// settings; the workspace asks for the challenge first.
func (f *fakeSlack) subscribe(ctx context.Context, requestURL string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := f.box.SetRequestURL(ctx, requestURL); err != nil {
		f.log.LogAttrs(ctx, slog.LevelWarn, "the sandbox could not verify the request url", slog.String("error", err.Error()))
	}
}

// slackAccess is what Slack is called and verified with: the settings', or the sandbox's.
type slackAccess struct {
	signingSecrets                []string
	botToken, userToken, appToken string
	url                           string // of the Web API; "" is Slack's own
	// clientID and clientSecret are the app's where people sign in, and host is whose people they are.
	clientID, clientSecret, host string
}

// hostOfSandbox is the host of the sandbox's people, who are nobody elsewhere.
const hostOfSandbox = "sandbox"

// authorizeURL is where people allow the app to act for them, beside the Web API; "" is Slack's own.
func (a slackAccess) authorizeURL() string {
	if a.url == "" {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(a.url, "/"), "/api") + "/oauth/v2/authorize"
}

// openSlackAccess returns the settings' secrets, or starts the sandbox in Slack's place and
// returns it with its own.
func openSlackAccess(ctx context.Context, cfg config.Config, log *slog.Logger) (slackAccess, *fakeSlack, error) {
	c := cfg.Slack
	a := slackAccess{
		signingSecrets: c.SigningSecrets.Reveal(), url: c.APIURL,
		botToken: c.BotToken.Reveal(), userToken: c.UserToken.Reveal(), appToken: c.AppToken.Reveal(),
		clientID: cfg.SignIn.ClientID, clientSecret: cfg.SignIn.ClientSecret.Reveal(),
	}
	if u, err := url.Parse(c.APIURL); err == nil {
		a.host = u.Hostname() // empty is slack.com
	}
	if !cfg.Sandbox {
		return a, nil, nil
	}
	secret := ""
	if len(a.signingSecrets) > 0 {
		secret = a.signingSecrets[0]
	}
	public := ""
	if cfg.SignIn.Enabled() {
		public = cfg.Listen.PublicURL
	}
	f, err := newFakeSlack(ctx, secret, c.SocketMode, public, log)
	if err != nil {
		return a, nil, err
	}
	return slackAccess{
		signingSecrets: []string{f.signingSecret}, url: f.apiURL(),
		botToken: f.botToken, userToken: f.userToken, appToken: f.appToken,
		clientID: sandbox.DefaultClientID, clientSecret: sandbox.DefaultClientSecret, host: hostOfSandbox,
	}, f, nil
}

// newSlackClient returns the client and who it is for Slack; both nil without a bot token, unless assistants
// are to act as the owner of a user token.
func newSlackClient(cfg config.Config, a slackAccess, h *hooks) (*slackapi.Client, *identity, error) {
	if a.botToken == "" && (a.userToken == "" || !cfg.Mode.MCP()) {
		return nil, nil, nil
	}
	c, err := slackapi.New(slackapi.Options{
		BotToken: a.botToken, UserToken: a.userToken, URL: a.url, Retries: cfg.Retry, AssistantLine: cfg.MCP.AssistantLine,
		OnCall: h.slackCalled, OnLarge: h.slackReads().take, OnTime: h.clock.Witness,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("slack client: %w", err)
	}
	h.metrics.Slack.Watch(c)
	h.identity = newIdentity(c, a.userToken != "", h.log)
	return c, h.identity, nil
}

// slackReads is the memory of those that read large replies or files of Slack.
func (h *hooks) slackReads() *reads {
	r := newShares(slackReads)
	r.onBusy = h.boundMet
	return r
}
