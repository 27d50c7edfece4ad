package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

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

// hostileRows makes a row of each hostile text.
func hostileRows[T any](row func(i int, text string) T) (all []T) {
	for i, text := range hostile {
		all = append(all, row(i, text))
	}
	return all
}

// hostileThings are gaps, people and backups that are named by the hostile texts.
type hostileThings struct{}

func (hostileThings) Place() string { return strings.Join(hostile, " ") }

func (hostileThings) Make(context.Context, func(done, of int64)) (string, error) {
	return strings.Join(hostile, " "), nil
}

func (hostileThings) Verify(_ context.Context, name string) (string, error) {
	return "", errors.New(name)
}

func (hostileThings) Fill(_ context.Context, id string, send func(gaps.Gap) error) error {
	return errors.Join(send(gaps.Gap{ID: id, Fill: &gaps.Fill{Skipped: hostile}}), errors.New(id))
}

func (hostileThings) Show(_ context.Context, who string) (operate.PersonDetail, error) {
	return operate.PersonDetail{
		Person: operate.Person{Person: who, Name: who, Workspace: who, Clients: []string{who}},
		List:   []rows.Info{{ID: who, Name: who, ClientName: who, Host: who, Scopes: []access.Scope{access.Scope(who)}}},
	}, nil
}

func (hostileThings) SignOut(_ context.Context, what string) (operate.SignedOut, error) {
	return operate.SignedOut{}, errors.New(what)
}

func (hostileThings) Explain(_ context.Context, who, _, _ string) (visibility.Explanation, error) {
	return visibility.Explanation{Person: who, Verdict: who, Why: who, Conversation: who, Kind: who, Membership: who, Needs: who}, nil
}

// The lists of the three have one method name.
type (
	hostileGaps    struct{ hostileThings }
	hostilePeople  struct{ hostileThings }
	hostileBackups struct{ hostileThings }
)

func (hostileGaps) List(context.Context) ([]gaps.Gap, error) {
	return hostileRows(func(_ int, text string) gaps.Gap {
		return gaps.Gap{ID: text, Kind: gaps.Kind(text), Team: text, From: time.Now(), To: time.Now(), Fill: &gaps.Fill{Skipped: []string{text}}}
	}), nil
}

func (hostilePeople) List(_ context.Context, fn func(operate.Person) error) error {
	return errors.Join(hostileRows(func(_ int, text string) error {
		return fn(operate.Person{Person: text, Name: text, Workspace: text, Clients: []string{text}})
	})...)
}

func (hostileBackups) List(context.Context) ([]console.Backup, error) {
	return hostileRows(func(_ int, text string) console.Backup { return console.Backup{Name: text, Size: text} }), nil
}

// hostileStore has an event of each text, which is in all its fields, and is a dead letter of the group g with it as the reason.
func hostileStore(t *testing.T) *memory.Store {
	t.Helper()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for i, text := range hostile {
		body, err := json.Marshal(map[string]any{"event": map[string]any{"type": text, "text": text}, text: text, "user_agent": text})
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Publish(t.Context(), event.Event{
			Source: text, ID: text, Kind: event.Kind{Type: text, Subtype: text}, Team: text, Channel: text, ChannelType: text, User: text, Thread: text,
			ReceivedAt: time.Now(), Raw: body, Retry: event.Retry{Num: i + 1, Reason: text},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	failed := make(chan struct{}, len(hostile))
	go func() {
		for range hostile {
			<-failed
		}
		stop()
	}()
	err = store.Consume(ctx, queue.Group{Name: "g", Workers: 1}, func(_ context.Context, d queue.Delivery) error {
		failed <- struct{}{}
		return queue.Permanent(errors.New(d.Event.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// hostileConsole serves a console of which others have filled every field.
func hostileConsole(t *testing.T) (c *console.Console, base string) {
	t.Helper()
	all := strings.Join(hostile, " ")
	c, err := console.New(console.Options{
		Token: adminToken, Store: hostileStore(t), Past: metrics.New(metrics.Options{}).NewPast(),
		Health: func(context.Context) web.Report {
			r := web.Report{
				Notes:    hostile,
				Problems: hostileRows(func(_ int, text string) web.Problem { return web.Problem{What: text, Remedy: text} }),
			}
			r.Status, r.Components = all, map[string]string{all: all}
			return r
		},
		Settings: hostileRows(func(_ int, text string) console.Setting {
			return console.Setting{Section: text, Key: text, Value: text, Origin: text, Help: text}
		}),
		Kept: func(context.Context) []console.Setting {
			return hostileRows(func(_ int, text string) console.Setting { return console.Setting{Key: text, Value: text} })
		},
		Rules: func() []console.Rule {
			return hostileRows(func(i int, text string) console.Rule {
				return console.Rule{Name: text, Does: text, Group: text, Refusing: time.Now()}
			})
		},
		Rejected: func() []webhook.Rejected {
			return hostileRows(func(i int, text string) webhook.Rejected {
				return webhook.Rejected{
					ID: fmt.Sprint("k", i), Source: text, Address: text, Reason: text, Expected: []string{text}, Came: []string{text}, Headers: map[string]int{text: 3}, Body: text,
				}
			})
		},
		Gaps: hostileGaps{}, People: hostilePeople{}, Backups: hostileBackups{},
		Subscriptions: func() (*notify.Notifier, error) { return nil, errors.New(all) },
		Assistants: func() (transport.Stats, []transport.Held) {
			return transport.Stats{}, hostileRows(func(_ int, text string) transport.Held { return transport.Held{Account: text} })
		},
		Told: func(*event.Event) []mcp.Told {
			return hostileRows(func(_ int, text string) mcp.Told { return mcp.Told{URI: text} })
		},
		Trace:    func(_, id string) string { return id },
		OnChange: func(context.Context, console.Change) {}, OnSession: func(context.Context, console.Session) {},
		Client: func(*http.Request) netip.Addr { return netip.MustParseAddr("127.0.0.1") },
		Redact: func(text string) string { return text }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	server := httptest.NewServer(c)
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return c, server.URL + console.Base
}

// TestHostileTextsDoNothingInTheConsole: no text, in whichever field of whichever page, runs, loads or leads anywhere by itself.
// Each list has all texts, and each page of one thing is looked at with each of them.
func TestHostileTextsDoNothingInTheConsole(t *testing.T) {
	c, base := hostileConsole(t)
	for _, text := range hostile {
		for _, by := range []string{"g", text} {
			c.Tried(console.Attempt{By: by, Source: text, ID: text, Outcome: text, Why: text})
		}
	}
	b := open(t, base)
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), adminToken+"\r"))
	b.sees("h1", "Health")
	for _, job := range []struct{ act, field, value string }{
		{"/gaps/fill", "gap", hostile[0]}, {"/store/backup", "", ""}, {"/store/verify", "name", hostile[1]},
	} {
		form := url.Values{job.field: {job.value}}
		const send = `fetch(%q, {method: "POST", headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: %q + "&csrf=" + document.querySelector("[name=csrf]").value}).then(r => r.status)`
		if status := evaluate[int](b, fmt.Sprintf(send, base+job.act, form.Encode())); status >= http.StatusBadRequest {
			t.Errorf("%s: status %d", job.act, status)
		}
	}
	lists := map[string]string{ // a page, and where it shows each text whole
		"/": "", "/events": "tbody", "/deliveries": "tbody", "/groups": "", "/groups/drop?group=g": "", "/dead-letters": "", "/dead-letters?group=g": "tbody",
		"/rules": "tbody", "/gaps": "tbody", "/subscriptions": "main", "/assistants": "tbody", "/people": "tbody", "/settings": "main",
	}
	for path, where := range lists {
		b.visit(base + path)
		b.harmless(path)
		b.shows(path, where)
	}
	for i, text := range hostile {
		q := url.QueryEscape(text)
		for _, path := range []string{
			"/events/show?source=" + q + "&id=" + q + "&who=" + q, "/deliveries/show?id=k" + fmt.Sprint(i), "/people/show?who=" + q,
			"/events?find=" + q, "/dead-letters?group=g&reason=" + q + "&source=" + q + "&channel=" + q + "&user=" + q,
		} {
			b.visit(base + path)
			b.harmless(path)
		}
	}
	b.visit(base + "/dead-letters?group=g")
	for i, link := range evaluate[[]string](b, `[...document.querySelectorAll("#part tbody a")].map(a => a.href)`) {
		b.visit(link)
		b.harmless(fmt.Sprintf("the dead letter %d", i))
	}
}

// shows fails the test unless elements of the page show each hostile text.
func (b *tab) shows(what, selector string) {
	b.Helper()
	if selector == "" {
		return
	}
	shown := evaluate[string](b, fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.textContent).join("\n")`, selector))
	for _, text := range hostile {
		if !strings.Contains(shown, strings.ReplaceAll(text, "\x00", "\uFFFD")) {
			b.Errorf("%s does not show %q", what, text)
		}
	}
}
