package slackapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// ErrSignIn is what a person's source of tokens wraps when there is no token until the person has signed
// in again.
var ErrSignIn = errors.New("the person has to sign in again")

// standIn is where a token would be in the requests of a person's client. The transport puts the
// person's token in its place when it sends one.
const standIn = "xoxp-stand-in"

// PersonOptions say who a [Person] is.
type PersonOptions struct {
	// Who names the person. Whatever is made for one Who has one share of Slack's limits. Required.
	Who string
	// Team is the workspace (T…) whose limits the calls count against; empty is that of the client.
	Team string
	// Token gives the person's token (xoxp-… or xoxe.xoxp-…). It is asked before each request, and
	// nothing keeps what it gave. An error that wraps [ErrSignIn] makes the call an [Auth] failure, any
	// other one [Unavailable]; it must hold no token. Required.
	Token func(ctx context.Context) (string, error)
	// OnRefused is called when Slack has refused the token, or wants a scope that it lacks; nil calls
	// nothing. It is called by the goroutine that made the call. After "token_expired" and "invalid_auth"
	// Token is asked once more when OnRefused has returned: where it gives another one the call is
	// repeated with it, and where it gives the same the call has failed.
	OnRefused func(ctx context.Context, err *Error)
}

// A Person makes calls as one person and as nobody else. It is a type of its own so that what has to act
// as a person takes no client of the bot by mistake.
//
// Its client holds no other token: neither the bot's nor that of [Options.UserToken] can be reached from
// it, so no failure can lead to one. With the client that it was made from it has in common the
// connections, the limits, the hooks and the memory for large replies.
type Person struct{ client *Client }

// Client returns the client that makes the person's calls. Its [Client.AsUser] is itself, and it has the
// user token of [Client.HasUserToken]: search.messages and the marks of what was read are the person's.
func (p *Person) Client() *Client { return p.client }

// Person returns who makes calls as a person. It makes no call itself, and costs little enough to be made
// for each call of a tool.
func (c *Client) Person(o PersonOptions) (*Person, error) {
	if o.Who == "" || o.Token == nil {
		return nil, errors.New("slackapi: Who and Token of a person are required")
	}
	s := *c.shared
	s.opt.BotToken, s.opt.UserToken, s.opt.AppToken = "", "", ""
	s.person = &o
	s.connect()
	return &Person{client: s.bot}, nil
}

// A bearer is the person's token within one call.
type bearer struct {
	token   string // of this request; empty where it shows none
	refusal *Error // by Slack, of the token
}

// ask gets the person's token for a request that shows one.
func (t *transport) ask(ctx context.Context, req *http.Request, c call, b *bearer) *Error {
	if t.person == nil || c.method.tier == tierNone && req.Header.Get("Authorization") == "" {
		return nil
	}
	token, failure := t.tokenOf(ctx, c)
	if b.refusal != nil && (failure != nil || token == b.token) {
		return b.refusal
	}
	b.token = token
	return failure
}

// ofSource is a context for what a source of tokens calls itself: the call of ctx is not theirs.
func ofSource(ctx context.Context) context.Context { return context.WithValue(ctx, callKey{}, nil) }

// tokenOf asks the source. A token of another kind is none.
func (t *transport) tokenOf(ctx context.Context, c call) (string, *Error) {
	token, err := t.person.Token(ofSource(ctx))
	switch {
	case err != nil:
	case checkToken("Token", token, "xoxp-", "xoxe.xoxp-") != nil || token == standIn:
		err = errors.New("what was given is no token of a person")
	case t.api.Scheme == "http" && !loopback(t.api.Hostname()) && !sandboxed(Options{UserToken: token}):
		err = errors.New("a person's token may not travel in the clear")
	default:
		return token, nil
	}
	e := &Error{Method: c.method.name, Code: CodeNoPersonsToken, Kind: Unavailable, err: err}
	switch {
	case errors.Is(err, ErrSignIn):
		e.Code, e.Kind, e.SignIn = CodeSignInAgain, Auth, true
	case errors.Is(ctx.Err(), context.Canceled):
		e.Code, e.Kind = CodeTimeout, Canceled
	}
	return "", e
}

// show returns a request that shows the token; without one it is the request itself.
func (b *bearer) show(req *http.Request) *http.Request {
	if b.token == "" {
		return req
	}
	req.Header = req.Header.Clone()
	req.Header.Set("Authorization", "Bearer "+b.token)
	if q := req.URL.Query(); q.Has("token") { // slack-go puts the stand-in here, or into a form
		at := *req.URL
		q.Del("token")
		at.RawQuery, req.URL = q.Encode(), &at
	}
	if req.Body == nil || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return req
	}
	form, _ := io.ReadAll(req.Body) // it is in memory
	left := strings.Join(slices.DeleteFunc(strings.Split(string(form), "&"), func(pair string) bool { return pair == "token="+standIn }), "&")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(left)), int64(len(left))
	return req
}

// rejections are Slack's codes for a token that it does not take, or that may do too little.
var rejections = []string{"invalid_auth", "not_authed", "token_expired", "token_revoked", "account_inactive", "missing_scope"}

// rejected tells whoever wants to know that Slack has refused a person's token, and reports whether to ask
// for another one.
func (t *transport) rejected(ctx context.Context, failure *Error, b *bearer) (again bool) {
	if t.person == nil || !slices.Contains(rejections, failure.Code) {
		return false
	}
	failure.SignIn = true
	if t.person.OnRefused != nil {
		t.person.OnRefused(ofSource(ctx), failure)
	}
	again = b.refusal == nil && (failure.Code == "token_expired" || failure.Code == "invalid_auth")
	b.refusal = failure
	return again
}
