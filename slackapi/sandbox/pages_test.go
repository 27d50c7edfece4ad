package sandbox_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// look asks for a page of the workspace by a name of a host.
func look(t *testing.T, base, path, hostName string) (int, string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // a stream that is not refused would go on
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	ok(t, err)
	if hostName != "" {
		req.Host = hostName
	}
	resp, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ok(t, err)
	return resp.StatusCode, html.UnescapeString(string(text))
}

// TestPagesShowNoSecret: what the app called is shown with its arguments and answers, and without what opens anything.
func TestPagesShowNoSecret(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{RedirectURLs: []string{"https://app.example/"}}, rc)
	server := httptest.NewServer(sb.Handler())
	t.Cleanup(server.Close)
	base := server.URL
	call(t, base, "chat.postMessage", sandbox.DefaultBotToken, "channel="+sandbox.General+"&text=the+token+is+xoxb-1234-SECRETa")
	call(t, base, "auth.test", "", "token=xoxp-1234-SECRETb")
	call(t, base, "oauth.v2.access", "", "client_id=1&client_secret=SECRETc&code=SECRETd&refresh_token=SECRETe")
	call(t, base, "views.open", sandbox.DefaultBotToken, "trigger_id=1.2.SECRETf&view={}")
	call(t, base, "files.getUploadURLExternal", sandbox.DefaultBotToken, "filename=a.txt&length=3")
	settle(t, sb)
	status, text := look(t, base, "/?in="+sandbox.General, "")
	for _, want := range []string{"chat.postMessage", "invalid_auth", "oauth.v2.access", "invalid_client_id", "invalid_trigger_id", "the token is"} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d, the page does not show %q", status, want)
		}
	}
	_, calls, _ := strings.Cut(text, `id="calls"`)
	for _, secret := range []string{"SECRET", sandbox.DefaultBotToken, "/upload/v1/F"} {
		if strings.Contains(calls, secret) {
			t.Errorf("the page shows %q", secret)
		}
	}
}

// TestNamesOfOtherHostsAreRefused: a name of another machine that leads here reads neither the page nor what was delivered.
func TestNamesOfOtherHostsAreRefused(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{})
	for _, path := range []string{"/", "/live", "/part/log", "/shared/F1", "/sandbox/deliveries", "/oauth/v2/authorize"} {
		if status, _ := look(t, base, path, "evil.example"); status != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", path, status)
		}
	}
	if status, text := look(t, base, "/?redir=/files-pri/x", "evil.example"); status != http.StatusOK || strings.Contains(text, "Alice") {
		t.Errorf("the page for files without a token: %d %s", status, text)
	}
}

// TestWhoSeesWhat: a page shows what the person who is chosen sees, and no private conversation of others.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{})
	for _, c := range []struct{ as, in, seen, hidden string }{
		{sandbox.Alice, sandbox.Leads, "private leads", ""},
		{sandbox.Bob, sandbox.Leads, "#general", "leads"},
		{sandbox.Kira, sandbox.Engineers, "#engineering", "general"},
		{"U0NOBODY001", "C0NOTHING01", "You are", ""},
		{sandbox.Bob, sandbox.AliceDM, "#general", ""},
	} {
		_, text := look(t, base, "/?as="+c.as+"&in="+c.in, "")
		_, page, _ := strings.Cut(text, "<main")
		_, heading, _ := strings.Cut(page, `<h2 id="here">`)
		heading, _, _ = strings.Cut(heading, "</h2>")
		if !strings.Contains(page, c.seen) && !strings.Contains(heading, c.seen) {
			t.Errorf("%s in %s: the page does not show %q, but %q", c.as, c.in, c.seen, heading)
		}
		_, list, _ := strings.Cut(page, `id="conversations"`)
		list, _, _ = strings.Cut(list, "</nav>")
		if c.hidden != "" && strings.Contains(list, " "+c.hidden+" ") {
			t.Errorf("%s is shown %q", c.as, c.hidden)
		}
	}
}
