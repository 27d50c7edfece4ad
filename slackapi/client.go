package slackapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
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
	// BotToken (xoxb-…) makes the calls. Required, but for a client that only opens
	// connections, with an AppToken.
	BotToken string
	// AppToken (xapp-…) makes the calls of Socket Mode. Without it they fail with [Auth].
	AppToken string
	// UserToken (xoxp-…) makes the calls that Slack refuses to bots, such as
	// search.messages, and those of [Client.AsUser]. Without it they fail with [Auth].
	UserToken string
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
	// OnCall is told of each attempt, and of each call that the pace held back, from the
	// goroutine that made it, with the context of the call; nil is nobody.
	OnCall func(context.Context, CallInfo)
}

// A CallInfo is what one attempt came to. It holds no argument of the call.
type CallInfo struct {
	Method   string
	Outcome  string        // "ok", or the error's Kind
	Attempt  int           // from 1
	Waited   time.Duration // for the rate limit, before the attempt
	Duration time.Duration // of the attempt
}

// A Client calls the Slack Web API of one workspace. It is safe for concurrent use
// and has no goroutine of its own.
type Client struct {
	opt    Options
	api    *url.URL
	http   *http.Client
	pace   *pacer
	capped *atomic.Bool
	asUser bool
	record *recorder // of a rehearsal; otherwise nil
}

// New checks the options and returns a client. It calls nobody.
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
	opt.Timeout = or(opt.Timeout, defaultTimeout)
	opt.AttemptTimeout = or(opt.AttemptTimeout, defaultAttemptTimeout)
	opt.MaxReplyBytes = or(opt.MaxReplyBytes, defaultMaxReply)
	opt.Pace = or(opt.Pace, 1)
	opt.Retries = max(opt.Retries, 1)
	if opt.Transport == nil {
		opt.Transport = newTransport()
	}
	return &Client{
		opt:    opt,
		api:    api,
		http:   &http.Client{Transport: opt.Transport, CheckRedirect: stay},
		pace:   newPacer(opt.Pace),
		capped: new(atomic.Bool),
	}, nil
}

// AsUser returns a view of the client that makes its calls with the user token; the
// limits are shared with c. Without a user token its calls fail with [Auth].
func (c *Client) AsUser() *Client {
	u := *c
	u.asUser = true
	return &u
}

// HasUserToken reports whether the calls that need a user token can be made.
func (c *Client) HasUserToken() bool { return c.opt.UserToken != "" }

// Capped reports that Slack has shown to hold this app in the class of one history
// request a minute and 15 messages a page (commercially distributed apps outside the
// Marketplace since 2025-05-29): a page of more was asked for, and exactly 15 came
// with more to follow. A longer page takes the finding back.
func (c *Client) Capped() bool { return c.capped.Load() }

// stay keeps a request, and its token, where it was sent.
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
	check(opt.AppToken == "", "BotToken", opt.BotToken, "xoxb-", "xoxe.xoxb-")
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

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
