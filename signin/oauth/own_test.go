package oauth_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/oauth"
)

var ben = access.Person{Host: "slack.com", Team: "T1", User: "U2"}

// ownRig is a server at which Ann and Ben have signed in.
func ownRig(t *testing.T) (r *rig, anns, bens map[string]any) {
	t.Helper()
	r = newRig(t, options{})
	r.slack.accounts["benscode"] = signin.Account{Person: ben, Name: "Ben", Workspace: "Acme", Scopes: []access.Scope{access.Read, access.Write}}
	id := r.register(`</p><script>alert(1)</script>`+"\u202e", loopback)
	give := func(code string) map[string]any {
		b := r.browser()
		state := b.atSlack(request(id, loopback))
		form := b.get(signin.CallbackPath, url.Values{"state": {state}, "code": {code}}).form(t)
		_, sent := b.post("/authorize/done", url.Values{"t": {form}, "answer": {"continue"}}).to(t)
		status, given := r.token(exchange(id, loopback, sent.Get("code")))
		if status != http.StatusOK {
			t.Fatalf("%d, %v", status, given)
		}
		return given
	}
	return r, give("annscode"), give("benscode")
}

// ownAtSlack begins the way to a person's own page, and returns the state with which the browser is at
// Slack.
func (b *browser) ownAtSlack() string {
	b.r.t.Helper()
	form := b.get("/sign-ins", nil).form(b.r.t)
	to, sent := b.post("/sign-ins/slack", url.Values{"t": {form}}).to(b.r.t)
	if !strings.HasPrefix(to, slackOrigin) || sent.Get("user_scope") != "read" {
		b.r.t.Fatalf("sent to %s with %v", to, sent)
	}
	return sent.Get("state")
}

func (b *browser) own(code string) page {
	b.r.t.Helper()
	return b.get(signin.CallbackPath, url.Values{"state": {b.ownAtSlack()}, "code": {code}})
}

var endButton = regexp.MustCompile(`name="end" value="([^"]*)"`)

// ends are the sign-ins that a page offers to end.
func (p page) ends() (ids []string) {
	for _, m := range endButton.FindAllStringSubmatch(p.body, -1) {
		if id := html.UnescapeString(m[1]); id != "all" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *rig) holds(given map[string]any) bool {
	_, err := r.signIns.Authenticate(r.t.Context(), given["access_token"].(string))
	return err == nil
}

// A person sees their own sign-ins and ends them; with the last one the grant ends.
func TestOwnPage(t *testing.T) {
	t.Parallel()
	r, anns, bens := ownRig(t)
	b := r.browser()
	p := b.own("annscode")
	form, ids := p.form(t), p.ends()
	if len(ids) != 1 || !strings.Contains(p.body, "a program on this computer") {
		t.Fatalf("%v: %s", ids, p.body)
	}
	if strings.Contains(p.body, "<script") || strings.Contains(p.body, "\u202e") || !strings.Contains(p.body, "&lt;script&gt;") || strings.Contains(p.body, "<b>Other") {
		t.Errorf("names are markup: %s", p.body)
	}
	policy := p.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "script-src") || p.Header.Get("X-Frame-Options") != "DENY" || p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", p.Header)
	}
	after := b.post("/sign-ins/end", url.Values{"t": {form}, "end": {ids[0]}})
	if after.StatusCode != http.StatusOK || len(after.ends()) != 0 || !strings.Contains(after.body, "No program") {
		t.Errorf("%d: %s", after.StatusCode, after.body)
	}
	if r.holds(anns) || !r.holds(bens) {
		t.Error("the wrong one has ended")
	}
	if !slices.Equal(r.slack.released, []access.Person{ann}) {
		t.Errorf("released %v", r.slack.released)
	}
	want := oauth.Event{What: oauth.SignedOut, Reason: "person", Person: ann, SignIn: ids[0]}
	if r.events[len(r.events)-1] != want {
		t.Errorf("%+v", r.events)
	}
	// All at once, also when nothing is there.
	for _, n := range []int{1, 0} {
		p := b.own("benscode")
		if len(p.ends()) != n {
			t.Errorf("%v, want %d", p.ends(), n)
		}
		if n == 0 {
			break
		}
		if p = b.post("/sign-ins/end", url.Values{"t": {p.form(t)}, "end": {"all"}}); len(p.ends()) != 0 {
			t.Errorf("%v are left", p.ends())
		}
	}
	if r.holds(bens) {
		t.Error("Ben's holds")
	}
}

// Nobody ends another person's sign-ins, whatever id they send, nor by another's browser.
func TestOwnPageIsOwn(t *testing.T) {
	t.Parallel()
	r, anns, bens := ownRig(t)
	bensID := strings.Split(bens["access_token"].(string), ".")[1]
	annsID := strings.Split(anns["access_token"].(string), ".")[1]
	b := r.browser()
	form := b.own("annscode").form(t)
	for _, id := range []string{bensID, annsID[:22] + bensID[22:], bensID[:22] + annsID[22:], "../" + annsID, "", strings.Repeat("A", 44), "T1/U2"} {
		if p := b.post("/sign-ins/end", url.Values{"t": {form}, "end": {id}}); p.StatusCode != http.StatusOK || !slices.Equal(p.ends(), []string{annsID}) {
			t.Errorf("%s: %d, %v", id, p.StatusCode, p.ends())
		}
	}
	end := func(form string) url.Values { return url.Values{"t": {form}, "end": {"all"}} }
	victim := r.browser()
	own := victim.own("benscode").form(t)
	for name, p := range map[string]page{
		"an attacker's form":        victim.post("/sign-ins/end", end(form)),
		"a victim's form":           b.post("/sign-ins/end", end(own)),
		"a form of another site":    victim.post("/sign-ins/end", end(own), "Origin", "https://evil.example"),
		"a request of another site": victim.post("/sign-ins/end", end(own), "Sec-Fetch-Site", "cross-site"),
		"a request of a sibling":    victim.post("/sign-ins/end", end(own), "Sec-Fetch-Site", "same-site"),
		"no form":                   victim.post("/sign-ins/end", end("")),
		"without cookies":           r.browser().post("/sign-ins/end", end(own)),
		"by address":                victim.get("/sign-ins/end", end(own)),
		"two answers":               victim.post("/sign-ins/end", url.Values{"t": {own}, "end": {bensID, "all"}}),
		"the form before Slack":     victim.post("/sign-ins/end", end(victim.get("/sign-ins", nil).form(t))),
		"as the end of a client's":  victim.post("/authorize/done", url.Values{"t": {own}, "answer": {"continue"}}),
	} {
		refused(t, name, p)
	}
	r.forward(11 * 60 * 1e9)
	refused(t, "an old page", victim.post("/sign-ins/end", end(own)))
	if n := len(r.slack.released); n != 0 {
		t.Errorf("%d grants were let go", n)
	}
	for _, id := range []string{annsID, bensID} {
		if list, err := r.state.Get(t.Context(), "signins/"+id[:22]+"/"+id[22:]); err != nil {
			t.Errorf("%v, %v", list, err)
		}
	}
}

// The way to the page through Slack is that of the browser that began it, is used once, and leads to no
// client; a client's way does not lead to the page.
func TestOwnPageLoginCSRF(t *testing.T) {
	t.Parallel()
	r, _, _ := ownRig(t)
	attacker, victim := r.browser(), r.browser()
	before := r.count()
	state, own := attacker.ownAtSlack(), victim.ownAtSlack()
	start := victim.get("/sign-ins", nil).form(t)
	if n := r.count(); n != before {
		t.Errorf("%d rows were written for strangers", n-before)
	}
	back := url.Values{"state": {state}, "code": {"annscode"}}
	for name, p := range map[string]page{
		"an attacker's way back":        victim.get(signin.CallbackPath, back),
		"a browser that began nothing":  r.browser().get(signin.CallbackPath, back),
		"an invented state":             victim.get(signin.CallbackPath, url.Values{"state": {own[:8] + state[8:]}, "code": {"annscode"}}),
		"an attacker's start":           victim.post("/sign-ins/slack", url.Values{"t": {attacker.get("/sign-ins", nil).form(t)}}),
		"a start of another site":       victim.post("/sign-ins/slack", url.Values{"t": {start}}, "Sec-Fetch-Site", "cross-site"),
		"a start by address":            victim.get("/sign-ins/slack", url.Values{"t": {start}}),
		"a client's consent by a start": victim.post("/authorize/consent", url.Values{"t": {start}, "answer": {"allow"}}),
		"a person who is not let in":    victim.get(signin.CallbackPath, url.Values{"state": {victim.ownAtSlack()}, "error": {"access_denied"}}),
	} {
		refused(t, name, p)
	}
	if p := attacker.get(signin.CallbackPath, back); p.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", p.StatusCode, p.body)
	}
	refused(t, "the way back twice", attacker.get(signin.CallbackPath, back))
	// A browser that kept its cookie uses the state only once, too.
	kept := r.browser()
	again := kept.ownAtSlack()
	u, err := url.Parse(r.web.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookies := kept.http.Jar.Cookies(u)
	back.Set("state", again)
	if p := kept.get(signin.CallbackPath, back); p.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", p.StatusCode, p.body)
	}
	kept.http.Jar.SetCookies(u, cookies)
	refused(t, "a replayed state", kept.get(signin.CallbackPath, back))
}

// While Slack is away nobody sees a page, and nothing ends.
func TestOwnPageWithoutSlack(t *testing.T) {
	t.Parallel()
	r, anns, _ := ownRig(t)
	r.slack.err = signin.ErrUnavailable
	if p := r.browser().own("annscode"); p.StatusCode != http.StatusServiceUnavailable || len(p.ends()) != 0 || !r.holds(anns) {
		t.Errorf("%d: %s", p.StatusCode, p.body)
	}
}
