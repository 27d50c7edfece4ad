package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestSandboxRoundTrip is the main job on the embedded default without a Slack account:
// a tool call goes out to the workspace, and what it did comes back as a signed event
// that the assistant sees.
func TestSandboxRoundTrip(t *testing.T) {
	p := start(t, options{args: []string{"--integrated", "--sandbox"}})
	s := connect(t, p)

	var posted struct {
		OK      bool   `json:"ok"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	s.tool("slack_post_message", map[string]any{"channel": "#general", "text": "hello from an assistant"}, &posted)
	if posted.TS == "" || posted.Channel == "" {
		t.Fatalf("posted %+v, want channel and ts", posted)
	}

	var event struct{ Events []eventRow }
	eventually(t, 10*time.Second, func() error {
		s.tool("slack_list_events", map[string]any{"type": "message", "channel": posted.Channel}, &event)
		if len(event.Events) == 0 {
			return errors.New("the posted message has not come back as an event")
		}
		return nil
	})
	shown := s.read("slack://events/" + event.Events[0].EventID)
	if !strings.Contains(shown, "hello from an assistant") || !strings.Contains(shown, posted.TS) {
		t.Errorf("the event's resource is %s, want the posted message with ts %s", shown, posted.TS)
	}

	var history struct {
		Messages []struct {
			TS string `json:"ts"`
		} `json:"messages"`
	}
	s.tool("slack_read_channel_messages", map[string]any{"channel": posted.Channel, "limit": 5}, &history)
	if len(history.Messages) == 0 || history.Messages[0].TS != posted.TS {
		t.Errorf("the channel's newest message is %+v, want ts %s", history.Messages, posted.TS)
	}
}

// TestSandboxMissesNothing: the workspace of --sandbox stops with the server, so that after a pause nothing says that
// events may have been missed.
func TestSandboxMissesNothing(t *testing.T) {
	o := options{args: []string{"--sandbox", "--gap-after", "1s"}, data: t.TempDir()}
	p := start(t, o)
	connect(t, p).tool("slack_post_message", map[string]any{"channel": "#general", "text": "before the pause"}, new(struct{}))
	p.stop()
	<-time.After(1500 * time.Millisecond) // longer than --gap-after
	p = start(t, o)
	if gaps := gapsCommand(t, o.data, "list"); len(gaps) > 0 {
		t.Errorf("gaps: %+v", gaps)
	}
	if status, body := p.get("/health/detailed"); status != 200 || !strings.Contains(body, `"open_gaps":0`) || strings.Contains(p.logs.String(), "may have been missed") {
		t.Errorf("%d %s\n%s", status, body, p.logs)
	}
}

// TestWaitForEvent: a waiting tool call is woken by the event that it waits for.
func TestWaitForEvent(t *testing.T) {
	t.Parallel()
	p := integrated(t, options{})
	s, poster := connect(t, p), make(chan error, 1)
	go func() {
		poster <- func() error {
			for i := range 3 { // two that do not match, then the one
				channel := [...]string{"C1", "C2", "C7"}[i]
				if status, answer := p.post(message(fmt.Sprintf("EvWAIT%d", i), channel, "hi")); status != 200 {
					return fmt.Errorf("post: %d %s", status, answer)
				}
			}
			return nil
		}()
	}()
	var got eventPage
	s.tool("slack_wait_for_event", map[string]any{"channel": "C7", "timeout_seconds": 20, "cursor": ""}, &got)
	if err := <-poster; err != nil {
		t.Fatal(err)
	}
	if len(got.Events) == 0 {
		// The event may have come before the wait began; then the cursor finds it.
		s.tool("slack_list_events", map[string]any{"channel": "C7"}, &got)
	}
	if len(got.Events) != 1 || got.Events[0].EventID != "EvWAIT2" {
		t.Errorf("woken by %+v, want EvWAIT2", got.Events)
	}
}

// TestClosedByDefault: no client reads events without the token, and none from a foreign
// page even with it.
func TestClosedByDefault(t *testing.T) {
	p := integrated(t, options{})
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, token, origin string
		want                int
	}{
		{"no token", "", "", 401},
		{"wrong token", "wrong", "", 401},
		{"foreign page", authToken, "https://evil.example", 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := signed(t, p.url, "application/json", body)
			req.URL.Path = "/mcp"
			req.Header.Set("Accept", "application/json, text/event-stream")
			if tc.token != "" {
				req.Header.Set("Authorization", "Bearer "+tc.token)
			}
			if tc.origin != "" {
				req.Header.Set("Origin", tc.origin)
			}
			if status, answer := p.do(req); status != tc.want {
				t.Errorf("status %d, want %d: %s", status, tc.want, answer)
			}
		})
	}
}

// TestSendCommand: the shipped `send` makes an event that the server takes.
func TestSendCommand(t *testing.T) {
	p := integrated(t, options{})
	cmd := exec.Command(binary, "send", "--no-env-file", "--url", p.url+"/slack/events", "--text", "from the command line", "--channel", "C42")
	cmd.Env = append(cmd.Environ(), "SLACK_SIGNING_SECRET="+signingSecret)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("send: %v\n%s", err, out)
	}
	var page eventPage
	connect(t, p).tool("slack_list_events", map[string]any{"channel": "C42"}, &page)
	if len(page.Events) != 1 {
		t.Errorf("listed %+v, want the one event that was sent", page.Events)
	}
}
