package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/signin"
)

// waitFor waits until something is so.
func (r *rig) waitFor(so func() bool) {
	r.t.Helper()
	for until := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatal("it does not come to be")
		}
	}
}

// A state is good for one question to Slack, whatever comes of it.
func TestAStateCountsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	b := r.browser()
	state := b.ownAtSlack()
	at, err := url.Parse(r.web.URL)
	if err != nil {
		t.Fatal(err)
	}
	kept := b.http.Jar.Cookies(at)
	for i, code := range []string{"junk", "junk", "annscode"} {
		b.http.Jar.SetCookies(at, kept) // a stranger's browser forgets nothing
		p := b.get(signin.CallbackPath, url.Values{"state": {state}, "code": {code}})
		if i == 0 && p.StatusCode != http.StatusForbidden || i > 0 && (p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, "used already")) {
			t.Errorf("%s: %d, %s", code, p.StatusCode, p.body)
		}
	}
	if r.slack.asked != 1 || len(r.slack.written) != 0 {
		t.Errorf("Slack was asked %d times", r.slack.asked)
	}
}

// Who comes back from Slack many times waits behind themselves, and others do not; who has waited for too long is
// shown a page, and a reload is enough.
func TestTurnsAreFair(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	r.slack.hold = make(chan struct{})
	goOn := sync.OnceFunc(func() { close(r.slack.hold) })
	t.Cleanup(goOn)
	var all sync.WaitGroup
	const many = 20 // more than there are places
	for range many {
		b := r.browser()
		b.from = "203.0.113.7/32"
		state := b.ownAtSlack()
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.web.URL+signin.CallbackPath+"?code=slow&state="+state, nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-Client", b.from)
			if res, err := b.http.Do(req); err == nil {
				_ = res.Body.Close()
			}
		})
	}
	r.waitFor(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.came == many
	})
	r.signedIn(t)

	b := r.browser()
	b.from = "203.0.113.7/32"
	q := url.Values{"state": {b.ownAtSlack()}, "code": {"annscode"}}
	p := b.get(signin.CallbackPath, q)
	if p.StatusCode != http.StatusServiceUnavailable || !strings.Contains(p.body, "<h1>") || !strings.Contains(p.body, "reload") {
		t.Errorf("%d, %s", p.StatusCode, p.body)
	}
	goOn()
	all.Wait()
	if p = b.get(signin.CallbackPath, q); p.StatusCode != http.StatusOK {
		t.Errorf("after a reload: %d, %s", p.StatusCode, p.body)
	}
}

// Who sends too much, or too slowly, is told so in the way that they can read: people in a page.
func TestTooMuchIsToldInAPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	for path, want := range map[string]string{"/authorize/done": "text/html", "/sign-ins/end": "text/html", "/token": "application/json"} {
		p := r.browser().post(path, url.Values{"t": {strings.Repeat("a", 20<<10)}})
		if p.StatusCode != http.StatusRequestEntityTooLarge || !strings.HasPrefix(p.Header.Get("Content-Type"), want) {
			t.Errorf("%s: %d, %s", path, p.StatusCode, p.Header.Get("Content-Type"))
		}
	}
}
