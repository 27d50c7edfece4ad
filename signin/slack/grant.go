package slack

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	hintPause   = 10 * time.Second // after which a failing call is a hint again
	maxHinted   = 10_000           // people whose hints are remembered
	maxTries    = 100
)

var errOften = errors.New("the grant changes too often")

// A grant is what a person has allowed at Slack, as it is kept. It prints as its person.
type grant struct {
	Person  access.Person `json:"person"`
	Token   string        `json:"token"`
	Refresh string        `json:"refresh,omitempty"`
	Until   time.Time     `json:"until,omitzero"` // of the token; zero is for ever
	Scopes  []string      `json:"scopes"`
	Guest   bool          `json:"guest,omitempty"`
	Home    string        `json:"home,omitempty"` // the workspace that Slack names for the token
	Zone    string        `json:"zone,omitempty"` // the person's time zone
	Checked time.Time     `json:"checked"`        // when Slack last said who the token is
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

// An Info is what people who operate the server may know of a grant. It holds no token.
type Info struct {
	Person access.Person `json:"person"`
	// Scopes are Slack's.
	Scopes []string `json:"scopes"`
	Guest  bool     `json:"guest,omitempty"`
	// Home is the workspace (T…) that Slack names for the token, and Zone the name of the person's time
	// zone. They are empty in a grant of an older release until it is checked, and are not for operators.
	Home string `json:"-"`
	Zone string `json:"-"`
	// Checked is when Slack was asked last whose it is. Until is when the token that is kept ends, and is
	// zero for one without an end; Renews says that it is renewed before.
	Checked time.Time `json:"checked"`
	Until   time.Time `json:"until,omitzero"`
	Renews  bool      `json:"renews,omitempty"`
}

func (g grant) info() Info {
	return Info{Person: g.Person, Scopes: g.Scopes, Guest: g.Guest, Home: g.Home, Zone: g.Zone, Checked: g.Checked, Until: g.Until, Renews: g.Refresh != ""}
}

// Grant returns what a person has allowed, or a *signin.RefusedError where there is no grant. Slack is not
// asked.
func (s *Side) Grant(ctx context.Context, p access.Person) (Info, error) {
	g, _, err := s.get(ctx, p)
	return g.info(), err
}

// Grants lists at most a hundred of the app's grants behind the cursor after ("" at first), in no order
// that means anything, and the cursor of the next page, which is "" at the end.
func (s *Side) Grants(ctx context.Context, after string) (page []Info, next string, err error) {
	entries, err := s.rows.List(ctx, Prefix, after, 0)
	if err != nil {
		return nil, "", unavailable(err)
	}
	for _, e := range entries {
		var g grant
		if json.Unmarshal(e.Value, &g) == nil && s.key(g.Person) == e.Key {
			page = append(page, g.info())
		}
		next = e.Key
	}
	return page, next, nil
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

// Check implements signin.Slack. All sign-ins of a person who is refused end, and what Slack gave goes
// back.
func (s *Side) Check(ctx context.Context, p access.Person) error { return s.check(ctx, p, checkEvery) }

// Test is Check, and asks Slack in any case: there is a hint that it has ended what the person allowed.
func (s *Side) Test(ctx context.Context, p access.Person) error { return s.check(ctx, p, 0) }

// Token returns a token for calls as a person, refreshed where it was near its end. It is for one call:
// the next may need another one. Errors are a *signin.RefusedError, after which the person's sign-ins
// have ended, or wrap signin.ErrUnavailable.
func (s *Side) Token(ctx context.Context, p access.Person) (string, error) {
	g, _, err := s.fresh(ctx, p)
	if err == nil {
		err = s.allowed(g)
	}
	if err != nil {
		return "", s.settle(ctx, p, err)
	}
	return g.Token, nil
}

// Refused is called when Slack has refused a token of Token in a call, as revoked, expired or of nobody.
// That is a hint: the grant is tested, unless one was taken for the person a moment ago. It returns what
// Check does; after nil Token may give another one.
func (s *Side) Refused(ctx context.Context, p access.Person) error {
	now := s.opt.Now()
	s.mu.Lock()
	if len(s.hinted) >= maxHinted {
		maps.DeleteFunc(s.hinted, func(_ access.Person, at time.Time) bool { return now.Sub(at) >= hintPause })
	}
	held := now.Sub(s.hinted[p]) < hintPause || len(s.hinted) >= maxHinted
	if !held {
		s.hinted[p] = now
	}
	s.mu.Unlock()
	if held {
		return nil
	}
	return s.Test(ctx, p)
}

// settle ends the sign-ins of a person about whom err is a refusal, and gives their grant back. It
// returns err, with what went wrong.
func (s *Side) settle(ctx context.Context, p access.Person, err error) error {
	r, refused := errors.AsType[*signin.RefusedError](err)
	if !refused || s.opt.People == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackIn)
	defer cancel()
	n, failed := s.opt.People.EndPerson(ctx, p)
	if n > 0 && s.opt.OnEnd != nil {
		s.opt.OnEnd(ctx, p, r.Reason, n)
	}
	return errors.Join(err, failed, s.Release(ctx, p))
}

// check says whether a person may be signed in, and asks Slack where it has not said so for some time.
func (s *Side) check(ctx context.Context, p access.Person, age time.Duration) error {
	for range maxTries {
		if err := s.checkOnce(ctx, p, age); !errors.Is(err, state.ErrConflict) {
			return s.settle(ctx, p, err)
		}
	}
	return unavailable(errOften)
}

// checkOnce is check, and returns state.ErrConflict when the grant has changed before it was deleted: the
// person has signed in again.
func (s *Side) checkOnce(ctx context.Context, p access.Person, age time.Duration) error {
	g, _, err := s.get(ctx, p)
	if err == nil {
		err = s.allowed(g)
	}
	if err != nil || s.opt.Now().Sub(g.Checked) < age {
		return err
	}
	g, version, err := s.fresh(ctx, p)
	if err != nil {
		return err
	}
	again, err := s.identifyAgain(ctx, g)
	if ended(err) && g.Refresh != "" && !s.opt.Now().Before(g.Refreshing) { // the token alone may have ended
		if g, version, err = s.refresh(ctx, g, version); err == nil {
			again, err = s.identifyAgain(ctx, g)
		}
	}
	if ended(err) {
		gone := s.rows.Delete(ctx, s.key(p), version)
		switch {
		case errors.Is(gone, state.ErrConflict):
			return gone
		case gone != nil && !errors.Is(gone, state.ErrNotFound):
			return errors.Join(err, unavailable(gone))
		}
	}
	if err != nil {
		return err
	}
	g.Guest, g.Home, g.Zone, g.Checked = again.Guest, again.Home, again.Zone, s.opt.Now()
	if _, err := s.put(ctx, g, version); err != nil && !errors.Is(err, state.ErrConflict) {
		return err // a conflict is of a replica that has checked, or refreshed, meanwhile
	}
	return nil
}

// identifyAgain asks Slack whose a kept grant is.
func (s *Side) identifyAgain(ctx context.Context, g grant) (grant, error) {
	p := g.Person
	again, _, err := s.identify(ctx, slackapi.Grant{
		User: p.User, Team: p.Team, Enterprise: p.Enterprise, EnterpriseInstall: p.Team == "", Token: g.Token, Scopes: g.Scopes,
	})
	return again, err
}

// ended reports whether Slack has said that what a person allowed, or the person, is no more.
func ended(err error) bool {
	r, ok := errors.AsType[*signin.RefusedError](err)
	return ok && (r.Reason == signin.RefusedGrant || r.Reason == signin.RefusedAccount)
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
	return grant{}, "", unavailable(errOften)
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
