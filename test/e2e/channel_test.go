package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// A stdioClient is a client that started the binary as its MCP server.
type stdioClient struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan map[string]any
	logs  *safeBuffer
	hello map[string]any // the result of initialize
}

// startStdio runs the mcp command over stdio and shakes hands.
func startStdio(t *testing.T, data string, env []string, args ...string) *stdioClient {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"mcp", "--transport", "stdio", "--no-env-file", "--data-dir", data}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	c := &stdioClient{t: t, lines: make(chan map[string]any, 100), logs: &safeBuffer{}}
	cmd.Stderr = c.logs
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		scan := bufio.NewScanner(out)
		for scan.Buffer(nil, 1<<20); scan.Scan(); {
			var m map[string]any
			if err := json.Unmarshal(scan.Bytes(), &m); err != nil {
				t.Errorf("stdout carries %q", scan.Text())
			}
			c.lines <- m
		}
	}()
	t.Cleanup(func() {
		_ = c.in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the command ended with %v\n%s", err, c.logs)
		}
	})
	c.send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	c.hello, _ = c.next("the answer to initialize")["result"].(map[string]any)
	c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return c
}

func (c *stdioClient) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatalf("%v\n%s", err, c.logs)
	}
}

func (c *stdioClient) next(what string) map[string]any {
	c.t.Helper()
	select {
	case m, ok := <-c.lines:
		if !ok {
			c.t.Fatalf("the command ended before %s\n%s", what, c.logs)
		}
		return m
	case <-time.After(time.Minute):
		c.t.Fatalf("waited a minute for %s\n%s", what, c.logs)
		panic("unreachable")
	}
}

// pushed says something again and again, in words of its own each time, until the
// channel is awake and pushes it.
func (c *stdioClient) pushed(say func(text string)) (text string, meta map[string]any) {
	c.t.Helper()
	for n := range 600 {
		say(fmt.Sprintf("are you there? %d", n))
		select {
		case m, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the command ended\n%s", c.logs)
			}
			params, _ := m["params"].(map[string]any)
			if m["method"] == "notifications/claude/channel" {
				text, _ = params["content"].(string)
				meta, _ = params["meta"].(map[string]any)
				return text, meta
			}
		case <-time.After(100 * time.Millisecond):
		}
	}
	c.t.Fatalf("nothing was pushed\n%s", c.logs)
	return "", nil
}

// TestChannelFollowsTheServerBesideIt pushes what a running server receives into the
// conversation of a client that started a process of its own with the same DATA_DIR.
func TestChannelFollowsTheServerBesideIt(t *testing.T) {
	t.Parallel()
	box, data := newWorkspace(t, sandbox.Options{}), t.TempDir()
	p := start(t, options{args: []string{"--integrated"}, data: data, env: box.env()})
	if err := box.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	c := startStdio(t, data, box.env(), "--channel", "--channel-senders", sandbox.Alice)
	_, meta := c.pushed(func(text string) {
		box.say(t, "bob", sandbox.General, "<@"+sandbox.BotUser+"> this is no request")
		box.say(t, "alice", sandbox.General, "<@"+sandbox.BotUser+"> "+text)
	})
	if meta["user"] != sandbox.Alice || meta["channel_name"] != "general" {
		t.Errorf("pushed %v", meta)
	}
}

// asks sends a permission prompt and returns the message that asks in #random.
func (c *stdioClient) asks(w *workspace, id string) (ts string) {
	c.t.Helper()
	c.send(`{"jsonrpc":"2.0","method":"notifications/claude/channel/permission_request","params":{"request_id":"` + id + `","tool_name":"Bash","description":"d","input_preview":"p"}}`)
	eventually(c.t, time.Minute, func() error {
		page, err := w.client(c.t).History(context.Background(), slackapi.HistoryQuery{Channel: sandbox.Random, Limit: 10})
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			if strings.Contains(m.Text, "yes "+id) {
				ts = m.TS
				return nil
			}
		}
		return fmt.Errorf("the prompt %s is not in Slack\n%s", id, c.logs)
	})
	return ts
}

// drain reads what was said again before the first was pushed.
func (c *stdioClient) drain() {
	for {
		select {
		case <-c.lines:
		case <-time.After(time.Second):
			return
		}
	}
}

// verdict requires that the next line is the answer to a prompt.
func (c *stdioClient) verdict(id, behavior string) {
	c.t.Helper()
	m := c.next("the verdict on " + id)
	params, _ := m["params"].(map[string]any)
	if m["method"] != "notifications/claude/channel/permission" || params["request_id"] != id || params["behavior"] != behavior {
		c.t.Errorf("got %v, want %s of %s", m, behavior, id)
	}
}

// TestPermissionPrompts asks in Slack whether a tool may be used, by a client's process beside
// the server that gets the clicks.
func TestPermissionPrompts(t *testing.T) {
	t.Parallel()
	box, data := newWorkspace(t, sandbox.Options{}), t.TempDir()
	p := start(t, options{args: []string{"--integrated"}, data: data, env: box.env()})
	if err := box.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	box.SetInteractivityURL(p.url + "/slack/events")
	flags := []string{"--channel", "--channel-senders", sandbox.Alice + "," + sandbox.Bob, "--channel-permissions", "#random"}
	c := startStdio(t, data, box.env(), flags...)
	c.pushed(func(text string) { box.say(t, "alice", sandbox.General, "<@"+sandbox.BotUser+"> "+text) })
	c.drain()
	click := func(person, ts, button string) {
		t.Helper()
		if _, err := box.Click(t.Context(), person, sandbox.Random, ts, button); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(ts, words string) {
		t.Helper()
		eventually(t, time.Minute, func() error {
			page, err := box.client(t).History(context.Background(), slackapi.HistoryQuery{Channel: sandbox.Random, Oldest: ts, Latest: ts, Inclusive: true})
			if err == nil && (len(page.Messages) != 1 || !strings.Contains(page.Messages[0].Text, words) || strings.Contains(string(page.Messages[0].Blocks), `"button"`)) {
				err = fmt.Errorf("the prompt is %+v, want %q and no buttons", page.Messages, words)
			}
			return err
		})
	}

	ts := c.asks(box, "abcde")
	click("carla", ts, "Allow") // is not on the list
	page, err := box.client(t).History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.Random, Oldest: ts, Latest: ts, Inclusive: true})
	if err != nil || len(page.Messages) != 1 {
		t.Fatalf("read the prompt: %v, %+v", err, page.Messages)
	}
	turned := strings.NewReplacer(`"Allow"`, `"Deny"`, `"Deny"`, `"Allow"`).Replace(string(page.Messages[0].Blocks))
	if _, err := box.client(t).UpdateMessage(t.Context(), slackapi.Update{Channel: sandbox.Random, TS: ts, Text: "?", Blocks: json.RawMessage(turned), Question: true}); err != nil {
		t.Fatal(err)
	}
	// The server hears of the change and may take the buttons away before she clicks.
	_, _ = box.Click(t.Context(), "alice", sandbox.Random, ts, "Deny")
	shows(ts, "no answer to it counts")

	ts = c.asks(box, "fghij")
	click("alice", ts, "Deny")
	c.verdict("fghij", "deny") // and none on abcde before
	shows(ts, "Deny")

	ts = c.asks(box, "mnopq")
	for person, thread := range map[string]string{"carla": ts, "bob": "", "alice": c.asks(box, "rstuv")} {
		if _, err := box.PostAs(person, sandbox.Random, "yes mnopq", sandbox.Saying{ThreadTS: thread}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := box.PostAs("bob", sandbox.Random, "no mnopq", sandbox.Saying{ThreadTS: ts}); err != nil {
		t.Fatal(err)
	}
	c.verdict("mnopq", "deny")
	click("bob", c.asks(box, "wxyza"), "Allow")
	c.verdict("wxyza", "allow")

	ts = c.asks(box, "bcdef")
	_ = c.in.Close()
	shows(ts, "withdrawn")

	var senders []string
	for n := range 51 {
		senders = append(senders, fmt.Sprintf("U%010d", n))
	}
	many := exec.Command(binary, "mcp", "--transport", "stdio", "--no-env-file", "--data-dir", data, "--channel", "--channel-permissions", "U1",
		"--channel-senders", strings.Join(senders, ","))
	many.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, box.env()...)
	if out, err := many.CombinedOutput(); err == nil || !strings.Contains(string(out), "MCP_CHANNEL_SENDERS") || !strings.Contains(string(out), "50") {
		t.Errorf("with 51 senders: %v\n%s", err, out)
	}
}

// TestChannelReceivesBySocketMode needs no server beside it.
func TestChannelReceivesBySocketMode(t *testing.T) {
	t.Parallel()
	box := newWorkspace(t, sandbox.Options{SocketMode: true})
	env := append(box.env(), "SLACK_APP_TOKEN="+sandbox.DefaultAppToken)
	c := startStdio(t, t.TempDir(), env, "--channel", "--channel-senders", sandbox.Alice, "--socket-mode", "--channel-permissions", "#random")
	text, meta := c.pushed(func(text string) { box.say(t, "alice", sandbox.AliceDM, text) })
	if meta["user_name"] != "alice" || meta["channel"] != sandbox.AliceDM || text == "" {
		t.Errorf("pushed %q %v", text, meta)
	}
	c.drain()
	ts := c.asks(box, "abcde")
	if _, err := box.Click(t.Context(), "alice", sandbox.Random, ts, "Allow"); err != nil {
		t.Fatal(err)
	}
	c.verdict("abcde", "allow")
}

// say posts as a person.
func (w *workspace) say(t testing.TB, person, channel, text string) {
	t.Helper()
	if _, err := w.PostAs(person, channel, text, sandbox.Saying{}); err != nil {
		t.Fatal(err)
	}
}
