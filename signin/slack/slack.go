// Package slack is Slack's side of "Sign in with Slack": it sends browsers to Slack's authorize page,
// learns from Slack who comes back and whether they may sign in, and keeps one grant for each person,
// sealed.
//
// It promises that nobody signs in about whom Slack's answers do not agree, who is of no workspace or
// organization of the allow-list, or is a bot, deactivated, a stranger, or a guest where guests are
// not let in; that a refresh token is used by one replica at a time; and that a person's failing token
// is never replaced by another one. Codes, tokens and secrets are in no error, log or address.
package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/seal"
	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// Options configure a Side.
type Options struct {
	// App exchanges codes and asks Slack, and ClientID is its id. Required.
	App      *slackapi.App
	ClientID string
	// AuthorizeURL is Slack's authorize page; empty is https://slack.com/oauth/v2/authorize. Host is
	// the host of the persons, "slack.com" when empty.
	AuthorizeURL, Host string
	// Redirect is where Slack sends browsers back to: the issuer's origin with signin.CallbackPath.
	Redirect string
	// Teams are the workspaces (T…) and organizations (E…) whose people may sign in, and Guests lets
	// guests of these in too; see [Side.Allow]. Required.
	Teams  []string
	Guests bool
	// State keeps the grants, and Keys seal them. Required.
	State state.Store
	Keys  *seal.Keyring
	// People are the sign-ins, which end when their person may no longer be signed in; nil ends none.
	People signin.People
	// OnEnd, when set, is called after the sign-ins of a person who may no longer be signed in have
	// ended, with the reason of the refusal and how many there were. It must not wait.
	OnEnd func(ctx context.Context, p access.Person, reason string, ended int)
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// A Side is a signin.Slack.
type Side struct {
	opt  Options
	rows *seal.Rows
	list atomic.Pointer[allowList]

	mu     sync.Mutex
	hinted map[access.Person]time.Time // when a hint was taken last
}

// An allowList says who may sign in.
type allowList struct {
	teams  []string
	guests bool
}

// Allow changes who may sign in: people of these workspaces (T…) and organizations (E…), none of which is
// nobody, and guests of them. Those who are signed in already are asked for with the next Check or Token.
func (s *Side) Allow(teams []string, guests bool) error {
	if slices.ContainsFunc(teams, func(t string) bool { return !strings.HasPrefix(t, "T") && !strings.HasPrefix(t, "E") }) {
		return errors.New("slack: Teams must name workspaces (T…) or organizations (E…)")
	}
	s.list.Store(&allowList{slices.Clone(teams), guests})
	return nil
}

// New checks the options and returns Slack's side. It makes no call itself.
func New(o Options) (*Side, error) {
	if o.App == nil || o.ClientID == "" || o.Redirect == "" || o.State == nil || o.Keys == nil {
		return nil, errors.New("slack: App, ClientID, Redirect, State and Keys are required")
	}
	if len(o.Teams) == 0 {
		return nil, errors.New("slack: Teams are required, or strangers could sign in")
	}
	o.AuthorizeURL = cmp.Or(o.AuthorizeURL, "https://slack.com/oauth/v2/authorize")
	o.Host = cmp.Or(o.Host, "slack.com")
	if o.Now == nil {
		o.Now = time.Now
	}
	rows, err := seal.NewRows(o.State, o.Keys)
	if err != nil {
		return nil, err
	}
	s := &Side{opt: o, rows: rows, hinted: map[access.Person]time.Time{}}
	return s, s.Allow(o.Teams, o.Guests)
}

// Scopes are the scopes of Slack that each of those needs that people may give: the user scopes of the Slack app
// have to have them. It is nil for what people cannot give.
func Scopes(s access.Scope) []string {
	if s == access.Read {
		return strings.Fields(`bookmarks:read canvases:read channels:history channels:read emoji:read files:read groups:history
			groups:read im:history im:read mpim:history mpim:read pins:read reactions:read search:read usergroups:read users:read users:read.email`)
	}
	if s == access.Write {
		return strings.Fields(`bookmarks:write canvases:write channels:write chat:write files:write groups:write im:write mpim:write
			pins:write reactions:write`)
	}
	if s == access.Events {
		return []string{} // the bot hears of events
	}
	return nil
}

// Start implements signin.Slack.
func (s *Side) Start(returned string, scopes []access.Scope) (string, error) {
	wanted := Scopes(access.Read) // who signs in has to be asked for
	for _, one := range scopes {
		more := Scopes(one)
		if more == nil {
			return "", fmt.Errorf("slack: people give no scope %q", one)
		}
		if one != access.Read {
			wanted = append(wanted, more...)
		}
	}
	q := url.Values{"client_id": {s.opt.ClientID}, "user_scope": {strings.Join(wanted, ",")}, "redirect_uri": {s.opt.Redirect}, "state": {returned}}
	if teams := s.list.Load().teams; len(teams) == 1 && teams[0][0] == 'T' {
		q.Set("team", teams[0]) // it chooses the workspace, and checks nothing
	}
	return s.opt.AuthorizeURL + "?" + q.Encode(), nil
}

// Finish implements signin.Slack.
func (s *Side) Finish(ctx context.Context, code string, used func(context.Context, signin.Account) error) (signin.Account, error) {
	g, err := s.opt.App.Exchange(ctx, code, s.opt.Redirect)
	if err != nil {
		return signin.Account{}, ofExchange(err)
	}
	r, account, err := s.identify(ctx, g)
	if err == nil {
		err = used(ctx, account)
	}
	if err == nil {
		err = s.keep(ctx, r)
	}
	if err != nil {
		s.giveBack(ctx, s.personOf(g), g)
		return account, err
	}
	return account, nil
}

func (s *Side) personOf(g slackapi.Grant) access.Person {
	p := access.Person{Host: s.opt.Host, Enterprise: g.Enterprise, Team: g.Team, User: g.User}
	if g.EnterpriseInstall {
		p.Team = ""
	}
	return p
}

// identify asks Slack whose a grant is, requires that all answers agree, and that the person may sign
// in.
func (s *Side) identify(ctx context.Context, g slackapi.Grant) (grant, signin.Account, error) {
	who, err := s.opt.App.Identify(ctx, g.Token)
	if err != nil {
		return grant{}, signin.Account{}, ofToken(err)
	}
	p := s.personOf(g)
	if !p.Valid() || !agree(g, who) {
		return grant{}, signin.Account{}, mismatch()
	}
	user, err := s.opt.App.User(ctx, g.Token, g.User)
	if err != nil {
		return grant{}, signin.Account{Person: p}, ofToken(err)
	}
	r := grant{
		Person: p, Token: g.Token, Refresh: g.Refresh, Scopes: g.Scopes, Guest: user.IsRestricted || user.IsUltraRestricted,
		Home: who.TeamID, Zone: user.TZ, Checked: s.opt.Now(),
	}
	if g.Lives > 0 {
		r.Until = s.opt.Now().Add(g.Lives)
	}
	account := signin.Account{
		Person: p, Name: cmp.Or(user.Profile.DisplayName, user.RealName, user.Name), Workspace: who.Team, Guest: r.Guest,
	}
	for _, one := range access.Personal {
		if !slices.ContainsFunc(Scopes(one), func(scope string) bool { return !slices.Contains(g.Scopes, scope) || !who.Has(scope) }) {
			account.Scopes = append(account.Scopes, one)
		}
	}
	err = s.judge(r, user)
	if err == nil && !slices.Contains(account.Scopes, access.Read) {
		err = refused(signin.RefusedScopes, "Slack did not give everything that reading needs. Sign in again and allow it.")
	}
	return r, account, err
}

// agree reports whether the token endpoint and auth.test say the same of a person. Of an install for an
// organization the workspace of auth.test says nothing.
func agree(g slackapi.Grant, who slackapi.Identity) bool {
	return who.BotID == "" && who.UserID == g.User && who.EnterpriseID == g.Enterprise && who.EnterpriseInstall == g.EnterpriseInstall &&
		(g.EnterpriseInstall || who.TeamID == g.Team)
}

// judge says whether a user of Slack may be signed in as a grant's person.
func (s *Side) judge(r grant, user slackapi.User) error {
	p := r.Person
	ours := p.Enterprise == "" && user.TeamID == p.Team || p.Enterprise != "" && (user.EnterpriseUser.EnterpriseID == p.Enterprise || p.Team != "" && user.TeamID == p.Team)
	switch {
	case user.ID != p.User:
		return mismatch()
	case user.IsBot, user.Deleted, user.IsStranger:
		return refused(signin.RefusedAccount, "This Slack account cannot sign in: it is a bot, is deactivated, or is of another workspace.")
	case !ours:
		return mismatch()
	}
	return s.allowed(r)
}

// allowed judges a grant by the settings alone. An id that is empty is on no list: Allow sees to it.
func (s *Side) allowed(r grant) error {
	p, list := r.Person, s.list.Load()
	switch {
	case !slices.Contains(list.teams, p.Team) && !slices.Contains(list.teams, p.Enterprise):
		return refused(signin.RefusedWorkspace, "People of this workspace may not sign in here. Sign in with an account of the right one, or ask who operates this server.")
	case r.Guest && !list.guests:
		return refused(signin.RefusedGuest, "Guests may not sign in here. Ask who operates this server.")
	}
	return nil
}

func refused(reason, text string) error { return &signin.RefusedError{Reason: reason, Text: text} }

func mismatch() error {
	return refused(signin.RefusedMismatch, "Slack's answers do not agree about who you are. Sign in again.")
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", signin.ErrUnavailable, err) }

// codeOf is Slack's code in an error.
func codeOf(err error) string {
	if e, ok := errors.AsType[*slackapi.Error](err); ok {
		return e.Code
	}
	return ""
}

// ofExchange is what an error of the exchange of a code means.
func ofExchange(err error) error {
	switch codeOf(err) {
	case "invalid_code", "code_already_used":
		return refused(signin.RefusedCode, "Slack does not know this sign-in, or no longer. Sign in again.")
	}
	return unavailable(err)
}

// ofToken is what an error of a call with a person's token means.
func ofToken(err error) error {
	switch codeOf(err) {
	case "account_inactive":
		return refused(signin.RefusedAccount, "This Slack account is deactivated.")
	case "user_not_found", "user_not_visible":
		return refused(signin.RefusedAccount, "Slack does not show this account.")
	case "token_revoked", "token_expired", "invalid_auth", "not_authed", "invalid_refresh_token", "invalid_grant":
		return refused(signin.RefusedGrant, "Slack has ended what you allowed. Sign in again.")
	case "missing_scope":
		return refused(signin.RefusedScopes, "Slack did not give everything that reading needs. Sign in again and allow it.")
	}
	return unavailable(err)
}
