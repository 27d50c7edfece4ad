package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// overSocket starts a server that receives over Socket Mode and has no signing secret.
func overSocket(t *testing.T, w *workspace, data string) *process {
	t.Helper()
	return start(t, options{
		data: data, args: []string{"--integrated", "--socket-mode"},
		env: append(w.env(), "SLACK_APP_TOKEN="+sandbox.DefaultAppToken, "SLACK_SIGNING_SECRET="),
	})
}

func connected(t *testing.T, w *workspace, n int) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		if got := w.SocketConnections(); got != n {
			return fmt.Errorf("%d connections, want %d", got, n)
		}
		return nil
	})
}

// TestSocketModeLosesNothing: over connections that Slack renews, and with a server that
// is killed and comes back, every message is an event, once, and what was acknowledged is
// there after the kill.
func TestSocketModeLosesNothing(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{Empty: true, SocketMode: true, Speed: 600, DelayedEvents: true})
	data := t.TempDir()
	p := overSocket(t, w, data)
	connected(t, w, 2)
	say := func(n int) {
		t.Helper()
		for range n {
			if _, err := w.PostAs("bob", "#general", "over the socket", sandbox.Saying{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	say(50)
	end := w.WarnSockets()
	connected(t, w, 4)
	say(50)
	end()
	say(50)
	p.kill()
	acknowledged := deliveredIDs(w)
	say(20) // while it is down
	p = overSocket(t, w, data)
	seen := map[string]bool{}
	for _, id := range listEventIDs(t, p) {
		seen[id] = true
	}
	for _, id := range acknowledged {
		if !seen[id] {
			t.Errorf("event %s was acknowledged before the kill and is lost", id)
		}
	}
	settle(t, w)
	count := map[string]int{}
	for _, id := range listEventIDs(t, p) {
		count[id]++
	}
	for _, d := range w.Deliveries() {
		if d.State != sandbox.Delivered || count[d.EventID] != 1 {
			t.Errorf("delivery %s is %s and is listed %d times", d.EventID, d.State, count[d.EventID])
		}
	}

	answer, err := w.Slash(t.Context(), "bob", "#general", "/lamp", "on")
	if err != nil || answer.Status != 200 {
		t.Errorf("a command was answered %+v, %v", answer, err)
	}
	var page eventPage
	connect(t, p).tool("slack_list_events", map[string]any{"type": "slash_command"}, &page)
	if len(page.Events) != 1 || page.Events[0].Channel != sandbox.General {
		t.Errorf("commands: %+v", page.Events)
	}
	if status, body := p.get("/health"); status != 200 || !strings.Contains(body, `"socket_mode":"connected"`) {
		t.Errorf("health says %s", body)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.logs)
	}
	if logs := p.logs.String(); strings.Contains(logs, sandbox.DefaultAppToken) || strings.Contains(logs, "ticket=") {
		t.Error("a log shows the app token or a connection's address")
	}
}

// TestNoSocketIsSaid: when Socket Mode is switched off, health, metrics and the account of
// gaps say that nothing can arrive.
func TestNoSocketIsSaid(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{Empty: true, SocketMode: true})
	data := t.TempDir()
	p := start(t, options{
		data: data, args: []string{"--integrated", "--socket-mode", "--gap-after", "1s"},
		env: append(w.env(), "SLACK_APP_TOKEN="+sandbox.DefaultAppToken, "SLACK_SIGNING_SECRET="),
	})
	connected(t, w, 2)
	if _, body := p.get("/health/detailed"); !strings.Contains(body, `"status":"healthy"`) || strings.Contains(body, `"problems"`) {
		t.Errorf("with connections health says %s", body)
	}
	if _, body := p.get("/metrics"); !strings.Contains(body, "slack_webhook_server_slack_socket_connections 2") {
		t.Error("the metrics do not show the connections")
	}
	w.SetSocketMode(false)
	eventually(t, 30*time.Second, func() error {
		status, body := p.get("/health/detailed")
		if status != 200 || !strings.Contains(body, `"status":"degraded"`) || !strings.Contains(body, "no Socket Mode connection (disabled)") || !strings.Contains(body, "turn it on at api.slack.com/apps") {
			return fmt.Errorf("health says %d %s", status, body)
		}
		if _, body := p.get("/health"); !strings.Contains(body, `"degraded"`) || !strings.Contains(body, `"socket_mode":"disabled"`) {
			return fmt.Errorf("the simple answer is %s", body)
		}
		return nil
	})
	if status, _ := p.get("/readyz"); status != 200 {
		t.Errorf("/readyz is %d: to take the server away would help nobody", status)
	}
	if _, body := p.get("/metrics"); !strings.Contains(body, "slack_webhook_server_slack_socket_connections 0") {
		t.Error("the metrics show connections")
	}
	eventually(t, 30*time.Second, func() error {
		for _, g := range gapsCommand(t, data, "list") {
			if g.Kind == "disconnected" {
				return nil
			}
		}
		return errors.New("no gap is recorded")
	})
}

func deliveredIDs(w *workspace) []string {
	var ids []string
	for _, d := range w.Deliveries() {
		if d.State == sandbox.Delivered {
			ids = append(ids, d.EventID)
		}
	}
	return ids
}

func settle(t *testing.T, w *workspace) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestSocketModeInTheSandbox: one command, no setting, no listener that Slack must reach.
func TestSocketModeInTheSandbox(t *testing.T) {
	p := start(t, options{args: []string{"--sandbox", "--socket-mode"}})
	s := connect(t, p)
	s.tool("slack_post_message", map[string]any{"channel": "#general", "text": "hello over the socket"}, &struct{}{})
	eventually(t, 20*time.Second, func() error {
		var page eventPage
		s.tool("slack_list_events", map[string]any{"type": "message"}, &page)
		if len(page.Events) == 0 {
			return errors.New("the message has not come back")
		}
		return nil
	})
}
