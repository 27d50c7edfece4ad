package browser

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/sync/errgroup"

	"slackmcp/internal/requires"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

const adminToken = "the-token-of-the-operator"

// freeAddr is an address of this machine on which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// openConsole signs an operator in.
func openConsole(t *testing.T, at string) *tab {
	t.Helper()
	b := open(t, at+"/console")
	b.sees("h1", "Sign in")
	b.everywhere("signing in")
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), adminToken+"\r"))
	b.sees("h1", "Health")
	return b
}

// signed posts a body to /slack/events as Slack does.
func (s *server) signed(t *testing.T, body string) {
	t.Helper()
	at := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(sandbox.DefaultSigningSecret))
	mac.Write([]byte("v0:" + at + ":" + body))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Base+"/slack/events", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", at)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("the event was answered %d %s", res.StatusCode, said)
	}
}

func message(id, text string) string {
	b, err := json.Marshal(map[string]any{
		"type": "event_callback", "team_id": "T0LANTERN01", "api_app_id": "A1", "event_id": id, "event_time": time.Now().Unix(),
		"event": map[string]any{"type": "message", "channel": "C0GENERAL01", "channel_type": "channel", "user": "U0ALICE0001", "text": text, "ts": fmt.Sprintf("%d.000100", time.Now().Unix())},
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// kept fills the store of a server that will be started, before it is.
func kept(t *testing.T, dir string, events int) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Topic: "slack.events", RetentionCount: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.SetLimit(1024) // many share one sync of the disk
	for i := range events {
		g.Go(func() error {
			id := fmt.Sprintf("EvKept%06d", i)
			_, err := store.Publish(context.WithoutCancel(t.Context()), event.Event{
				Source: event.SourceSlack, ID: id, Kind: event.Kind{Type: "message"}, Team: "T0LANTERN01", Channel: "C0GENERAL01", User: "U0ALICE0001",
				ReceivedAt: time.Now(), Raw: []byte(message(id, hostile[i%len(hostile)])),
			})
			return err
		})
	}
	if err := errors.Join(g.Wait(), store.Close()); err != nil {
		t.Fatal(err)
	}
}

// aRule writes a rule that gives up each event while a file is there, and returns the names of both.
func aRule(t *testing.T) (file, broken string) {
	t.Helper()
	dir := t.TempDir()
	file, broken = filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "broken")
	program := requires.Program(t, "test", "it is one of coreutils")
	text := fmt.Sprintf("rules:\n  - name: import\n    when: {type: message}\n    run:\n      command: [%s, '!', -e, %s]\n", program, broken)
	for name, content := range map[string]string{file: text, broken: ""} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file, broken
}

// painted is how many milliseconds the page took to show its first content.
func (b *tab) painted() float64 {
	b.Helper()
	return evaluate[float64](b, `new Promise(is => {
		const look = () => { const e = performance.getEntriesByName("first-contentful-paint")[0]; e ? is(e.startTime) : setTimeout(look, 10) };
		look();
	})`)
}

// TestTheOperatorRedrivesAThousand is the console's main act, beside 100,000 events whose texts are hostile. It looks at
// every page.
func TestTheOperatorRedrivesAThousand(t *testing.T) {
	const dead = 1000
	data := t.TempDir()
	began := time.Now()
	kept(t, data, 100_000)
	t.Logf("100,000 events are stored in %s", time.Since(began).Round(time.Millisecond))
	file, broken := aRule(t)
	s := start(t, []string{"ADMIN_TOKEN=" + adminToken}, "--sandbox", "--data-dir", data, "--max-attempts", "1", "--target-patience", "1s", "--rules", file)
	var g errgroup.Group
	g.SetLimit(32)
	for i := range dead {
		g.Go(func() error { s.signed(t, message(fmt.Sprintf("EvDead%04d", i), hostile[i%len(hostile)])); return nil })
	}
	_ = g.Wait() // signed says what failed
	b := openConsole(t, s.Base)
	b.visit(s.Base + "/console/groups")
	b.sees("#part tr", "1,000")
	b.visit(s.Base + "/console/dead-letters")
	b.sees("#part", "rule.import (1,000)")
	b.sees("#part td", "onerror=")
	b.picture("console-dead-letters")

	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Click(chromedp.CSS("input[name=which][value=matching]")))
	b.presses(`@id="part"`, "Redrive")
	b.sees("#jobs", "1,000 changed (1,000 looked at)")
	b.sees("#announced", "Redrive rule.import: done, 1,000 changed (1,000 looked at)")
	// What comes before the rule has seen that its target is well again may die once more.
	for end := time.Now().Add(patience); !evaluate[bool](b, `document.querySelector("#part").textContent.includes("There is no dead letter")`); {
		if time.Now().After(end) {
			t.Fatalf("there are dead letters:\n%.4000s", b.says())
		}
		time.Sleep(time.Second)
		b.visit(s.Base + "/console/dead-letters?group=rule.import")
		if evaluate[bool](b, `!!document.querySelector("input[name=which]")`) {
			b.do(chromedp.Click(chromedp.CSS("input[name=which][value=matching]")))
			b.presses(`@id="part"`, "Redrive")
			b.sees("#jobs", "looked at")
		}
	}

	b.visit(s.Base + "/console/events")
	b.sees("#part td", "onerror=")
	s.signed(t, message("EvLive", "it came while the page was open"))
	b.sees("#part td", "it came while the page was open")
	b.sees("#announced[role=status]", "1 new event")
	if evaluate[bool](b, `!!document.querySelector("[aria-live]:not(#announced), #part :is([role=status], [role=alert], [role=log])")`) {
		t.Error("more of a live page is announced than what is new, in a few words")
	}
	b.presses(`@id="part"`, "EvLive")
	b.sees("li", "before it was answered")
	b.sees("li", "rule.import")
	b.picture("console-event")

	b.visit(s.Base + "/console/")
	peak, _ := s.Memory()
	t.Logf("the server's memory came to %.0f MiB", peak)
	for _, path := range []string{
		"/", "/events", "/deliveries", "/events/show?source=slack&id=EvLive", "/groups", "/groups/drop?group=rule.import", "/dead-letters?group=rule.import",
		"/rules", "/gaps", "/subscriptions", "/assistants", "/people", "/settings",
	} {
		b.visit(s.Base + "/console" + path)
		t.Logf("%-40s first content after %4.0f ms", path, b.painted())
		b.everywhere(path)
		if evaluate[bool](b, `"pwned" in window`) {
			t.Errorf("%s: a text acted", path)
		}
	}
	b.visit(s.Base + "/console/")
	b.sees("figcaption, .chart", "Waiting events")
	b.picture("console-health")
	b.presses(`@id="main"`, "Sign out of the console")
	b.sees("h1", "Sign in")
}

// TestTheOperatorFillsAGapAndSignsOut does two things that go to Slack and to people.
func TestTheOperatorFillsAGapAndSignsOut(t *testing.T) {
	admin := freeAddr(t)
	s := start(t, []string{"ADMIN_TOKEN=" + adminToken, "SIGN_IN_TEAMS=" + sandbox.Team, "PUBLIC_URL=http://127.0.0.1:{port}"}, "--sandbox", "--admin-addr", admin)
	s.signed(t, fmt.Sprintf(`{"type":"app_rate_limited","team_id":%q,"api_app_id":"A1","minute_rate_limited":%d}`, sandbox.Team, time.Now().Add(-2*time.Minute).Unix()))
	s.signIn(t, sandbox.Alice)
	b := openConsole(t, "http://"+admin)
	b.visit("http://" + admin + "/console/gaps")
	b.sees("#part td", "rate_limited")
	b.presses(`@id="part"`, "Fill all")
	b.sees("#jobs", "channels read")
	b.sees("#part td", "filled")

	b.visit("http://" + admin + "/console/settings")
	b.presses(`@id="part"`, "Back up now")
	b.sees("#jobs", "without people")
	b.sees("#part td", ".backup")
	b.presses(`@id="part"`, "Verify the store")
	b.sees("#jobs", "the store is whole")
	b.presses(`@id="part"`, "Verify slack.events-")
	b.sees("#jobs", "the backup is whole")
	b.everywhere("settings with a backup")

	b.visit("http://" + admin + "/console/people")
	b.sees("#part td", sandbox.Alice)
	b.everywhere("people")
	b.presses(`@id="part"`, sandbox.Alice)
	b.sees("h2", "Sign-ins")
	b.everywhere("a person")
	b.do(chromedp.Click(chromedp.CSS("input[name=sure]")))
	b.presses(`@id="main"`, "Sign them out")
	b.sees("#part", "Nobody has signed in")
}

// signIn signs a person in as a client does.
func (s *server) signIn(t *testing.T, user string) {
	t.Helper()
	const verifier, redirect = "a-verifier-of-more-than-forty-three-characters-0123456789", "http://127.0.0.1:5000/callback"
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	do := func(method, address, media, content string) (body string, to *url.URL) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", media)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s: %d, %s, %v", address, res.StatusCode, b, err)
		}
		if to, err = url.Parse(res.Header.Get("Location")); err != nil {
			t.Fatal(err)
		}
		return string(b), to
	}
	post := func(address string, f url.Values) (string, *url.URL) {
		return do(http.MethodPost, address, "application/x-www-form-urlencoded", f.Encode())
	}
	form := func(body string) string {
		t.Helper()
		m := formValue.FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("no form: %s", body)
		}
		return html.UnescapeString(m[1])
	}
	var registered struct {
		ID string `json:"client_id"`
	}
	body, _ := do(http.MethodPost, s.Base+"/register", "application/json", `{"client_name":"A client","redirect_uris":["`+redirect+`"]}`)
	if err := json.Unmarshal([]byte(body), &registered); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(verifier))
	body, _ = do(http.MethodGet, s.Base+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "resource": {s.Base + "/mcp"},
	}.Encode(), "", "")
	_, to := post(s.Base+"/authorize/consent", url.Values{"t": {form(body)}, "answer": {"allow"}})
	atSlack := to.Query()
	atSlack.Set("user", user)
	atSlack.Set("answer", "allow")
	to.RawQuery = ""
	_, to = post(to.String(), atSlack)
	body, _ = do(http.MethodGet, to.String(), "", "")
	_, to = post(s.Base+"/authorize/done", url.Values{"t": {form(body)}, "answer": {"continue"}})
	post(s.Base+"/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "code": {to.Query().Get("code")}, "code_verifier": {verifier},
	})
}

var formValue = regexp.MustCompile(`name="t" value="([^"]*)"`)
