package slack

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/slackapi"
	"slackmcp/store/state"
)

// Prefix begins the keys of grants: a hash of the app and the person follows.
const Prefix = "slack-grants/"

const (
	checkEvery  = 24 * time.Hour
	refreshAt   = 90 * time.Minute // before a token's end
	refreshTime = 20 * time.Second // for which one replica alone may refresh a grant
	refreshCall = 12 * time.Second // of which Slack has this much
	giveBackIn  = 10 * time.Second
	pollEvery   = 250 * time.Millisecond
	maxTries    = 100
)

// A grant is what a person has allowed at Slack, as it is kept. It prints as its person.
type grant struct {
	Person  access.Person `json:"person"`
	Token   string        `json:"token"`
	Refresh string        `json:"refresh,omitempty"`
	Until   time.Time     `json:"until,omitzero"` // of the token; zero is for ever
	Scopes  []string      `json:"scopes"`
	Guest   bool          `json:"guest,omitempty"`
	Checked time.Time     `json:"checked"` // when Slack last said who the token is
	// Refreshing is until when one replica uses the refresh token, and nobody else may.
	Refreshing time.Time `json:"refreshing,omitzero"`
}

// String hides the tokens.
func (g grant) String() string { return "the grant of " + g.Person.String() }

// GoString hides the tokens.
func (g grant) GoString() string { return g.String() }

// Format hides the tokens from every verb.
func (g grant) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, g.String()) }

func (s *Side) key(p access.Person) string {
	text, _ := json.Marshal([]any{s.opt.ClientID, p}) // strings always encode
	sum := sha256.Sum256(text)
	return Prefix + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// get reads a person's grant and its version. Without one it is a refusal; a row that cannot be read
// is none.
func (s *Side) get(ctx context.Context, p access.Person) (g grant, version string, err error) {
	gone := refused(signin.RefusedGrant, "Nothing is known of what you allowed at Slack. Sign in again.")
	e, err := s.rows.Get(ctx, s.key(p))
	if errors.Is(err, state.ErrNotFound) {
		return grant{}, "", gone
	}
	if err != nil {
		return grant{}, "", unavailable(err)
	}
	if json.Unmarshal(e.Value, &g) != nil || g.Person != p {
		return grant{}, "", gone
	}
	return g, e.Version, nil
}

// put writes a grant over a version, or over whatever is there. It returns state.ErrConflict as it is.
func (s *Side) put(ctx context.Context, g grant, version string) (string, error) {
	value, err := json.Marshal(g)
	if err != nil {
		return "", err
	}
	next, err := s.rows.Put(ctx, s.key(g.Person), value, state.Put{IfVersion: version})
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return "", unavailable(err)
	}
	return next, err
}

// keep writes the grant of somebody who has just signed in: it is newer than what is there.
func (s *Side) keep(ctx context.Context, g grant) error {
	_, err := s.put(ctx, g, "")
	return err
}

// giveBack revokes what Slack has given to somebody who does not sign in, unless they had a grant
// before, which may be the same. It goes on when ctx has ended.
func (s *Side) giveBack(ctx context.Context, p access.Person, g slackapi.Grant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackIn)
	defer cancel()
	if _, err := s.rows.Get(ctx, s.key(p)); errors.Is(err, state.ErrNotFound) {
		_ = s.revoke(ctx, g.Token, g.Refresh) // Slack shows the person what is left, and the token is kept nowhere
	}
}

// revoke ends both tokens at Slack; with rotation the end of one is not the end of the other.
func (s *Side) revoke(ctx context.Context, token, refresh string) error {
	var first error
	if refresh != "" {
		first = s.opt.App.Revoke(ctx, refresh)
	}
	return errors.Join(first, s.opt.App.Revoke(ctx, token))
}

// Release implements signin.Slack.
func (s *Side) Release(ctx context.Context, p access.Person) error {
	g, version, err := s.get(ctx, p)
	if _, none := errors.AsType[*signin.RefusedError](err); none {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.revoke(ctx, g.Token, g.Refresh); err != nil {
		return unavailable(err)
	}
	return s.forget(ctx, p, version)
}

// forget deletes a version of a grant; another one stays.
func (s *Side) forget(ctx context.Context, p access.Person, version string) error {
	err := s.rows.Delete(ctx, s.key(p), version)
	if err == nil || errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) {
		return nil
	}
	return unavailable(err)
}

// Check implements signin.Slack.
func (s *Side) Check(ctx context.Context, p access.Person) error {
	g, _, err := s.get(ctx, p)
	if err != nil {
		return err
	}
	if err := s.allowed(g); err != nil {
		return err
	}
	if s.opt.Now().Sub(g.Checked) < checkEvery {
		return nil
	}
	g, version, err := s.fresh(ctx, p)
	if err != nil {
		return err
	}
	again, _, err := s.identify(ctx, slackapi.Grant{
		User: p.User, Team: p.Team, Enterprise: p.Enterprise, EnterpriseInstall: p.Team == "", Token: g.Token, Scopes: g.Scopes,
	})
	if r, ok := errors.AsType[*signin.RefusedError](err); ok && (r.Reason == signin.RefusedGrant || r.Reason == signin.RefusedAccount) {
		return errors.Join(err, s.forget(ctx, p, version))
	}
	if err != nil {
		return err
	}
	g.Guest, g.Checked = again.Guest, s.opt.Now()
	if _, err := s.put(ctx, g, version); err != nil && !errors.Is(err, state.ErrConflict) {
		return err // a conflict is of a replica that has checked, or refreshed, meanwhile
	}
	return nil
}

// fresh returns a person's grant with a token that is good for a while, and its version. Where the
// token has to be refreshed, one replica does it and the others wait, or go on with the old token while
// it is good.
func (s *Side) fresh(ctx context.Context, p access.Person) (grant, string, error) {
	for range maxTries {
		g, version, err := s.get(ctx, p)
		if err != nil {
			return g, "", err
		}
		now := s.opt.Now()
		busy := now.Before(g.Refreshing)
		switch {
		case !g.ends(now), busy && now.Before(g.Until):
			return g, version, nil
		case busy:
			if err := wait.Sleep(ctx, pollEvery); err != nil {
				return g, "", unavailable(err)
			}
			continue
		}
		next, version, err := s.refresh(ctx, g, version)
		if !errors.Is(err, state.ErrConflict) {
			return next, version, err
		}
	}
	return grant{}, "", unavailable(errors.New("the grant changes too often"))
}

// replace writes what Slack gave for a refresh token, again while the store is away: the tokens of
// before are used up. Where the grant was let go meanwhile, the new tokens are given back.
func (s *Side) replace(ctx context.Context, g grant, next slackapi.Grant, version string) (string, error) {
	g.Token, g.Refresh, g.Scopes, g.Refreshing = next.Token, next.Refresh, next.Scopes, time.Time{}
	for {
		written, err := s.put(ctx, g, version)
		switch {
		case errors.Is(err, state.ErrConflict):
			s.giveBack(ctx, g.Person, next)
			return "", err
		case err == nil || wait.Sleep(ctx, pollEvery) != nil:
			return written, err
		}
	}
}

// ends reports that the token ends soon, and that another one may be asked for.
func (g grant) ends(now time.Time) bool {
	return !g.Until.IsZero() && g.Refresh != "" && !now.Add(refreshAt).Before(g.Until)
}

// refresh takes the right to refresh a grant, asks Slack, and writes what it gave. It returns
// state.ErrConflict when another replica was faster.
func (s *Side) refresh(ctx context.Context, g grant, version string) (grant, string, error) {
	now := s.opt.Now()
	g.Refreshing = now.Add(refreshTime)
	version, err := s.put(ctx, g, version)
	if err != nil {
		return g, "", err
	}
	// What Slack gives is written down, even when nobody waits for it any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	call, done := context.WithTimeout(ctx, refreshCall)
	defer done()
	next, err := s.opt.App.Refresh(call, g.Refresh)
	if err == nil {
		g.Until = time.Time{}
		if next.Lives > 0 {
			g.Until = now.Add(next.Lives)
		}
		version, err = s.replace(ctx, g, next, version)
		g.Token, g.Refresh = next.Token, next.Refresh
		return g, version, err
	}
	if now.Before(g.Until) {
		return g, version, nil // the token is good still, and this may go better next time
	}
	err = ofToken(err)
	if _, ok := errors.AsType[*signin.RefusedError](err); ok {
		if _, now, changed := s.get(ctx, g.Person); changed == nil && now != version {
			return g, "", state.ErrConflict // they have signed in again meanwhile
		}
		return g, "", errors.Join(err, s.forget(ctx, g.Person, version))
	}
	return g, "", err
}
