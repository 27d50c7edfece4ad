package slackapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"
)

// DefaultURL is where Slack's Web API is.
const DefaultURL = "https://slack.com/api/"

const (
	defaultTimeout        = 30 * time.Second
	defaultAttemptTimeout = 15 * time.Second
	defaultMaxReply       = 32 << 20 // a page of 1,000 messages with blocks is below 10 MiB
	maxRetries            = 10
)

// Options configure a [Client].
type Options struct {
	// BotToken (xoxb-…) makes the calls. Without it UserToken makes them all; without either the client
	// only opens connections, with an AppToken.
	BotToken string
	// AppToken (xapp-…) makes the calls of Socket Mode. Without it they fail with [Auth].
	AppToken string
	// UserToken (xoxp-…) makes the calls that Slack refuses to bots, such as
	// search.messages, and those of [Client.AsUser]. Without it they fail with [Auth]. Without a
	// BotToken it makes every call: the client acts as the token's owner.
	UserToken string
	// AssistantLine lets Slack show [AssistantLine] below what is posted with a person's token.
	AssistantLine bool
	// URL is the root of the API; empty is [DefaultURL]. It must be https, but for a
	// loopback host or a sandbox's token.
	URL string
	// Retries is how often a call is tried in all, where repeating it is safe; 0 and
	// 1 are a single try, 10 is the most.
	Retries int
	// Timeout bounds a whole call, with its waits and repetitions, also under a later
	// deadline of the context; 0 is 30 s.
	Timeout time.Duration
	// AttemptTimeout bounds one request with its reply; 0 is 15 s.
	AttemptTimeout time.Duration
	// MaxReplyBytes bounds a reply of the API; 0 is 32 MiB.
	MaxReplyBytes int64
	// Pace multiplies Slack's published rates; 0 is 1. A fake Slack can take more.
	Pace float64
	// Transport carries the requests; nil is a transport of the client's own.
	Transport http.RoundTripper
	// OnCall is called after each attempt, and after each call that the pace held back, by
	// the goroutine that made it, with the context of the call; nil calls nothing.
	OnCall func(context.Context, CallInfo)
	// OnTime is called with the time that Slack says it is, with each answer over TLS; nil is not called.
	OnTime func(time.Time)
	// OnLarge is called before a reply of more than 64 KiB is read for a reader of
	// [Reading], once for each reader. It may wait for a share of memory, and returns
	// what gives it back; of an error the call is [TooLarge]. nil bounds nothing.
	OnLarge func(context.Context) (leave func(), err error)
}

// A CallInfo is the outcome of one attempt. It holds no argument of the call.
type CallInfo struct {
	Method   string
	Outcome  string        // "ok", or the error's Kind
	Attempt  int           // from 1
	Waited   time.Duration // for the rate limit, before the attempt
	Duration time.Duration // of the attempt
}

// A Client calls the Slack Web API of one workspace with one of its tokens. It is safe
// for concurrent use and has no goroutine of its own.
type Client struct {
	*shared
	token string
	slack *slack.Client // for the methods whose answers it reads without loss
	http  *http.Client  // for the others, over the same transport
	files *http.Client  // likewise, for downloads: it follows redirects
	teams teams
}

// shared is what the clients of all tokens have in common.
type shared struct {
	opt       Options
	api       *url.URL
	pace      *pacer
	capped    *atomic.Bool
	rehearsal *recorder      // nil where calls are sent
	person    *PersonOptions // nil where they are not a person's

	bot, user, app *Client // without a bot token bot is user; of a person both are the person's
}

// New checks the options and returns a client that calls with the bot token, or without one with the
// user token. It makes no call itself.
func New(opt Options) (*Client, error) {
	errs := checkTokens(opt)
	if opt.URL == "" {
		opt.URL = DefaultURL
	}
	api, err := checkURL(opt)
	if err != nil {
		errs = append(errs, err)
	}
	if opt.Retries < 0 || opt.Retries > maxRetries {
		errs = append(errs, fmt.Errorf("slackapi: Retries is %d, must be 0 to %d", opt.Retries, maxRetries))
	}
	if opt.Timeout < 0 || opt.AttemptTimeout < 0 || opt.MaxReplyBytes < 0 || opt.Pace < 0 {
		errs = append(errs, errors.New("slackapi: Timeout, AttemptTimeout, MaxReplyBytes and Pace must not be negative"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	opt.Timeout = cmp.Or(opt.Timeout, defaultTimeout)
	opt.AttemptTimeout = cmp.Or(opt.AttemptTimeout, defaultAttemptTimeout)
	opt.MaxReplyBytes = cmp.Or(opt.MaxReplyBytes, defaultMaxReply)
	opt.Pace = cmp.Or(opt.Pace, 1)
	opt.Retries = max(opt.Retries, 1)
	if opt.Transport == nil {
		opt.Transport = newTransport()
	}
	s := &shared{opt: opt, api: api, pace: newPacer(opt.Pace), capped: new(atomic.Bool)}
	s.connect()
	return s.bot, nil
}

// connect makes the client of each token.
func (s *shared) connect() {
	if s.person != nil {
		s.bot, s.app = s.client(ownerPerson, standIn), s.client("app", "")
		s.user = s.bot
		return
	}
	s.bot, s.user, s.app = s.client("bot", s.opt.BotToken), s.client(ownerUser, s.opt.UserToken), s.client("app", s.opt.AppToken)
	if s.opt.BotToken == "" && s.opt.UserToken != "" {
		s.bot = s.user
	}
}

// client makes the client of a token.
func (s *shared) client(owner, token string) *Client {
	web := &http.Client{Transport: &transport{shared: s, token: token, owner: owner}, CheckRedirect: stay}
	c := &Client{shared: s, token: token, http: web}
	c.files = &http.Client{Transport: web.Transport, CheckRedirect: c.follow}
	c.slack = slack.New(token, slack.OptionAppLevelToken(s.opt.AppToken), slack.OptionAPIURL(s.opt.URL),
		slack.OptionHTTPClient(web), slack.OptionLog(log.New(io.Discard, "", 0)))
	return c
}

// AsUser returns the client that makes its calls with the user token; the limits are
// shared with c. Without a user token its calls fail with [Auth].
func (c *Client) AsUser() *Client { return c.user }

// HasUserToken reports whether the calls that need a user token can be made.
func (c *Client) HasUserToken() bool { return c.user.token != "" }

// Capped reports that Slack has shown to hold this app in the class of one history
// request a minute and 15 messages a page (commercially distributed apps outside the
// Marketplace since 2025-05-29): a page of more was asked for, and exactly 15 came
// with more to follow. A longer page takes the finding back.
func (c *Client) Capped() bool { return c.capped.Load() }

// stay follows no redirect: a request, and its token, go only to the URL of the request.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second, // before Slack closes: a post on a dying connection is in doubt
		TLSHandshakeTimeout:    5 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func checkTokens(opt Options) (errs []error) {
	check := func(needed bool, field, token string, prefixes ...string) {
		if token == "" && !needed {
			return
		}
		if err := checkToken(field, token, prefixes...); err != nil {
			errs = append(errs, err)
		}
	}
	check(opt.AppToken == "" && opt.UserToken == "", "BotToken", opt.BotToken, "xoxb-", "xoxe.xoxb-")
	check(false, "AppToken", opt.AppToken, "xapp-")
	check(false, "UserToken", opt.UserToken, "xoxp-", "xoxe.xoxp-")
	return errs
}

func checkToken(field, token string, prefixes ...string) error {
	if token == "" {
		return fmt.Errorf("slackapi: %s is required", field)
	}
	for _, p := range prefixes {
		if strings.HasPrefix(token, p) && !strings.ContainsFunc(token, notTokenRune) {
			return nil
		}
	}
	return fmt.Errorf("slackapi: %s must begin with %s and hold no spaces", field, prefixes[0])
}

func notTokenRune(r rune) bool { return r <= ' ' || r > '~' }

func checkURL(opt Options) (*url.URL, error) {
	u, err := url.Parse(opt.URL)
	switch {
	case err != nil:
		return nil, errors.New("slackapi: URL cannot be parsed")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("slackapi: URL must be absolute, such as " + DefaultURL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("slackapi: URL must hold no user, query or fragment")
	case !strings.HasSuffix(u.Path, "/"):
		return nil, errors.New("slackapi: URL must end with a slash, such as " + DefaultURL)
	case u.Scheme == "http" && !loopback(u.Hostname()) && !sandboxed(opt):
		return nil, errors.New("slackapi: URL must be https: a real token may not travel in the clear")
	}
	return u, nil
}

// sandboxed reports that no token of the options is worth anything outside a sandbox.
func sandboxed(opt Options) bool {
	for token, prefix := range map[string]string{opt.BotToken: "xoxb-sandbox-", opt.UserToken: "xoxp-sandbox-", opt.AppToken: "xapp-sandbox-"} {
		if token != "" && !strings.HasPrefix(token, prefix) {
			return false
		}
	}
	return true
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var (
	// slackHosts are the domains of Slack that take its tokens.
	slackHosts = []string{"slack.com", "slack-gov.com"}
	// contentHosts are domains of Slack that hold contents, and need no token.
	contentHosts = []string{"slack-files.com", "slack-edge.com"}
)

// reach says whether a URL may be called, and whether it may be shown the token. The
// URL of a file may be whatever its creator chose.
func (c *Client) reach(u *url.URL) (call, token bool) {
	switch {
	case u.User != nil:
		return false, false
	case u.Scheme == c.api.Scheme && strings.EqualFold(u.Host, c.api.Host):
		return true, true
	case u.Scheme != "https" || u.Port() != "" && u.Port() != "443":
		return false, false
	case under(u.Hostname(), slackHosts):
		return true, true
	}
	return under(u.Hostname(), contentHosts), false
}

func under(host string, domains []string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}
