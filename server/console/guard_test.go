package console_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	html5 "golang.org/x/net/html"

	"slackmcp/internal/logging"
	"slackmcp/server/console"
	"slackmcp/webhook/event"
)

var pages = []string{
	"/", "/events", "/events/show?source=slack&id=Ev0", "/events/show?source=slack&id=Ev0&who=U1", "/deliveries", "/deliveries/show?id=kq3f", "/groups", "/groups/drop?group=g", "/dead-letters", "/dead-letters?group=g", "/rules", "/gaps",
	"/subscriptions", "/assistants", "/people", "/people/show?who=T1/U1", "/settings", "/jobs",
}

var changes = []string{
	"/dead-letters/redrive", "/dead-letters/drop", "/events/replay", "/events/replay-all", "/groups/drop", "/gaps/fill", "/subscriptions/change", "/people/sign-out", "/store/backup", "/store/verify", "/jobs/stop", "/sign-out",
}

func TestAStrangerGetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, "no", nil)
	b := w.browser()
	for _, path := range append(pages, "/live", "/nothing") {
		a := b.get(console.Base + path)
		if a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/sign-in" || strings.Contains(a.body, "Ev0") {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range changes {
		if a := b.post(console.Base+path, url.Values{"group": {"g"}, "which": {"matching"}, "sure": {"yes"}, "who": {"T1/U1"}}); a.status != http.StatusUnauthorized {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
	if changes, _ := w.told(); len(changes) > 0 || w.dead() != 2 {
		t.Errorf("a stranger changed %v", changes)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, "no", nil)
	b := w.signedIn()
	form := url.Values{"group": {"g"}, "which": {"matching"}, "sure": {"yes"}}
	form.Set("csrf", csrf.FindStringSubmatch(b.get("/console/settings").body)[1])
	for name, change := range map[string]func(*http.Request){
		"cross-site":          func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another port":        func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another origin":      func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"the origin null":     func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"the token of no one": func(r *http.Request) { r.URL.RawQuery = ""; *r = *withForm(t, r, "csrf", "x") },
		"no token":            func(r *http.Request) { *r = *withForm(t, r, "csrf", "") },
	} {
		for _, path := range changes {
			if a := b.do(http.MethodPost, console.Base+path, form, change); a.status != http.StatusForbidden {
				t.Errorf("%s: POST %s: %d, want 403", name, path, a.status)
			}
		}
	}
	for _, path := range changes {
		if a := b.get(console.Base + path + "?" + form.Encode()); a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotFound && path != "/groups/drop" {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
	if changes, _ := w.told(); len(changes) > 0 || w.dead() != 2 {
		t.Errorf("another site changed %v", changes)
	}
}

// withForm is a request whose form has another value.
func withForm(t *testing.T, r *http.Request, name, value string) *http.Request {
	t.Helper()
	form := url.Values{"group": {"g"}, "which": {"matching"}, "sure": {"yes"}, name: {value}}
	other, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	other.Header = r.Header
	return other
}

func TestWhoMayReachIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", nil)
	named := newWorld(t, 0, "", func(o *console.Options) { o.Hosts = []string{"ops.example.com:9090"} })
	for _, one := range []struct {
		name, peer, host, header string
		open, openNamed          bool
	}{
		{"this machine", "127.0.0.1:5", "localhost:9090", "", true, true},
		{"this machine, IPv6", "[::1]:5", "[::1]:9090", "", true, true},
		{"a name that leads here", "127.0.0.1:5", "evil.example:9090", "", false, false},
		{"a name that looks like it", "127.0.0.1:5", "localhost.evil.example:9090", "", false, false},
		{"another machine", "192.0.2.1:5", "localhost:9090", "", false, false},
		{"through a proxy", "127.0.0.1:5", "localhost:9090", "X-Forwarded-For", false, false},
		{"through another proxy", "127.0.0.1:5", "127.0.0.1:9090", "Forwarded", false, false},
		{"the name that was given", "192.0.2.1:5", "ops.example.com:9090", "", false, true},
		{"the name on another port", "192.0.2.1:5", "ops.example.com", "", false, false},
	} {
		for which, c := range map[bool]*console.Console{false: w.c, true: named.c} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/sign-in", http.NoBody)
			r.RemoteAddr, r.Host = one.peer, one.host
			if one.header != "" {
				r.Header.Set(one.header, "for=192.0.2.1")
			}
			got := httptest.NewRecorder()
			c.ServeHTTP(got, r)
			want := one.open
			if which {
				want = one.openNamed
			}
			if open := got.Code == http.StatusOK; open != want || !open && got.Code != http.StatusNotFound {
				t.Errorf("%s, named %v: %d, want open %v", one.name, which, got.Code, want)
			}
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", nil)
	first := w.signedIn()
	cookie := ""
	for _, c := range first.http.Jar.Cookies(must(url.Parse(w.url + "/console"))) {
		if strings.HasPrefix(c.Name, "console_session_") {
			cookie = c.Value
		}
	}
	if len(cookie) < 26 || strings.Contains(first.get("/console/settings").body, cookie) {
		t.Errorf("the cookie is %q, and no page may show it", cookie)
	}
	for range 16 {
		w.signedIn()
	}
	if a := first.get("/console/"); a.status != http.StatusSeeOther {
		t.Errorf("the session that was used longest ago is still open beside 16 others: %d", a.status)
	}
	b := w.signedIn()
	if a := b.post("/console/sign-out", url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("sign out: %d", a.status)
	}
	if a := b.get("/console/"); a.status != http.StatusSeeOther {
		t.Errorf("signed out, and open: %d", a.status)
	}
	b = w.signedIn()
	w.c.SetToken(t.Context(), token)
	if a := b.get("/console/"); a.status != http.StatusOK {
		t.Errorf("the same token ended a session: %d", a.status)
	}
	w.c.SetToken(t.Context(), "another token of the operator")
	if a := b.get("/console/"); a.status != http.StatusSeeOther {
		t.Errorf("a token that was exchanged leaves its sessions open: %d", a.status)
	}
	if a := b.post("/console/sign-in", url.Values{"token": {token}}); a.status != http.StatusForbidden {
		t.Errorf("the old token opens it: %d", a.status)
	}
	_, sessions := w.told()
	reasons := map[string]int{}
	for _, s := range sessions {
		reasons[s.Reason]++
		if strings.Contains(fmt.Sprint(s), cookie) {
			t.Errorf("the trail has a cookie: %+v", s)
		}
	}
	for _, reason := range []string{"", "too_many_sessions", "sign_out", "token_reloaded", "invalid_token"} {
		if reasons[reason] == 0 {
			t.Errorf("nothing was told of a session with the reason %q: %v", reason, reasons)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWrongTokensAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", nil)
	b := w.browser()
	for i := range 12 {
		want := http.StatusForbidden
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		if a := b.post("/console/sign-in", url.Values{"token": {fmt.Sprint("wrong", i)}}); a.status != want {
			t.Errorf("wrong token %d: %d, want %d", i, a.status, want)
		}
	}
	if a := b.post("/console/sign-in", url.Values{"token": {token}}); a.status != http.StatusSeeOther {
		t.Errorf("wrong tokens of others lock the operator out: %d", a.status)
	}
}

func TestNoPageCanBeFramedOrRunsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, hostile, nil)
	w.c.Tried(console.Attempt{By: "g", Source: "slack", ID: "Ev0", Outcome: "failed", Why: hostile})
	b := w.signedIn()
	if page := b.get("/console/dead-letters?group=g").body; !strings.Contains(page, logging.Redacted) {
		t.Errorf("nothing is redacted: %s", page)
	}
	all := append(pages, "/dead-letters/show?group=g&position="+url.QueryEscape(position(t, b)), "/events?type="+url.QueryEscape(hostile),
		"/events?source="+url.QueryEscape(hostile), "/dead-letters?group="+url.QueryEscape(hostile), "/events?find="+url.QueryEscape(hostile), "/events/show?id="+url.QueryEscape(hostile))
	for _, path := range all {
		for _, suffix := range []string{"", "part=1"} {
			a := b.get(console.Base + path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + suffix)
			if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: its policy is %q", path, csp)
			}
			if a.header.Get("X-Frame-Options") != "DENY" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", path, a.header)
			}
			if strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<img") || strings.Contains(a.body, `href="javascript`) {
				t.Errorf("%s: a text became markup: %s", path, a.body)
			}
			if shown := html.UnescapeString(a.body) + unescaped(a.body); strings.Contains(shown, "xoxb-no") || strings.Contains(shown, "of&the") {
				t.Errorf("%s: a secret is shown", path)
			}
			if name := foreignAttribute(t, a.body); name != "" {
				t.Errorf("%s: a text became the attribute %s: %s", path, name, a.body)
			}
			if suffix == "" && a.status == http.StatusOK && !strings.HasSuffix(path, "/jobs") && !strings.HasSuffix(strings.TrimSpace(a.body), "</html>") {
				t.Errorf("%s: a text took the end of the page with it: %s", path, a.body)
			}
			if a.status == http.StatusInternalServerError || path != "/jobs" && !strings.Contains(a.body, "<") {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}
}

// unescaped is a page with what addresses escape as it is.
func unescaped(page string) string {
	return strings.NewReplacer("%26", "&", "&#43;", "+", "%2b", "+", "%2B", "+").Replace(html.UnescapeString(page))
}

// foreignAttribute is the name of an attribute that no template has; empty where there is none.
func foreignAttribute(t *testing.T, page string) string {
	t.Helper()
	tokens := html5.NewTokenizer(strings.NewReader(page))
	for kind := tokens.Next(); kind != html5.ErrorToken; kind = tokens.Next() {
		if kind != html5.StartTagToken && kind != html5.SelfClosingTagToken {
			continue
		}
		for _, a := range tokens.Token().Attr {
			if !templateAttribute.MatchString(a.Key) || a.Key == "hx-post" && a.Val != "/console/jobs/stop" || a.Key == "hx-trigger" && !strings.Contains(a.Val, " from:#live") && a.Val != "load, every 5s" {
				return a.Key + "=" + a.Val
			}
		}
	}
	return ""
}

var templateAttribute = regexp.MustCompile(`^(?:[a-z]{1,12}|aria-[a-z]+|data-(?:announce|key|say)|hx-(?:get|post|trigger|swap|sse:connect)|accept-charset|viewbox|preserveaspectratio|stroke-[a-z]+|vector-effect)$`)

// position is that of the first dead letter.
func position(t *testing.T, b *browser) string {
	t.Helper()
	a := b.get("/console/dead-letters?group=g")
	_, after, ok := strings.Cut(a.body, `name="ref" value="`)
	if !ok {
		t.Fatalf("no dead letter is shown: %d %s", a.status, a.body)
	}
	at, _, _ := strings.Cut(after, `"`)
	return at
}

func TestSessionsEndInTime(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		steps []time.Duration
		open  bool
	}{
		"in use":      {[]time.Duration{50 * time.Minute, 50 * time.Minute}, true},
		"not in use":  {[]time.Duration{time.Hour}, false},
		"used enough": {slices.Repeat([]time.Duration{50 * time.Minute}, 15), false},
	} {
		w := newWorld(t, 0, "", nil)
		now := time.Now()
		w.c.SetClock(func() time.Time { return now })
		b := w.signedIn()
		last := 0
		for _, step := range one.steps {
			now = now.Add(step)
			last = b.get("/console/").status
		}
		if open := last == http.StatusOK; open != one.open {
			t.Errorf("%s: %d, want open %v", name, last, one.open)
		}
		// What a page fetches by itself is no use.
		now = now.Add(40 * time.Minute)
		b.get("/console/events?part=1")
		now = now.Add(30 * time.Minute)
		if a := b.get("/console/"); a.status == http.StatusOK {
			t.Errorf("%s: a page that was left open keeps its session", name)
		}
	}
}

// TestASecretIsTakenOutBeforeATextIsCut: of a secret at the place where a text is cut no part is shown.
func TestASecretIsTakenOutBeforeATextIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0, "", nil)
	for i, bound := range []int{200, 300, 4000, 256 << 10} {
		for j, part := range []int{1, 5, len(secret) - 1} { // as much of it stands before the place
			before := strings.Repeat("x", max(0, bound-part))
			id, text := fmt.Sprintf("EvCut%d-%d", i, j), before+secret
			if bound == 256<<10 { // that of a payload, which begins before the text and goes on behind it
				text = before[len(`{"event":{"text":"`):] + secret + strings.Repeat("y", 1000)
			}
			raw, err := json.Marshal(map[string]any{"type": "event_callback", "event": map[string]any{"type": "message", "text": text}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.store.Publish(t.Context(), event.Event{Source: "slack", ID: id, Kind: event.Kind{Type: "message"}, ReceivedAt: time.Now(), Raw: raw}); err != nil {
				t.Fatal(err)
			}
			w.c.Tried(console.Attempt{By: "g", Source: "slack", ID: id, Outcome: "failed", Why: text})
		}
	}
	b := w.signedIn()
	paths := []string{"/events"}
	for i := range 4 {
		for j := range 3 {
			paths = append(paths, fmt.Sprintf("/events/show?source=slack&id=EvCut%d-%d", i, j))
		}
	}
	for _, path := range paths {
		page := b.get(console.Base + path).body
		for _, shown := range []string{page, html.UnescapeString(page)} {
			for part := 1; part < len(secret); part++ {
				if strings.Contains(shown, "x"+secret[:part]+"…") {
					t.Errorf("%s shows the first %d bytes of a secret", path, part)
				}
			}
		}
		if strings.Count(page, "…") < 3 && path == "/events" {
			t.Errorf("nothing is cut: %s", page)
		}
	}
}
