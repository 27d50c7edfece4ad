package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// ask sends a request and returns its result; notifications that come before it are kept.
func (c *stdioClient) ask(method, params string) (result map[string]any, told []map[string]any) {
	c.t.Helper()
	c.send(`{"jsonrpc":"2.0","id":"` + method + `","method":"` + method + `","params":` + params + `}`)
	for {
		m := c.next("the answer to " + method)
		if m["id"] != method {
			told = append(told, m)
			continue
		}
		result, _ = m["result"].(map[string]any)
		if result == nil {
			c.t.Fatalf("%s: %v", method, m)
		}
		return result, told
	}
}

// names lists a field of what a list has.
func names(result map[string]any, list, field string) (names []string) {
	all, _ := result[list].([]any)
	for _, one := range all {
		name, _ := one.(map[string]any)[field].(string)
		names = append(names, name)
	}
	return names
}

// TestStdioIsWhole: a client that starts the program has the events of the server beside it, or of Socket
// Mode, with tools, resources and updates, although it is no channel.
func TestStdioIsWhole(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T) (*workspace, *stdioClient){
		"beside a server": func(t *testing.T) (*workspace, *stdioClient) {
			box, data := newWorkspace(t, sandbox.Options{}), t.TempDir()
			p := start(t, options{args: []string{"--integrated"}, data: data, env: box.env()})
			if err := box.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
				t.Fatal(err)
			}
			return box, startStdio(t, data, box.env())
		},
		"beside a server that has Socket Mode": func(t *testing.T) (*workspace, *stdioClient) {
			box, data := newWorkspace(t, sandbox.Options{SocketMode: true}), t.TempDir()
			env := append(box.env(), "SLACK_APP_TOKEN="+sandbox.DefaultAppToken, "SOCKET_MODE=true")
			start(t, options{args: []string{"--integrated"}, data: data, env: env})
			return box, startStdio(t, data, env) // with the server's own settings, as beside one .env file
		},
		"alone with Socket Mode": func(t *testing.T) (*workspace, *stdioClient) {
			box := newWorkspace(t, sandbox.Options{SocketMode: true})
			return box, startStdio(t, t.TempDir(), append(box.env(), "SLACK_APP_TOKEN="+sandbox.DefaultAppToken), "--socket-mode")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, c := begin(t)
			if said := fmt.Sprint(c.hello["instructions"]); !strings.Contains(said, "It receives events") {
				t.Errorf("the instructions: %s", said)
			}
			tools, _ := c.ask("tools/list", `{}`)
			for _, want := range []string{"slack_list_events", "slack_wait_for_event", "slack_event_context", "slack_reply_to_event"} {
				if !slices.Contains(names(tools, "tools", "name"), want) {
					t.Errorf("%s is missing", want)
				}
			}
			resources, _ := c.ask("resources/list", `{}`)
			if !slices.Contains(names(resources, "resources", "uri"), "slack://events") {
				t.Errorf("slack://events is missing among %v", resources)
			}
			c.ask("resources/subscribe", `{"uri":"slack://events"}`)
			c.updated("slack://events", func() { box.say(t, "alice", sandbox.General, "hello, stdio") })
			read, _ := c.ask("resources/read", `{"uri":"slack://events"}`)
			if text, _ := json.Marshal(read); !strings.Contains(string(text), "hello, stdio") {
				t.Errorf("the event is not there: %s", text)
			}
			listed, _ := c.ask("tools/call", `{"name":"slack_list_events","arguments":{"types":["message"]}}`)
			if text, _ := json.Marshal(listed); !strings.Contains(string(text), "hello, stdio") {
				t.Errorf("the tool does not show the event: %s", text)
			}
		})
	}
}

// updated does something until the client is notified of a resource.
func (c *stdioClient) updated(uri string, do func()) {
	c.t.Helper()
	for range 300 {
		do()
		select {
		case m := <-c.lines:
			if params, _ := m["params"].(map[string]any); m["method"] == "notifications/resources/updated" && params["uri"] == uri {
				return
			}
		case <-time.After(200 * time.Millisecond):
		}
	}
	c.t.Fatalf("no update of %s\n%s", uri, c.logs)
}

// TestStdioAlone: without a server and without Socket Mode nothing promises events.
func TestStdioAlone(t *testing.T) {
	t.Parallel()
	box := newWorkspace(t, sandbox.Options{})
	c := startStdio(t, t.TempDir(), box.env(), "--toolsets", "all")
	if said := fmt.Sprint(c.hello["instructions"]); !strings.Contains(said, "It receives no events") || strings.Contains(said, "slack_wait_for_event") {
		t.Errorf("the instructions: %s", said)
	}
	tools, _ := c.ask("tools/list", `{}`)
	all, err := json.Marshal(tools)
	if err != nil {
		t.Fatal(err)
	}
	for _, without := range []string{"slack_list_events", "slack_get_event", "slack_wait_for_event", "slack_event_context", "slack_reply_to_event", "slack_ask", "slack://events"} {
		if strings.Contains(string(all), without) {
			t.Errorf("tools/list speaks of %s", without)
		}
	}
	for _, list := range []string{"resources", "resources/templates"} {
		found, _ := c.ask(list+"/list", `{}`)
		if all, err := json.Marshal(found); err != nil || strings.Contains(string(all), "events") {
			t.Errorf("%s/list: %s", list, all)
		}
	}
}

// TestStdioTellsWhatIsWrong: a configuration that cannot be served is told to the client that asks, with the
// remedy, and then the process ends as it does without a client.
func TestStdioTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	const initialize = `{"jsonrpc":"2.0","method":"notifications/early"}` + "\n" +
		`{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"
	for name, tc := range map[string]struct {
		env  []string
		args []string
		want []string
	}{
		"no token":      {want: []string{"SLACK_BOT_TOKEN is missing", "api.slack.com/apps"}},
		"another token": {env: []string{"SLACK_BOT_TOKEN=xoxp-123-secret"}, want: []string{"SLACK_BOT_TOKEN does not begin with xoxb-"}},
		"no such tool":  {env: []string{"SLACK_BOT_TOKEN=xoxb-1"}, args: []string{"--tools", "slack_nothing"}, want: []string{"slack_nothing"}},
		"no app token":  {env: []string{"SLACK_BOT_TOKEN=xoxb-1"}, args: []string{"--socket-mode"}, want: []string{"SLACK_APP_TOKEN is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), binary, append([]string{"mcp", "--transport", "stdio", "--no-env-file", "--data-dir", t.TempDir()}, tc.args...)...)
			cmd.Env, cmd.Stdin = append(tc.env, "HOME="+t.TempDir()), strings.NewReader(initialize)
			out, err := cmd.Output()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
				t.Errorf("it ends with %v, want 3", err)
			}
			var answer struct {
				ID    int `json:"id"`
				Error struct {
					Code    int    `json:"code"`
					Message string `json:"message"`
				} `json:"error"`
			}
			if err := json.Unmarshal(out, &answer); err != nil || answer.ID != 7 || answer.Error.Code == 0 {
				t.Fatalf("the answer is %s (%v)", out, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(answer.Error.Message, want) {
					t.Errorf("the message lacks %q: %s", want, answer.Error.Message)
				}
			}
			if strings.Contains(string(out), "123-secret") {
				t.Errorf("the answer tells the token: %s", out)
			}
		})
	}
}
