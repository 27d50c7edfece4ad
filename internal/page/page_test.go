package page

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var field = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

// newSite serves a site with one form.
func newSite(t *testing.T, local bool) *httptest.Server {
	t.Helper()
	s, err := New(Options{
		Name: "Test", Base: "/house", Cookie: "test", Local: local, Nav: []Link{{"Start", "/"}},
		Templates: fstest.MapFS{
			"a.html": {Data: []byte(`{{define "form"}}<h1>{{.}}</h1><form method="post">{{csrf}}<button>Go</button></form>{{end}}` +
				`{{define "said"}}{{template "page.text" .}}{{end}}`)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /house/{$}", func(w http.ResponseWriter, r *http.Request) {
		s.Page(w, r, http.StatusOK, "Start", "form", r.URL.Query().Get("q"))
	})
	mux.HandleFunc("GET /house/said", func(w http.ResponseWriter, r *http.Request) {
		s.Part(w, r, "said", Mrkdwn(r.URL.Query().Get("q"), nil))
	})
	mux.HandleFunc("POST /house/{$}", func(w http.ResponseWriter, r *http.Request) { s.Done(w, r, "/") })
	server := httptest.NewServer(s.Guard(mux))
	t.Cleanup(server.Close)
	return server
}

// ask makes a request without following redirects.
func ask(t *testing.T, method, to, body string, header ...string) (said, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return said{res.StatusCode, res.Header, res.Cookies()}, string(text)
}

// said is what an answer says beside its text.
type said struct {
	StatusCode int
	Header     http.Header
	Cookies    []*http.Cookie
}

func TestAPageKeepsToItself(t *testing.T) {
	server := newSite(t, false)
	res, text := ask(t, "GET", server.URL+"/house/?q="+url.QueryEscape(`<script>alert(1)</script>`), "")
	if strings.Contains(text, "<script>alert") || !strings.Contains(text, "&lt;script&gt;") {
		t.Errorf("a text is not escaped:\n%s", text)
	}
	csp := res.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; ") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy is %q", csp)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(text, `<a href="/house/" aria-current="page">`) {
		t.Errorf("the page's own link is not marked:\n%s", text)
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]*/assets/[^"]+)"`).FindAllStringSubmatch(text, -1) {
		if strings.Contains(match[1], "//") {
			t.Errorf("the page loads %s from elsewhere", match[1])
		}
		res, _ := ask(t, "GET", server.URL+match[1], "")
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, Cache-Control %q", match[1], res.StatusCode, res.Header.Get("Cache-Control"))
		}
	}
}

func TestOnlyOwnFormsChangeAnything(t *testing.T) {
	server := newSite(t, false)
	res, text := ask(t, "GET", server.URL+"/house/", "")
	cookies := res.Cookies
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies are %v", cookies)
	}
	cookie := cookies[0].Name + "=" + cookies[0].Value
	token := field.FindStringSubmatch(text)
	if token == nil {
		t.Fatalf("no token in:\n%s", text)
	}
	_, other := ask(t, "GET", server.URL+"/house/", "")
	form := "csrf=" + token[1]
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
	}{
		"own":                      {form, []string{"Cookie", cookie, "Origin", server.URL}, http.StatusSeeOther},
		"own, as a script":         {form, []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin", "HX-Request", "true"}, http.StatusNoContent},
		"without cookie":           {form, nil, http.StatusForbidden},
		"without token":            {"x=1", []string{"Cookie", cookie}, http.StatusForbidden},
		"token of another browser": {"csrf=" + field.FindStringSubmatch(other)[1], []string{"Cookie", cookie}, http.StatusForbidden},
		"of another site":          {form, []string{"Cookie", cookie, "Origin", "https://evil.example"}, http.StatusForbidden},
		"cross-site":               {form, []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"of another port":          {form, []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
	} {
		if res, text := ask(t, "POST", server.URL+"/house/", c.body, c.header...); res.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d:\n%s", name, res.StatusCode, c.status, text)
		}
	}
}

func TestALongFormIsRefusedAsSuch(t *testing.T) {
	server := newSite(t, false)
	res, text := ask(t, "GET", server.URL+"/house/", "")
	cookie := res.Cookies[0].Name + "=" + res.Cookies[0].Value
	long := strings.Repeat("x", 1<<20)
	part := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" + long + "\r\n--b\r\n" +
		"Content-Disposition: form-data; name=\"csrf\"\r\n\r\n" + field.FindStringSubmatch(text)[1] + "\r\n--b--\r\n"
	for media, body := range map[string]string{
		"multipart/form-data; boundary=b":   part,
		"application/x-www-form-urlencoded": "x=" + long + "&csrf=" + field.FindStringSubmatch(text)[1],
	} {
		res, text := ask(t, "POST", server.URL+"/house/", body, "Content-Type", media, "Cookie", cookie, "Origin", server.URL)
		if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(text, "That is too long.") || !strings.Contains(text, "1 MiB") {
			t.Errorf("%s: status %d:\n%s", media, res.StatusCode, text)
		}
	}
}

func TestLocalSitesAnswerThisMachineOnly(t *testing.T) {
	server := newSite(t, true)
	if res, _ := ask(t, "GET", server.URL+"/house/", ""); res.StatusCode != http.StatusOK {
		t.Errorf("by its address: status %d", res.StatusCode)
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1"} {
		if res, _ := ask(t, "GET", server.URL+"/house/", "", "Host", host); res.StatusCode != http.StatusForbidden {
			t.Errorf("Host %s: status %d, want 403", host, res.StatusCode)
		}
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via", "Cf-Connecting-Ip"} {
		if res, _ := ask(t, "GET", server.URL+"/house/", "", header, "for=192.0.2.1"); res.StatusCode != http.StatusForbidden {
			t.Errorf("through a tunnel with %s: status %d, want 403", header, res.StatusCode)
		}
	}
}

func TestMrkdwn(t *testing.T) {
	server := newSite(t, false)
	for text, want := range map[string]string{
		"*bold* _it_ ~no~ `a*b*`":                    "<strong>bold</strong> <em>it</em> <s>no</s> <code>a*b*</code>",
		"*bold _both_*":                              "<strong>bold <em>both</em></strong>",
		"2*3*4 snake_case_name":                      "2*3*4 snake_case_name",
		"a &lt;b&gt; &amp;amp;":                      "a &lt;b&gt; &amp;amp;",
		"<@U1> in <#C1|dock> <!here>":                `<span class="mention">@U1</span> in <span class="mention">#dock</span> <span class="mention">@here</span>`,
		"<https://a.example/?x=1&amp;y=2|see>":       `<a href="https://a.example/?x=1&amp;y=2" target="_blank" rel="noopener noreferrer">see</a>`,
		"<javascript:alert(1)|see>":                  "&lt;javascript:alert(1)|see&gt;",
		"<data:text/html,x>":                         "&lt;data:text/html,x&gt;",
		"&gt; one\n&gt; two\nthree":                  "<blockquote>one<br>two</blockquote>three",
		"```\n<b>\n*x*\n```":                         "<pre tabindex=\"0\">&lt;b&gt;\n*x*</pre>",
		":tada: :nobody: 12:30:15 :+1::skin-tone-3:": "🎉 :nobody: 12:30:15 👍🏼",
		`"><img src=x onerror=alert(1)>`:             `&#34;&gt;&lt;img src=x onerror=alert(1)&gt;`,
	} {
		if _, got := ask(t, "GET", server.URL+"/house/said?q="+url.QueryEscape(text), ""); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// FuzzMrkdwn lets no text bring a link to run, or take long.
func FuzzMrkdwn(f *testing.F) {
	f.Add("*a* <javascript:x|y> ```z``` > q :tada:")
	f.Fuzz(func(t *testing.T, text string) { check(t, Mrkdwn(text, nil)) })
}

func check(t *testing.T, spans []Span) {
	t.Helper()
	for _, s := range spans {
		if s.Href != "" && !Linkable(s.Href) {
			t.Errorf("link to %q", s.Href)
		}
		check(t, s.Inner)
	}
}

func TestLongTextsAreQuick(t *testing.T) {
	for _, text := range []string{"(*a", " _a", "<", "`", "```", ":", "&gt;\n", "*_~`"} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			Mrkdwn(strings.Repeat(text, 1<<18/len(text)), nil)
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second): // a quadratic reader needs minutes
			t.Fatalf("many %q take too long", text)
		}
	}
}

// TestLive sees one event for many changes, and a reader too many refused.
func TestLive(t *testing.T) {
	var l Live
	server := httptest.NewServer(&l)
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	open := func() (int, io.Reader) {
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res.StatusCode, res.Body
	}
	_, body := open()
	first := bufio.NewScanner(body)
	next := func() string {
		for first.Scan() {
			if name, ok := strings.CutPrefix(first.Text(), "event: "); ok {
				return name
			}
		}
		t.Fatal("the stream ended")
		return ""
	}
	if got := next(); got != "connected" {
		t.Fatalf("the first event is %q", got)
	}
	for range 100 {
		l.Changed("a")
	}
	l.Changed("b")
	seen := ""
	for !strings.HasSuffix(seen, "b") {
		seen += next()
	}
	if strings.Count(seen, "a") > 2 {
		t.Errorf("a hundred changes at once were sent as %q", seen)
	}
	for range maxStreams - 1 {
		open()
	}
	if status, _ := open(); status != http.StatusServiceUnavailable {
		t.Errorf("one stream too many: status %d", status)
	}
}
