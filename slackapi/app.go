package slackapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// AppOptions configure an [App].
type AppOptions struct {
	// ClientID and ClientSecret are the app's. Required.
	ClientID, ClientSecret string
	// URL, Timeout, Transport and Pace are those of [Options]; the URL must be https, but for a loopback host.
	URL       string
	Timeout   time.Duration
	Transport http.RoundTripper
	Pace      float64
	// OnCall is that of [Options].
	OnCall func(context.Context, CallInfo)
}

// An App is where people sign in with Slack: it exchanges codes and refresh tokens for tokens, and
// asks who a token is. It repeats no call and is safe for concurrent use. Its errors are those of
// [Client]: no code, token or secret is in them.
type App struct {
	shared     *shared
	codes      *shared // for the exchange of codes
	id, secret string
}

// NewApp checks the options and returns an app. It makes no call itself.
func NewApp(o AppOptions) (*App, error) {
	if o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("slackapi: ClientID and ClientSecret are required")
	}
	opt := Options{URL: cmp.Or(o.URL, DefaultURL), UserToken: "xoxp-", Timeout: o.Timeout, Transport: o.Transport, OnCall: o.OnCall}
	api, err := checkURL(opt)
	if err != nil {
		return nil, err
	}
	if o.Timeout < 0 || o.Pace < 0 {
		return nil, errors.New("slackapi: Timeout and Pace must not be negative")
	}
	opt.Timeout, opt.AttemptTimeout = cmp.Or(opt.Timeout, defaultTimeout), defaultAttemptTimeout
	opt.MaxReplyBytes, opt.Pace, opt.Retries = 1<<20, cmp.Or(o.Pace, 1), 1
	if opt.Transport == nil {
		opt.Transport = newTransport()
	}
	side := func(pace float64) *shared {
		return &shared{opt: opt, api: api, pace: newPacer(pace), capped: new(atomic.Bool)}
	}
	// Strangers can cause exchanges. They have a pace of their own, and half of it, so that refreshes neither wait
	// behind them nor stop with them.
	return &App{shared: side(opt.Pace), codes: side(opt.Pace / 2), id: o.ClientID, secret: o.ClientSecret}, nil
}

// A Grant is what Slack gives for a code or a refresh token. Prints of it would show tokens: it
// prints as its user.
type Grant struct {
	// User is whose it is; empty after a refresh.
	User string
	// Team and Enterprise are where the app is installed; Team is empty where that is a whole
	// organization.
	Team, Enterprise string
	// EnterpriseInstall says that it is installed for a whole organization.
	EnterpriseInstall bool
	// Token acts as the person, with Scopes. Refresh is good for the next one, once; empty where
	// tokens last.
	Token, Refresh string
	Scopes         []string
	// Lives is how long the token is good; 0 is until it is revoked.
	Lives time.Duration
}

// String hides the tokens.
func (g Grant) String() string { return fmt.Sprintf("the grant of %q", g.User) }

// GoString hides the tokens.
func (g Grant) GoString() string { return g.String() }

type tokenReply struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
}

type grantReply struct {
	tokenReply
	AuthedUser struct {
		ID string `json:"id"`
		tokenReply
	} `json:"authed_user"`
	Team struct {
		ID string `json:"id"`
	} `json:"team"`
	Enterprise struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	IsEnterpriseInstall bool `json:"is_enterprise_install"`
}

// grant is the person's part of an answer; an answer without a person's token is an error.
func (r grantReply) grant(t tokenReply) (Grant, error) {
	if t.AccessToken == "" || t.TokenType != "user" || t.ExpiresIn < 0 {
		return Grant{}, &Error{Method: oauthAccess, Code: CodeUnreadable, Kind: Internal, err: errors.New("it gave no token of a person")}
	}
	return Grant{
		User: r.AuthedUser.ID, Team: r.Team.ID, Enterprise: r.Enterprise.ID, EnterpriseInstall: r.IsEnterpriseInstall,
		Token: t.AccessToken, Refresh: t.RefreshToken, Scopes: splitScopes(t.Scope), Lives: time.Duration(t.ExpiresIn) * time.Second,
	}, nil
}

const oauthAccess = "oauth.v2.access"

// Exchange gives a code's grant. The redirect is that of the authorize page.
func (a *App) Exchange(ctx context.Context, code, redirect string) (Grant, error) {
	r, err := a.access(ctx, a.codes, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}})
	if err != nil {
		return Grant{}, err
	}
	return r.grant(r.AuthedUser.tokenReply)
}

// Refresh gives the next tokens for a refresh token, which is used up. It does not say whose they are.
func (a *App) Refresh(ctx context.Context, token string) (Grant, error) {
	r, err := a.access(ctx, a.shared, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	if err != nil {
		return Grant{}, err
	}
	return r.grant(r.tokenReply)
}

func (a *App) access(ctx context.Context, side *shared, form url.Values) (grantReply, error) {
	c := side.client("app", a.secret)
	req := c.post(ctx, oauthAccess, form)
	req.SetBasicAuth(a.id, a.secret)
	return reply[grantReply](c.http.Do(req))
}

// Identify asks who a person's token is.
func (a *App) Identify(ctx context.Context, token string) (Identity, error) {
	return a.shared.client("person", token).AuthTest(ctx)
}

// User asks for a user with a person's token.
func (a *App) User(ctx context.Context, token, id string) (User, error) {
	return a.shared.client("person", token).UserInfo(ctx, id)
}

// Revoke ends an access token or a refresh token. One that has ended already is no error.
func (a *App) Revoke(ctx context.Context, token string) error {
	c := a.shared.client("person", token)
	_, err := reply[envelope](c.http.Do(c.form(ctx, "auth.revoke")))
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Code {
		case "token_revoked", "token_expired", "account_inactive", "invalid_auth":
			return nil
		}
	}
	return err
}
