package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

// TestLockdownOfTheBinary: the setting reaches what assistants read, in all its values.
func TestLockdownOfTheBinary(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, sandbox.Options{})
	if err := w.JoinAs("kira", sandbox.Partner, "alice"); err != nil {
		t.Fatal(err)
	}
	for who, text := range map[string]string{"leo": "from outside", "carla": "from inside", "kira": "from a guest"} {
		w.say(t, who, sandbox.Partner, text)
	}
	for value, shown := range map[string]map[string]bool{
		"":                   {"from outside": true, "from a guest": true, "from inside": true},
		"--lockdown":         {"from outside": false, "from a guest": true, "from inside": true},
		"--lockdown=members": {"from outside": false, "from a guest": false, "from inside": true},
	} {
		args := []string{"--integrated", "--mcp-transport", "streamable-http"}
		if value != "" {
			args = append(args, value)
		}
		p := start(t, options{args: args, env: w.env()})
		var got json.RawMessage
		connect(t, p).tool("slack_read_channel_messages", map[string]any{"channel": sandbox.Partner, "response_format": "detailed"}, &got)
		for text, want := range shown {
			if strings.Contains(string(got), text) != want {
				t.Errorf("with %q %q is shown: %v, want %v", value, text, !want, want)
			}
		}
	}
}
