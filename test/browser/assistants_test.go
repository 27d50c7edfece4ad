package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"slackmcp/slackapi/sandbox"
	"slackmcp/test/internal/driver"
)

// subscriber is a receiver of posted events, which answers the challenge and sends what came.
func subscriber(t *testing.T) (at string, came <-chan string) {
	t.Helper()
	posts := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body) // a body that cannot be read is none
		var said struct{ Type, Challenge string }
		_ = json.Unmarshal(raw, &said)
		if said.Type == "verification" {
			_ = json.NewEncoder(w).Encode(map[string]string{"challenge": said.Challenge})
			return
		}
		posts <- string(raw)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/hook", posts
}

// follows opens a session of MCP with a stream, as a client of the earlier protocol does, until the test ends.
func (s *server) follows(t *testing.T, token string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(stop)
	send := func(method, session, body string) (id string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, s.Base+"/mcp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Session-Id": session} {
			if v != "" {
				req.Header.Set(name, v)
			}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if res.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s %s: %d", method, body, res.StatusCode)
		}
		return res.Header.Get("Mcp-Session-Id")
	}
	session := send(http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"browser","version":"1"}}}`)
	send(http.MethodPost, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	send(http.MethodPost, session, `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"slack://events"}}`)
	send(http.MethodGet, session, "")
}

// TestTheOperatorSeesAssistants: sessions and streams of two people who have signed in, and subscribers, to whom an event goes, whose
// page says so; a subscription is paused and removed.
func TestTheOperatorSeesAssistants(t *testing.T) {
	admin := freeAddr(t)
	console := "http://" + admin + "/console"
	s := start(t, []string{
		"ADMIN_TOKEN=" + adminToken, "SIGN_IN_TEAMS=" + sandbox.Team, "PUBLIC_URL=http://127.0.0.1:{port}", "EVENTS_CALLBACK_HOSTS=127.0.0.1",
	}, "--sandbox", "--admin-addr", admin)
	people := []string{signIn(t, s, sandbox.Alice), signIn(t, s, sandbox.Bob)}
	for _, token := range people {
		s.follows(t, token)
	}
	s.follows(t, driver.Token)
	hook, came := subscriber(t)
	var granted struct{ Result struct{ ID string } }
	said := s.ask(t, driver.Token, "events/subscribe", "", map[string]any{
		"name": "message.created", "arguments": map[string]any{"channel": sandbox.General},
		"delivery": map[string]any{"mode": "webhook", "url": hook, "secret": "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))},
	})
	if err := json.Unmarshal([]byte(said), &granted); err != nil || granted.Result.ID == "" {
		t.Fatalf("%s (%v)", said, err)
	}
	b := openConsole(t, "http://"+admin)
	b.visit(console + "/assistants")
	for _, who := range []string{sandbox.Alice, sandbox.Bob} {
		b.sees("#part tr", who)
	}
	b.sees("#part p", "3 sessions, 3 streams")
	b.everywhere("assistants")
	b.visit(console + "/people")
	b.sees("#part tr", sandbox.Alice)
	b.sees("#part tr", sandbox.Bob)

	s.signed(t, message("EvTold", "who is told of this?"))
	if got := next(t, came, "a post to the subscriber"); !strings.Contains(got, "EvTold") {
		t.Errorf("the subscriber was posted %s", got)
	}
	b.visit(console + "/events/show?source=slack&id=EvTold")
	b.sees("li table td", "slack://events")
	b.sees("li", "Posted to webhook subscribers")
	b.do(chromedp.SetValue(chromedp.CSS("#who"), sandbox.Team+"/"+sandbox.Alice), chromedp.Click(chromedp.CSS("#who + button")))
	b.sees("th", sandbox.Alice)
	b.everywhere("an event of which somebody was told")

	b.visit(console + "/subscriptions")
	b.sees("#part td", "message.created")
	b.everywhere("subscriptions")
	b.do(chromedp.Click(chromedp.CSS("#part td a")))
	b.sees("h1", "One subscription")
	b.sees("td", granted.Result.ID)
	b.everywhere("a subscription")
	b.presses(`@id="main"`, "Pause")
	b.sees("#part td", "paused")
	b.do(chromedp.Click(chromedp.CSS("#part td a")))
	b.sees("button", "Resume")
	b.do(chromedp.Click(chromedp.CSS("input[name=sure]")))
	b.presses(`@id="main"`, "Remove")
	b.sees("#part", "No client has subscribed")
}
