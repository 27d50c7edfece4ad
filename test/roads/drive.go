package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"slackmcp/slackapi/sandbox"
	"slackmcp/test/internal/driver"
)

// requests is how many requests a road is driven with.
const requests = 40

// A road is one way through the server: what is started beside it, what is connected
// before, and the requests themselves.
type road struct {
	name string
	// args starts the server, with its rules in a directory.
	args func(dir string) ([]string, error)
	// connect prepares the clients, in the idle run as in the other.
	connect func(ctx context.Context, s *stage) error
	// drive makes the requests and waits until each has arrived at the road's end.
	drive func(ctx context.Context, s *stage) error
}

// A stage is a running server, a Slack and a subscriber around it, and the connected
// client of a road.
type stage struct {
	*driver.Process
	client    *http.Client
	follower  *driver.Follower
	slack     *httptest.Server
	posted    atomic.Int64 // messages that Slack was asked to post
	hook      *httptest.Server
	delivered atomic.Int64 // events that the subscriber received
}

var integrated = []string{"--integrated", "--mcp-transport", "streamable-http"}

func plain(string) ([]string, error) { return integrated, nil }

// roads lists the four.
func roads() []road {
	return []road{
		{name: "event: socket → sqlite → MCP notification", args: plain, connect: follow, drive: driveNotifications},
		{name: "tools/call slack_post_message → Slack → answer", args: plain, connect: follow, drive: driveTool},
		{name: "event → rule → Slack", args: withRule, connect: func(context.Context, *stage) error { return nil }, drive: driveRule},
		{name: "event → subscriber of MCP Events by webhook", args: plain, connect: subscribe, drive: driveWebhook},
	}
}

// events posts the events one after another, so that none shares its way with another.
func (s *stage) events(ctx context.Context, each func(n int) error) error {
	for n := range requests {
		// As Slack does, an event is repeated that was not acknowledged.
		err := driver.Poll(ctx, func() error {
			_, err := driver.PostEvent(ctx, s.client, s.Process, "ROAD", n, driver.Channel(0))
			return err
		})
		if err != nil {
			return err
		}
		if err := each(n + 1); err != nil {
			return err
		}
	}
	return nil
}

// reached waits until a count is at least n.
func reached(ctx context.Context, n int, what string, count func() int) error {
	return driver.Poll(ctx, func() error {
		if got := count(); got < n {
			return fmt.Errorf("%d of %d %s", got, n, what)
		}
		return nil
	})
}

func follow(ctx context.Context, s *stage) error {
	list, err := driver.Follow(ctx, s.Process, 1, driver.Session, func(int) driver.Client { return driver.Client{URI: "slack://events"} })
	if err == nil {
		s.follower = list[0]
	}
	return err
}

func driveNotifications(ctx context.Context, s *stage) error {
	return s.events(ctx, func(n int) error {
		return reached(ctx, n, "notifications", func() int { return len(s.follower.Notified()) })
	})
}

func driveTool(ctx context.Context, s *stage) error {
	for n := range requests {
		params := fmt.Sprintf(`"name":"slack_post_message","arguments":{"channel":"C0GENERAL01","text":"message %d"}`, n)
		if err := s.follower.Call(ctx, s.client, s.Process, "tools/call", params); err != nil {
			return err
		}
	}
	return reached(ctx, requests, "posts", func() int { return int(s.posted.Load()) })
}

// withRule starts the server with one rule that posts to Slack.
func withRule(dir string) ([]string, error) {
	name := filepath.Join(dir, "rules.yaml")
	text := "rules:\n  - name: echo\n    when: {type: message}\n    post: {channel: C0GENERAL01, text: \"echo: {{.text}}\"}\n"
	return append([]string{"--rules", name}, integrated...), os.WriteFile(name, []byte(text), 0o600)
}

func driveRule(ctx context.Context, s *stage) error {
	return s.events(ctx, func(n int) error {
		return reached(ctx, n, "posts", func() int { return int(s.posted.Load()) })
	})
}

func subscribe(ctx context.Context, s *stage) error {
	params, err := json.Marshal(map[string]any{
		"name": "message.created", "arguments": map[string]any{"channel": driver.Channel(0)},
		"delivery": map[string]any{"mode": "webhook", "url": s.hook.URL, "secret": hookSecret},
	})
	if err != nil {
		return err
	}
	return driver.Call(ctx, s.client, s.Process, "events/subscribe", "", string(params[1:len(params)-1]))
}

func driveWebhook(ctx context.Context, s *stage) error {
	return s.events(ctx, func(n int) error {
		return reached(ctx, n, "deliveries", func() int { return int(s.delivered.Load()) })
	})
}

// hookKey signs what the subscriber is sent.
var (
	hookKey    = []byte("0123456789abcdef0123456789abcdef")
	hookSecret = "whsec_" + base64.StdEncoding.EncodeToString(hookKey)
)

// serveHook answers challenges and counts events whose signature is right.
func (s *stage) serveHook(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	mac := hmac.New(sha256.New, hookKey)
	mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + string(raw)))
	if r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var body struct{ Type, Challenge string }
	if json.Unmarshal(raw, &body) == nil && body.Type == "verification" {
		_ = json.NewEncoder(w).Encode(map[string]string{"challenge": body.Challenge})
		return
	}
	s.delivered.Add(1)
}

// run starts the server with its road's clients, calls during, and ends the server, so
// that its counters are written to the directory cover.
func (r road) run(ctx context.Context, server, cover string, during func(*stage) error) (err error) {
	dir, err := os.MkdirTemp("", "roads")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	box, err := sandbox.New(sandbox.Options{})
	if err != nil {
		return err
	}
	s := &stage{client: &http.Client{Transport: &http.Transport{}}}
	workspace := box.Handler()
	s.slack = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		workspace.ServeHTTP(w, r)
		if strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
			s.posted.Add(1)
		}
	}))
	defer s.slack.Close()
	if err := box.SetBaseURL(s.slack.URL); err != nil {
		return err
	}
	s.hook = httptest.NewServer(http.HandlerFunc(s.serveHook))
	defer s.hook.Close()
	args, err := r.args(dir)
	if err != nil {
		return err
	}
	env := []string{
		"GOCOVERDIR=" + cover, "SLACK_API_URL=" + s.slack.URL + "/api/", "SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken,
		"EVENTS_CALLBACK_HOSTS=127.0.0.1", "SENDS_PER_MINUTE=1000",
	}
	if s.Process, err = driver.StartWith(ctx, server, env, args...); err != nil {
		return err
	}
	stop := func() { s.client.CloseIdleConnections(); _ = s.Stop() }
	if err := r.connect(ctx, s); err != nil {
		stop()
		return fmt.Errorf("connect: %w", err)
	}
	if err := settle(ctx); err != nil {
		stop()
		return err
	}
	err = errors.Join(during(s), settle(ctx))
	if s.follower != nil {
		s.follower.Leave()
	}
	stop()
	return err
}

// settle waits until what a start or a request leaves to do in the background is done.
func settle(ctx context.Context) error {
	select {
	case <-time.After(2 * time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
