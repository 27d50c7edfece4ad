package console_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/logging"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/transport"
	"slackmcp/mcp/visibility"
	"slackmcp/server/console"
	"slackmcp/server/metrics"
	"slackmcp/server/operate"
	"slackmcp/server/web"
	"slackmcp/signin/rows"
	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

const token = "a-token-of-the-operator"

// A world is a console over a store in memory, with what it was told.
type world struct {
	*testing.T

	url   string
	store *memory.Store
	c     *console.Console

	mu       sync.Mutex
	changes  []console.Change
	sessions []console.Session
	filled   []string
	verified []string
	out      []string
}

func (w *world) told() ([]console.Change, []console.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes, w.sessions
}

// hostile is a text that others wrote, for every field that they can fill. To take a secret out of it must neither end
// the attribute that it stands in nor take markup with it.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}javascript:alert(3) x token=x hx-post=/console/groups/drop ` +
	`hx-trigger=load hx-vals=sure:'yes' z password=[ ` + secret

// secret is one that the server knows, with all that HTML and addresses escape.
const secret = `s3cret+of&the'server"<it>`

// newWorld begins with letters events, all dead letters of the group "g", for the reason that is given.
func newWorld(t *testing.T, letters int, reason string, change func(*console.Options)) *world {
	t.Helper()
	w := &world{T: t}
	var err error
	if w.store, err = memory.New(memory.Options{RetentionAge: -1, RetentionCount: 200_000, MaxBytes: 128 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	w.die(letters, reason)
	m := metrics.New(metrics.Options{})
	secrets := &logging.Secrets{}
	secrets.Keep(secret)
	o := console.Options{
		Token: token, Store: w.store, Past: m.NewPast(),
		Health: func(context.Context) web.Report {
			return web.Report{Problems: []web.Problem{{What: "it is " + hostile, Remedy: "mend " + hostile}}, Notes: []string{hostile}}
		},
		Settings: []console.Setting{{Section: "Slack", Key: "SLACK_BOT_TOKEN", Value: hostile, Origin: hostile, Help: hostile}},
		Kept:     func(context.Context) []console.Setting { return []console.Setting{{Key: "kept", Value: hostile}} },
		Rules: func() []console.Rule {
			return []console.Rule{{Name: hostile, Does: "post", Group: "rule." + hostile, Refusing: time.Now()}}
		},
		Rejected: func() []webhook.Rejected {
			return []webhook.Rejected{{ID: "kq3f", Source: hostile, Address: hostile, Reason: hostile, Expected: []string{hostile}, Came: []string{hostile}, Headers: map[string]int{hostile: 3}, Body: hostile}}
		},
		Gaps:          w,
		Backups:       copies{w},
		People:        people{w},
		Subscriptions: func() (*notify.Notifier, error) { return nil, errors.New("none " + hostile) },
		Assistants: func() (transport.Stats, []transport.Held) {
			return transport.Stats{Sessions: 2}, []transport.Held{{Account: hostile, Sessions: 2}}
		},
		Told:  func(*event.Event) []mcp.Told { return []mcp.Told{{URI: "slack://" + hostile, Followers: 1}} },
		Trace: func(source, id string) string { return fmt.Sprintf("%032x", len(source+id)) },
		OnChange: func(_ context.Context, c console.Change) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changes = append(w.changes, c)
		},
		OnSession: func(_ context.Context, s console.Session) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sessions = append(w.sessions, s)
		},
		Client: func(*http.Request) netip.Addr { return netip.MustParseAddr("127.0.0.1") },
		Redact: secrets.Redact, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	if w.c, err = console.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.c.Run(ctx) }()
	server := httptest.NewServer(w.c)
	w.url = server.URL
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return w
}

// List and Fill are those of console.Gaps.
func (w *world) List(context.Context) ([]gaps.Gap, error) {
	return []gaps.Gap{{ID: "1-downtime", Kind: gaps.Downtime, Team: hostile, From: time.Now(), To: time.Now()}, {ID: hostile, Kind: "unknown"}}, nil
}

func (w *world) Fill(_ context.Context, id string, send func(gaps.Gap) error) error {
	w.mu.Lock()
	w.filled = append(w.filled, id)
	w.mu.Unlock()
	return send(gaps.Gap{ID: id, Fill: &gaps.Fill{Channels: 3, Messages: 7, Stored: 5, Skipped: []string{hostile}}})
}

// copies is console.Backups.
type copies struct{ w *world }

func (copies) Place() string { return hostile }

func (copies) List(context.Context) ([]console.Backup, error) {
	return []console.Backup{{Name: hostile, Size: hostile, Age: time.Hour}, {Name: "older"}}, nil
}

func (copies) Make(_ context.Context, tell func(done, of int64)) (string, error) {
	tell(3, 7)
	return "12 events, " + hostile, nil
}

func (c copies) Verify(_ context.Context, name string) (string, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.verified = append(c.w.verified, name)
	if name == "older" {
		return "", errors.New("the backup is damaged")
	}
	return "it is whole", nil
}

// people is console.People.
type people struct{ w *world }

func (people) List(_ context.Context, fn func(operate.Person) error) error {
	return fn(operate.Person{Person: "T1/U1", Name: hostile, Workspace: hostile, Clients: []string{hostile}})
}

func (people) Show(context.Context, string) (operate.PersonDetail, error) {
	return operate.PersonDetail{
		Person: operate.Person{Person: "T1/U1", Name: hostile, Workspace: hostile},
		List:   []rows.Info{{ID: "si", Name: hostile, ClientName: hostile, Host: hostile, Scopes: []access.Scope{access.Read}}},
	}, nil
}

func (people) Explain(_ context.Context, who, _, _ string) (visibility.Explanation, error) {
	return visibility.Explanation{Person: who, Verdict: "shown", Why: hostile, Conversation: hostile, Kind: hostile, Membership: hostile, Needs: hostile}, nil
}

func (p people) SignOut(_ context.Context, what string) (operate.SignedOut, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.out = append(p.w.out, what)
	return operate.SignedOut{Person: what, Ended: []rows.Info{{}}}, nil
}

// eventID is Ev and a number; every seventh but the first is hostile, as a source whose ids stand in bodies can send.
func eventID(i int) string {
	if i%7 == 1 {
		return fmt.Sprintf("Ev%d", i) + hostile
	}
	return fmt.Sprintf("Ev%d", i)
}

// die stores events that become dead letters of the group "g".
func (w *world) die(n int, reason string) {
	for i := range n {
		body := fmt.Sprintf(`{"token":"xoxb-no","event":{"type":"message","channel":"C1","text":%q}}`, hostile)
		e := event.Event{
			Source: "slack", ID: eventID(i), Kind: event.Kind{Type: "message"}, Channel: hostile, User: hostile, Team: hostile, Thread: hostile,
			ReceivedAt: time.Now(), Raw: []byte(body),
		}
		if _, err := w.store.Publish(w.Context(), e); err != nil {
			w.Fatal(err)
		}
	}
	if n == 0 {
		return
	}
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- w.store.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error { return queue.Permanent(errors.New(reason)) })
	}()
	w.eventually("all are dead", func() bool { return w.dead() == int64(n) })
	stop()
	if err := <-ended; err != nil {
		w.Fatal(err)
	}
}

func (w *world) dead() int64 {
	s, err := w.store.Stats(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	if len(s.Groups) == 0 {
		return 0
	}
	return s.Groups[0].Dead
}

func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	end := time.After(20 * time.Second)
	for !is() {
		select {
		case <-end:
			w.Fatalf("not within 20 s: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// A browser is a client that keeps cookies and follows no redirect.
type browser struct {
	w *world

	http http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	return &browser{w, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, form url.Values, change func(*http.Request)) answer {
	b.w.Helper()
	r, err := http.NewRequestWithContext(b.w.Context(), method, b.w.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.w.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.w.url)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	res, err := b.http.Do(r)
	if err != nil {
		b.w.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.w.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, nil, nil) }

var csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// post sends a form with the token of a page.
func (b *browser) post(path string, form url.Values) answer {
	b.w.Helper()
	found := csrf.FindStringSubmatch(b.get("/console/sign-in").body + b.get("/console/settings").body)
	if found == nil {
		b.w.Fatal("no page has a form")
	}
	form.Set("csrf", found[1])
	return b.do(http.MethodPost, path, form, nil)
}

// signedIn is a browser with a session.
func (w *world) signedIn() *browser {
	w.Helper()
	b := w.browser()
	if a := b.post("/console/sign-in", url.Values{"token": {token}}); a.status != http.StatusSeeOther {
		w.Fatalf("signing in: %d %s", a.status, a.body)
	}
	return b
}
