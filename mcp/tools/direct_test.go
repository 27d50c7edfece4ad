package tools_test

import (
	"strings"
	"testing"

	"slackmcp/mcp/view"
	"slackmcp/slackapi/sandbox"
)

// TestDirectMessagesHaveNames: in lists a direct message is called by its person, one of several by
// all of them.
func TestDirectMessagesHaveNames(t *testing.T) {
	t.Parallel()
	for name, lockdown := range map[string]view.Lockdown{"without lockdown": view.Off, "under lockdown": view.Guests} {
		r := newRig(t, func(o *rigOptions) { o.judge.Lockdown = lockdown })
		var out struct {
			Channels []struct{ ID, Name, Type string }
		}
		r.call("slack_list_channels", a{"types": []string{"im", "mpim"}}, &out)
		called := map[string]string{}
		for _, c := range out.Channels {
			called[c.ID] = c.Name
			if c.Type == "mpim" && (!strings.Contains(c.Name, "bob") || !strings.Contains(c.Name, "carla") || strings.Contains(c.Name, "mpdm")) {
				t.Errorf("%s: a direct message of several is called %q", name, c.Name)
			}
		}
		if got := called[sandbox.AliceDM]; got != "alice" {
			t.Errorf("%s: the direct message with Alice is called %q", name, got)
		}
	}
}
