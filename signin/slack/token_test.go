package slack_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/slack"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/state"
)

// people remembers whose sign-ins were ended.
type people struct {
	mu    sync.Mutex
	ended []access.Person
}

func (p *people) EndPerson(_ context.Context, who access.Person) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = append(p.ended, who)
	return 1, nil
}

func (p *people) all() []access.Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ended)
}

// signedIn is a rig with bob signed in.
func signedIn(t *testing.T, rotation bool, more func(*slack.Options)) (*rig, *slack.Side, *people) {
	t.Helper()
	r, ended := newRig(t, rotation), &people{}
	s := r.side(func(o *slack.Options) {
		o.People = ended
		if more != nil {
			more(o)
		}
	})
	_, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), accept)
	ok(t, err)
	return r, s, ended
}

func (r *rig) count(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[method]
}

func (r *rig) app() *slackapi.App {
	r.t.Helper()
	app, err := slackapi.NewApp(slackapi.AppOptions{ClientID: "1", ClientSecret: "2", URL: r.web.URL + "/api/"})
	ok(r.t, err)
	return app
}

// TestToken has many calls at once whose token is near its end: one refresh serves them all.
func TestToken(t *testing.T) {
	t.Parallel()
	r, s, ended := signedIn(t, true, nil)
	other := r.side(nil)
	first, err := s.Token(t.Context(), bob)
	ok(t, err)
	r.pass(11 * time.Hour)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			token, err := []*slack.Side{s, other}[i%2].Token(t.Context(), bob)
			if err != nil || token == "" {
				t.Errorf("%q, %v", token, err)
			}
		})
	}
	all.Wait()
	if n := r.count("oauth.v2.access"); n != 2 {
		t.Errorf("%d exchanges and refreshes, want one of each", n)
	}
	next, err := s.Token(t.Context(), bob)
	if err != nil || next == first {
		t.Errorf("the token is the same: %v, %v", next == first, err)
	}
	who, err := r.app().Identify(t.Context(), next)
	if err != nil || who.UserID != sandbox.Bob {
		t.Errorf("the token is of %q, %v", who.UserID, err)
	}
	if _, err := s.Token(t.Context(), access.Person{Host: "slack.com", Team: sandbox.Team, User: sandbox.Alice}); reason(err) != signin.RefusedGrant {
		t.Errorf("of somebody who has not signed in: %v", err)
	}
	if got := ended.all(); len(got) != 1 || got[0].User != sandbox.Alice {
		t.Errorf("ended: %v", got)
	}
	off := r.side(func(o *slack.Options) { o.Teams = []string{"T0OTHER"} })
	if _, err := off.Token(t.Context(), bob); reason(err) != signin.RefusedWorkspace {
		t.Errorf("off the list: %v", err)
	}
}

// TestRefusedToken has Slack refuse a token that was good: only what Slack says of the grant ends it.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rotation bool
		change   func(r *rig, token string)
		want     string
		next     bool // there is another token then
	}{
		"revoked":              {change: func(r *rig, _ string) { ok(r.t, r.box.RevokeGrant("bob")) }, want: signin.RefusedGrant},
		"revoked, rotating":    {rotation: true, change: func(r *rig, _ string) { ok(r.t, r.box.RevokeGrant("bob")) }, want: signin.RefusedGrant},
		"deactivated":          {rotation: true, change: func(r *rig, _ string) { ok(r.t, r.box.Deactivate("bob")) }, want: signin.RefusedAccount},
		"that token alone":     {rotation: true, change: func(r *rig, token string) { ok(r.t, r.app().Revoke(r.t.Context(), token)) }, next: true},
		"nothing has happened": {change: func(*rig, string) {}},
		"Slack is out":         {change: func(r *rig, _ string) { ok(r.t, r.box.Inject(sandbox.Fault{Status: 503, Times: -1})) }, want: "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s, ended := signedIn(t, c.rotation, nil)
			token, err := s.Token(t.Context(), bob)
			ok(t, err)
			c.change(r, token)
			err = s.Refused(t.Context(), bob)
			if got := reason(err); got != c.want {
				t.Fatalf("%q, want %q: %v", got, c.want, err)
			}
			gone := c.want != "" && c.want != "unavailable"
			if (len(ended.all()) > 0) != gone || (len(r.rows()) == 0) != gone {
				t.Errorf("ended %v, %d rows", ended.all(), len(r.rows()))
			}
			if c.want != "" {
				return
			}
			next, err := s.Token(t.Context(), bob)
			if err != nil || (next != token) != c.next || !r.alive() {
				t.Errorf("another token: %v, %v", next != token, err)
			}
			before := r.count("auth.test")
			ok(t, s.Refused(t.Context(), bob))
			if r.count("auth.test") != before {
				t.Error("Slack is asked for each call that fails")
			}
		})
	}
}

// TestSignedInAgainMeanwhile has a grant end at Slack while its person signs in again: the new one stays.
func TestSignedInAgainMeanwhile(t *testing.T) {
	t.Parallel()
	r, s, ended := signedIn(t, false, nil)
	row := r.rows()[0]
	r.mu.Lock()
	r.edit = of("auth.test", func(m map[string]any) {
		clear(m)
		m["ok"], m["error"] = false, "token_revoked"
		r.edit = nil
		if _, err := r.state.Put(context.Background(), row.Key, row.Value, state.Put{}); err != nil {
			t.Error(err)
		}
	})
	r.mu.Unlock()
	ok(t, s.Test(t.Context(), bob))
	if len(ended.all()) != 0 || len(r.rows()) != 1 {
		t.Errorf("ended %v, %d rows", ended.all(), len(r.rows()))
	}
}

// TestWhoMayNoLongerIsReleased has somebody fall out of the settings: they are signed out, and what Slack
// gave goes back.
func TestWhoMayNoLongerIsReleased(t *testing.T) {
	t.Parallel()
	r, _, ended := signedIn(t, true, nil)
	s := r.side(func(o *slack.Options) { o.People, o.Teams = ended, []string{"T0OTHER"} })
	if got := reason(s.Check(t.Context(), bob)); got != signin.RefusedWorkspace {
		t.Errorf("%q", got)
	}
	if len(ended.all()) != 1 || len(r.rows()) != 0 || r.alive() {
		t.Errorf("ended %v, %d rows, alive %v", ended.all(), len(r.rows()), r.alive())
	}
}

// TestTidy has grants that nobody needs go back to Slack: a sign-in that has ended by itself has told
// nobody.
func TestTidy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, other bool // the person has a sign-in; the server has another app by now
		later     time.Duration
		gone      bool
	}{
		"signed in":              {in: true, later: time.Hour},
		"between Slack and here": {later: 20 * time.Minute},
		"signed out":             {later: time.Hour, gone: true},
		"of another app":         {in: true, other: true, later: time.Hour, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s, _ := signedIn(t, true, nil)
			if c.other {
				s = r.side(func(o *slack.Options) { o.ClientID = "2.3" })
			}
			r.pass(c.later)
			n, err := s.Tidy(t.Context(), func(_ context.Context, p access.Person) (bool, error) { return c.in && p == bob, nil })
			ok(t, err)
			if (n == 1) != c.gone || (len(r.rows()) == 0) != c.gone || r.alive() == c.gone {
				t.Errorf("%d released, %d rows, alive %v", n, len(r.rows()), r.alive())
			}
		})
	}
}

// TestAllow has the operator change who may sign in: the next call of somebody who may not is none, and
// they are signed out.
func TestAllow(t *testing.T) {
	t.Parallel()
	type end struct {
		who    access.Person
		reason string
		n      int
	}
	for name, c := range map[string]struct {
		user   string
		teams  []string
		guests bool
		want   string
	}{
		"as before":        {sandbox.Bob, []string{sandbox.Team}, false, ""},
		"of another team":  {sandbox.Bob, []string{"T0OTHER"}, true, signin.RefusedWorkspace},
		"nobody":           {sandbox.Bob, nil, true, signin.RefusedWorkspace},
		"no guests":        {sandbox.Kira, []string{sandbox.Team}, false, signin.RefusedGuest},
		"guests as before": {sandbox.Kira, []string{sandbox.Team}, true, ""},
	} {
		var ends []end
		r, s, ended := signedIn(t, true, func(o *slack.Options) {
			o.Guests = true
			o.OnEnd = func(_ context.Context, p access.Person, reason string, n int) { ends = append(ends, end{p, reason, n}) }
		})
		who := access.Person{Host: "slack.com", Team: sandbox.Team, User: c.user}
		if _, err := s.Finish(t.Context(), r.code(s, c.user, access.Read), accept); err != nil {
			t.Fatal(err)
		}
		ok(t, s.Allow(c.teams, c.guests))
		if _, err := s.Token(t.Context(), who); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if got := slices.Contains(ended.all(), who); got != (c.want != "") || got && !slices.Equal(ends, []end{{who, c.want, 1}}) {
			t.Errorf("%s: ended %v, told of %v", name, ended.all(), ends)
		}
	}
	_, s, _ := signedIn(t, false, nil)
	if s.Allow([]string{""}, false) == nil || s.Allow([]string{"*"}, false) == nil {
		t.Error("everybody would be let in")
	}
}
